//! The wires: a bridge on the host, one network namespace per machine, and the routes to the pods.
//!
//! Owns: the names of [`address`](super::address) as far as they are network objects.
//! Never: touches an object that was there before; the prerequisites have checked that none is in the way.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};

use super::address::{
    BRIDGE, CLIENT, CLIENT_CABLE, CLIENT_IPV4, CLIENT_IPV6, HOST_IPV4, HOST_IPV6, INTERFACE, IPV4_PREFIX,
    IPV6_PREFIX, Node,
};
use super::process;
use crate::command::{run, run_with_input};

const NETNS_DIRECTORY: &str = "/run/netns";

/// Creates everything.
///
/// # Errors
/// If the kernel refuses an object.
pub async fn create(nodes: &[Node]) -> Result<()> {
    for name in namespaces(nodes) {
        run("ip", ["netns", "add", &name]).await?;
    }
    run_with_input("ip", ["-batch", "-"], &host_commands(nodes)).await?;
    for &node in nodes {
        run_with_input(
            "ip",
            ["-n", &node.name(), "-batch", "-"],
            &node_commands(node, nodes),
        )
        .await?;
    }
    run_with_input("ip", ["-n", CLIENT, "-batch", "-"], &client_commands()).await?;
    Ok(())
}

/// Removes everything that exists of it, with the processes that still sit in the namespaces.
///
/// # Errors
/// If something cannot be removed.
pub async fn remove(nodes: &[Node]) -> Result<()> {
    // The host's ends first: a namespace that goes takes its ends along only some time later.
    let cables = nodes
        .iter()
        .map(|node| node.cable())
        .chain([CLIENT_CABLE.to_owned(), BRIDGE.to_owned()]);
    for link in cables {
        if Path::new("/sys/class/net").join(&link).exists() {
            run("ip", ["link", "delete", &link]).await?;
        }
    }
    for name in namespaces(nodes) {
        process::kill_all(|| process::in_network_namespace(&name)).await?;
        if Path::new(NETNS_DIRECTORY).join(&name).exists() {
            run("ip", ["netns", "delete", &name]).await?;
        }
    }
    Ok(())
}

/// Names of the cluster's network objects that exist already.
pub fn in_the_way(nodes: &[Node]) -> Vec<String> {
    let namespaces = namespaces(nodes).filter(|name| Path::new(NETNS_DIRECTORY).join(name).exists());
    let namespaces = namespaces.map(|name| format!("the network namespace {name} (ip netns delete {name})"));
    let links = nodes
        .iter()
        .map(|node| node.cable())
        .chain([CLIENT_CABLE.to_owned(), BRIDGE.to_owned()]);
    let links = links.filter(|link| Path::new("/sys/class/net").join(link).exists());
    namespaces
        .chain(links.map(|link| format!("the interface {link} (ip link delete {link})")))
        .collect()
}

/// Whether `ip netns add` will make `/run/netns` a mount point: it does so for the first namespace of a machine.
pub fn will_mount_netns() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    !mounts
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(NETNS_DIRECTORY))
}

/// Undoes that mount, unless somebody else has a namespace there by now.
///
/// # Errors
/// If the kernel refuses.
pub fn unmount_netns() -> Result<()> {
    let empty = fs::read_dir(NETNS_DIRECTORY).is_ok_and(|mut entries| entries.next().is_none());
    if empty && !will_mount_netns() {
        umount2(NETNS_DIRECTORY, MntFlags::MNT_DETACH)
            .with_context(|| format!("cannot unmount {NETNS_DIRECTORY}"))?;
    }
    Ok(())
}

/// Firewall programs whose rules could drop the frames that pass the bridge.
///
/// With `bridge-nf-call-iptables` the host's FORWARD chain sees them, and Docker's default policy there is to drop.
pub async fn firewalls_to_open() -> Vec<String> {
    let mut found = Vec::new();
    for program in ["iptables", "ip6tables"] {
        let switch = format!("/proc/sys/net/bridge/bridge-nf-call-{program}");
        if fs::read_to_string(switch).is_ok_and(|value| value.trim() == "1") {
            let rules = run(program, ["-w", "-S", "FORWARD"]).await.unwrap_or_default();
            if !matches!(rules.trim(), "" | "-P FORWARD ACCEPT") {
                found.push(program.to_owned());
            }
        }
    }
    found
}

