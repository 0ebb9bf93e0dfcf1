//! A node without its cable.
//!
//! Owns: putting it back, also when the test fails in between.
//! Never: changes the node itself: it only finds its link down.

use anyhow::Result;

use crate::cluster::address::Node;
use crate::cluster::network;
use crate::command;

/// The cable of a node, pulled out of the bridge.
#[derive(Debug)]
pub struct PulledCable {
    node: Node,
}

impl PulledCable {
    pub(super) async fn pull(node: Node) -> Result<Self> {
        command::run("ip", ["link", "set", &node.cable(), "down"]).await?;
        Ok(Self { node })
    }

    /// Puts it back.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn plug(self) -> Result<()> {
        command::run("ip", ["link", "set", &self.node.cable(), "up"]).await?;
        // The bridge is down without any cable, and loses its routes then.
        command::run_with_input("ip", ["-batch", "-"], &network::pod_routes(self.node))
            .await
            .map(drop)
    }
}

impl Drop for PulledCable {
    fn drop(&mut self) {
        // Done by `plug` in most cases; this is for tests that failed.
        let _ = std::process::Command::new("ip")
            .args(["link", "set", &self.node.cable(), "up"])
            .status();
    }
}
