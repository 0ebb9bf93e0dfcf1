//! The names and addresses of the cluster: fixed, so that tests, people and documentation can rely on them.
//!
//! Owns: the address plan.
//! Never: touches the system.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};

/// The bridge that joins every node, the client and the host to one Ethernet segment.
pub const BRIDGE: &str = "br-lab";
/// The host's own addresses on the bridge: the API server listens on the first.
pub const HOST_IPV4: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 1);
/// See [`HOST_IPV4`].
pub const HOST_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd30, 0, 0, 0, 0, 0, 0, 1);
/// Prefix lengths of the segment.
pub const IPV4_PREFIX: u8 = 16;
/// See [`IPV4_PREFIX`].
pub const IPV6_PREFIX: u8 = 64;
/// A network namespace on the segment that is no node: where a user of the announced addresses sits.
pub const CLIENT: &str = "client";
/// Addresses of the client.
pub const CLIENT_IPV4: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 50);
/// See [`CLIENT_IPV4`].
pub const CLIENT_IPV6: Ipv6Addr = Ipv6Addr::new(0xfd30, 0, 0, 0, 0, 0, 0, 0x50);
/// The host's end of the client's cable.
pub const CLIENT_CABLE: &str = "vclient";
/// The interface of a node and of the client.
pub const INTERFACE: &str = "eth0";
/// Port of the API server on [`HOST_IPV4`].
pub const API_PORT: u16 = 6443;
/// The networks that pods and Services take their addresses from, IPv4 first.
pub const POD_NETWORKS: [&str; 2] = ["10.244.0.0/16", "fd44::/56"];
/// See [`POD_NETWORKS`].
pub const SERVICE_NETWORKS: [&str; 2] = ["10.96.0.0/16", "fd96::/112"];
/// The Service `kubernetes.default`: the first address of the first Service network.
pub const KUBERNETES_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// Where pods would ask for names. Nothing answers there; without it the kubelet complains about every pod.
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// More nodes than this would leave the single digit that their addresses end with.
pub const MAX_NODES: u8 = 9;

/// One machine of the cluster: everything about it follows from its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(u8);

impl Node {
    /// The nodes of a cluster of `count`, or an error that names the limit.
    pub fn first(count: u8) -> Result<Vec<Self>> {
        if count == 0 || count > MAX_NODES {
            bail!("a cluster has 1 to {MAX_NODES} nodes, not {count}");
        }
        Ok((1..=count).map(Self).collect())
    }

    /// Its number, from 1.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its name, both as a Kubernetes node and as a network namespace.
    pub fn name(self) -> String {
        format!("node{}", self.0)
    }

    /// The host's end of its cable.
    pub fn cable(self) -> String {
        format!("vn{}", self.0)
    }

    /// Its address on the segment.
    pub fn ipv4(self) -> Ipv4Addr {
        Ipv4Addr::new(172, 30, 0, 10 + self.0)
    }

    /// Its address on the segment; the last group reads like that of the IPv4 address.
    pub fn ipv6(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd30, 0, 0, 0, 0, 0, 0, 0x10 + u16::from(self.0))
    }

    /// The part of the first pod network that its pods get.
    pub fn pods_ipv4(self) -> String {
        format!("10.244.{}.0/24", self.0 - 1)
    }

    /// The part of the second pod network that its pods get.
    pub fn pods_ipv6(self) -> String {
        format!(
            "{}/64",
            Ipv6Addr::new(0xfd44, 0, 0, u16::from(self.0 - 1), 0, 0, 0, 0)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_and_addressed_by_its_number() {
        let last = *Node::first(9).unwrap().last().unwrap();
        assert_eq!(last.name(), "node9");
        assert_eq!(last.ipv4().to_string(), "172.30.0.19");
        assert_eq!(last.ipv6().to_string(), "fd30::19");
        assert_eq!(
            (last.pods_ipv4().as_str(), last.pods_ipv6().as_str()),
            ("10.244.8.0/24", "fd44:0:0:8::/64")
        );
        assert_eq!(Node(1).pods_ipv6(), "fd44::/64");
    }

    #[test]
    fn a_cluster_has_one_to_nine_nodes() {
        for (count, fits) in [(0, false), (1, true), (9, true), (10, false)] {
            assert_eq!(Node::first(count).is_ok(), fits, "{count}");
        }
    }
}
