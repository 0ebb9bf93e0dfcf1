//! A node that the others cannot hear, nor it them, though every link is up.
//!
//! Owns: the rules on the bridge, and taking them away, also when the test fails in between.
//! Never: cuts a node off from the host, which has the API server.

use anyhow::{Context, Result};

use crate::cluster::address::{CLIENT_CABLE, Node};
use crate::command;

const TABLE: &str = "metallb-e2e-partition";

/// The rules that part a node from the rest.
#[derive(Debug)]
pub struct Partition(());

impl Partition {
    pub(super) async fn of(nodes: &[Node], node: &str) -> Result<Self> {
        let alone = nodes.iter().find(|known| known.name() == node);
        let alone = alone.with_context(|| format!("there is no node {node}"))?.cable();
        let others = nodes.iter().filter(|known| known.name() != node);
        let others: Vec<_> = others.map(|other| other.cable()).collect();
        command::run_with_input("nft", ["-f", "-"], &rules(&alone, &others)).await?;
        Ok(Self(()))
    }

    /// Lets everybody hear everybody again.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn heal(self) -> Result<()> {
        command::run("nft", ["delete", "table", "bridge", TABLE])
            .await
            .map(drop)
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        // Done by `heal` in most cases; this is for tests that failed.
        let _ = std::process::Command::new("nft")
            .args(["delete", "table", "bridge", TABLE])
            .stderr(std::process::Stdio::null())
            .status();
    }
}

fn rules(alone: &str, others: &[String]) -> String {
    let rest = [others, &[CLIENT_CABLE.to_owned()]].concat().join(", ");
    format!(
        "table bridge {TABLE} {{ chain forward {{ type filter hook forward priority 0\n\
         iifname {alone} oifname {{ {rest} }} drop\n\
         iifname {{ {rest} }} oifname {alone} drop\n\
         }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_between_the_one_and_the_rest() {
        let text = rules("vn1", &["vn2".to_owned(), "vn3".to_owned()]);
        for rule in [
            "iifname vn1 oifname { vn2, vn3, vclient } drop",
            "iifname { vn2, vn3, vclient } oifname vn1 drop",
        ] {
            assert!(text.lines().any(|line| line.trim() == rule), "{text}");
        }
    }
}