/// Lets frames pass the bridge.
///
/// # Errors
/// If a rule cannot be inserted.
pub async fn open(firewalls: &[String]) -> Result<()> {
    for program in firewalls {
        run(program, firewall_rule("-I")).await?;
    }
    Ok(())
}

/// Takes the rules of [`open`] back; one that is gone already is no error.
pub async fn close(firewalls: &[String]) {
    for program in firewalls {
        let _ = run(program, firewall_rule("-D")).await;
    }
}

fn firewall_rule(action: &str) -> [&str; 9] {
    [
        "-w", action, "FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT",
    ]
}

fn namespaces(nodes: &[Node]) -> impl Iterator<Item = String> {
    nodes.iter().map(|node| node.name()).chain([CLIENT.to_owned()])
}

/// Input of `ip -batch` on the host. `nodad`: nobody else can have these addresses, and waiting for that proof would
/// delay the start by two seconds.
fn host_commands(nodes: &[Node]) -> String {
    let mut text = format!(
        "link add {BRIDGE} type bridge\n\
         address add {HOST_IPV4}/{IPV4_PREFIX} dev {BRIDGE}\n\
         address add {HOST_IPV6}/{IPV6_PREFIX} dev {BRIDGE} nodad\n\
         link set {BRIDGE} up\n"
    );
    let cables = nodes
        .iter()
        .map(|node| (node.cable(), node.name()))
        .chain([(CLIENT_CABLE.to_owned(), CLIENT.to_owned())]);
    for (cable, namespace) in cables {
        text.push_str(&format_cable(&cable, &namespace));
    }
    for node in nodes {
        text.push_str(&pod_routes(*node)); // the API server calls webhooks in pods
    }
    text
}

fn format_cable(cable: &str, namespace: &str) -> String {
    format!(
        "link add {cable} type veth peer name {INTERFACE} netns {namespace}\n\
         link set {cable} master {BRIDGE} up\n"
    )
}

fn node_commands(node: Node, nodes: &[Node]) -> String {
    let (ipv4, ipv6) = (node.ipv4(), node.ipv6());
    let mut text = format!(
        "link set lo up\n\
         link set {INTERFACE} up\n\
         address add {ipv4}/{IPV4_PREFIX} dev {INTERFACE}\n\
         address add {ipv6}/{IPV6_PREFIX} dev {INTERFACE} nodad\n\
         route add default via {HOST_IPV4}\n"
    );
    for other in nodes.iter().filter(|other| **other != node) {
        text.push_str(&pod_routes(*other));
    }
    text
}

fn client_commands() -> String {
    format!(
        "link set lo up\n\
         link set {INTERFACE} up\n\
         address add {CLIENT_IPV4}/{IPV4_PREFIX} dev {INTERFACE}\n\
         address add {CLIENT_IPV6}/{IPV6_PREFIX} dev {INTERFACE} nodad\n"
    )
}

/// Routes to a node's pods, for everybody else on the segment. Also what brings a node back that lost its cable: the
/// kernel drops routes through a link that goes down.
pub(crate) fn pod_routes(node: Node) -> String {
    let mut text = String::new();
    for (pods, via) in [
        (node.pods_ipv4(), node.ipv4().to_string()),
        (node.pods_ipv6(), node.ipv6().to_string()),
    ] {
        let _ = writeln!(text, "route replace {pods} via {via}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_cable_and_routes_to_the_pods_of_the_others() {
        let nodes = Node::first(2).unwrap();
        let host = host_commands(&nodes);
        for line in [
            "address add 172.30.0.1/16 dev br-lab",
            "link add vn2 type veth peer name eth0 netns node2",
            "link set vclient master br-lab up",
            "route replace 10.244.1.0/24 via 172.30.0.12",
            "route replace fd44:0:0:1::/64 via fd30::12",
        ] {
            assert!(host.lines().any(|found| found == line), "{line} in\n{host}");
        }
        let node = node_commands(nodes[0], &nodes);
        assert!(
            node.contains("10.244.1.0/24 via 172.30.0.12") && !node.contains("10.244.0.0/24"),
            "{node}"
        );
    }
}
