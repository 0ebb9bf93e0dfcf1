//! A process that does nothing but answer: what any program takes for that on this machine, whoever wrote it.
//!
//! Owns: a thread in a node's network namespace, with the smallest loop that there is.
//! Never: asks Kubernetes anything.

use std::future::poll_fn;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, anyhow};
use metallb_e2e::cluster::address::Node;
use metallb_e2e::lab::Lab;
use metallb_sys::{PacketSocket, Targets, Traffic};
use tokio::sync::oneshot;

use super::{FRAME_BYTES, Link, Mac};

/// Answers for an address until it is dropped.
#[derive(Debug)]
pub struct BareAnswerer {
    _running: oneshot::Sender<()>,
}

impl BareAnswerer {
    /// Begins to answer for `address` on this node.
    ///
    /// # Errors
    /// If the node cannot be entered, or the socket not be opened.
    pub async fn start(lab: &Lab, node: Node, address: Ipv4Addr) -> Result<Self> {
        let name = node.name();
        let link = Link::shown(&lab.node(&name)?.run(Link::SHOW).await?)?;
        let (running, ended) = oneshot::channel();
        let (sender, begun) = oneshot::channel();
        std::thread::spawn(move || {
            let targets = Targets::covering([u32::from(address)]);
            match link.enter(&name, Traffic::Arp, &targets) {
                Ok((runtime, socket)) => {
                    let _ = sender.send(Ok(())); // nobody waits if the measurement was given up
                    runtime.block_on(async {
                        tokio::select! {
                            _ = ended => {}
                            () = answer(&socket, link.mac) => {}
                        }
                    });
                }
                Err(error) => drop(sender.send(Err(error))),
            }
        });
        begun
            .await
            .map_err(|_| anyhow!("the answering thread panicked"))?
            .context("nobody answers beside the implementation")?;
        Ok(Self { _running: running })
    }
}

async fn answer(socket: &PacketSocket, own: Mac) {
    let mut frame = [0; 128];
    while let Ok(length) = poll_fn(|context| socket.poll_receive(context, &mut frame)).await {
        if let Some(reply) = frame[..length]
            .first_chunk()
            .and_then(|request| reply(request, own))
        {
            let _ = socket.try_send(&reply); // a full queue is a lost answer, which the client counts
        }
    }
}

/// The answer to a request. None to everything else.
fn reply(request: &[u8; FRAME_BYTES], own: Mac) -> Option<[u8; FRAME_BYTES]> {
    let mut reply = *request;
    let operation = &mut reply[20..22];
    if operation != [0, 1] {
        return None;
    }
    operation.copy_from_slice(&[0, 2]);
    reply[..6].copy_from_slice(&request[6..12]);
    reply[6..12].copy_from_slice(&own);
    reply[22..28].copy_from_slice(&own);
    reply[28..32].copy_from_slice(&request[38..42]);
    reply[32..42].copy_from_slice(&request[22..32]);
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::super::{is_answer, request};
    use super::*;

    #[test]
    fn who_asks_takes_the_answer_for_one_and_an_answer_gets_none() {
        let (client, own) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 9]);
        let address = Ipv4Addr::new(172, 30, 127, 254);
        let answer = reply(&request(client, address), own).unwrap();
        assert!(is_answer(&answer, client, address));
        assert_eq!(answer[22..28], own);
        assert_eq!(reply(&answer, client), None);
    }
}
