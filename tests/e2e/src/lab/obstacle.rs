//! Frames that do not arrive, though every link is up: a node that is cut off, or the speakers' own port that loses some.
//!
//! Owns: the rules on the bridge, and taking them away, also when the test fails in between.
//! Never: keeps a node from the host, which has the API server.

use anyhow::{Context, Result};

use crate::cluster::address::{CLIENT_CABLE, Node};
use crate::command;

/// There is one at a time.
const TABLE: &str = "metallb-e2e-obstacle";

/// The port of the speakers' membership protocol.
const PORT: u16 = 7946;

/// Which of the speakers' packets to one another are lost, of UDP and of TCP. Whatever else they send arrives.
#[derive(Clone, Debug)]
pub enum Loss {
    /// What this node says: the others do not hear it, and it hears them.
    From(String),
    /// What is said to this node: it hears nobody, and the others hear it.
    To(String),
    /// So many in a hundred, of all.
    Percent(u8),
}

/// Rules that keep frames from their way.
#[derive(Debug)]
pub struct Obstacle(());

impl Obstacle {
    /// Cuts `node` off from the other nodes and the client.
    pub(super) async fn part(nodes: &[Node], node: &str) -> Result<Self> {
        let alone = cable(nodes, node)?;
        let others = nodes.iter().filter(|known| known.name() != node);
        let others: Vec<_> = others.map(|other| other.cable()).collect();
        Self::put(&between(&alone, &others)).await
    }

    /// Loses some of the speakers' packets.
    pub(super) async fn lose(nodes: &[Node], loss: Loss) -> Result<Self> {
        let which = match loss {
            Loss::From(node) => format!("iifname {}", cable(nodes, &node)?),
            Loss::To(node) => format!("oifname {}", cable(nodes, &node)?),
            Loss::Percent(percent) => format!("numgen random mod 100 < {percent}"),
        };
        Self::put(&of_the_port(&which)).await
    }

    async fn put(rules: &str) -> Result<Self> {
        let table = format!(
            "table bridge {TABLE} {{ chain forward {{ type filter hook forward priority 0\n{rules}}}\n}}\n"
        );
        command::run_with_input("nft", ["-f", "-"], &table).await?;
        Ok(Self(()))
    }

    /// Lets everything arrive again.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn remove(self) -> Result<()> {
        command::run("nft", ["delete", "table", "bridge", TABLE])
            .await
            .map(drop)
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        // Done by `remove` in most cases; this is for tests that failed.
        let _ = std::process::Command::new("nft")
            .args(["delete", "table", "bridge", TABLE])
            .stderr(std::process::Stdio::null())
            .status();
    }
}

fn cable(nodes: &[Node], name: &str) -> Result<String> {
    let node = nodes.iter().find(|known| known.name() == name);
    Ok(node.with_context(|| format!("there is no node {name}"))?.cable())
}

fn between(alone: &str, others: &[String]) -> String {
    let rest = [others, &[CLIENT_CABLE.to_owned()]].concat().join(", ");
    format!(
        "iifname {alone} oifname {{ {rest} }} drop\n\
         iifname {{ {rest} }} oifname {alone} drop\n"
    )
}

/// Each packet meets one of the rules: datagrams have the port at both ends, a connection at one of them.
fn of_the_port(which: &str) -> String {
    ["udp dport", "tcp dport", "tcp sport"]
        .map(|end| format!("{end} {PORT} {which} drop\n"))
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_between_the_one_and_the_rest() {
        assert_eq!(
            between("vn1", &["vn2".to_owned(), "vn3".to_owned()]),
            "iifname vn1 oifname { vn2, vn3, vclient } drop\n\
             iifname { vn2, vn3, vclient } oifname vn1 drop\n"
        );
    }

    #[test]
    fn a_packet_of_the_port_is_lost_as_often_as_was_asked_for() {
        assert_eq!(
            of_the_port("iifname vn1"),
            "udp dport 7946 iifname vn1 drop\n\
             tcp dport 7946 iifname vn1 drop\n\
             tcp sport 7946 iifname vn1 drop\n"
        );
    }
}
