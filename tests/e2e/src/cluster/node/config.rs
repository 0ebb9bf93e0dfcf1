//! The configuration files and flags of containerd, CNI, kubelet and kube-proxy.
//!
//! Owns: their text, with the reason for everything that is not the default.
//! Never: writes a file.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::cluster::address::{CLUSTER_DNS, Node, POD_NETWORKS};
use crate::cluster::cgroup;
use crate::cluster::control_plane::flags;
use crate::cluster::images::PAUSE;
use crate::cluster::layout::Layout;
use crate::cluster::owner::ProxyMode;
use crate::cluster::pki;

/// Pods get no name servers from the host: more than three of them, or a loopback one, cause an event per pod.
pub(super) const RESOLV_CONF: &str = "# pods of the test cluster resolve no names outside of it\n";

/// A bridge on the node with this node's part of the pod networks. No masquerading: every machine has routes to pods.
pub(super) fn cni(node: Node) -> String {
    json!({
        "cniVersion": "1.0.0",
        "name": "cluster",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipMasq": false,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": node.pods_ipv4()}], [{"subnet": node.pods_ipv6()}]],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
            },
        }],
    })
    .to_string()
}

/// containerd with its data in the node's directory; `plugins` is where the CNI plugins are.
pub(super) fn containerd(directory: &Path, plugins: &str) -> String {
    let directory = directory.display();
    format!(
        r#"version = 3
root = "{directory}/containerd"
state = "/run/containerd"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{PAUSE}"

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE, as in many containers and virtual machines, runc cannot lower its score and dies.
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{plugins}"]
    conf_dir = "{directory}/cni"

# The default is below /opt of the host.
[plugins.'io.containerd.internal.v1.opt']
  path = "{directory}/opt"

[plugins.'io.containerd.nri.v1.nri']
  disable = true
"#
    )
}

/// The kubelet's configuration.
pub(super) fn kubelet(layout: &Layout, node: Node) -> Result<String> {
    let own = pki::files(layout, &node.name());
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"x509": {"clientCAFile": pki::files(layout, "ca").certificate}, "anonymous": {"enabled": false}},
        "tlsCertFile": own.certificate,
        "tlsPrivateKeyFile": own.key,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        // All nodes share the kernel's control groups: each has its own part.
        "cgroupRoot": format!("/{}/{}", cgroup::ROOT, node.name()),
        "failCgroupV1": false,
        "failSwapOn": false,
        // Otherwise an image that is loaded after a failed pull cannot be used.
        "imagePullCredentialsVerificationPolicy": "NeverVerify",
        // The disk is the developer's, and loaded images cannot be pulled again: nothing is evicted or collected.
        "evictionHard": {
            "memory.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
            "imagefs.available": "0%", "imagefs.inodesFree": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "4s",
        "clusterDNS": [CLUSTER_DNS],
        "clusterDomain": "cluster.local",
        "resolvConf": layout.node(node).join("resolv.conf"),
        // The default is below /usr of the host.
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
    });
    Ok(serde_saphyr::to_string(&config)?)
}

/// What the kubelet takes only as flags.
pub(super) fn kubelet_flags(layout: &Layout, node: Node) -> Vec<String> {
    let kubeconfig = pki::files(layout, &node.name()).kubeconfig.display().to_string();
    flags([
        (
            "config",
            layout.node(node).join("kubelet.yaml").display().to_string(),
        ),
        ("kubeconfig", kubeconfig),
        ("hostname-override", node.name()),
        ("node-ip", format!("{},{}", node.ipv4(), node.ipv6())),
    ])
}

/// kube-proxy has no configuration file here.
pub(super) fn proxy_flags(layout: &Layout, node: Node, mode: ProxyMode) -> Vec<String> {
    flags([
        (
            "kubeconfig",
            pki::files(layout, "kube-proxy").kubeconfig.display().to_string(),
        ),
        ("hostname-override", node.name()),
        ("proxy-mode", mode.as_str().to_owned()),
        ("cluster-cidr", POD_NETWORKS.join(",")),
        // The limit of tracked connections belongs to the host's kernel; a node must not change it.
        ("conntrack-max-per-core", "0".to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_its_own_pod_networks_and_control_group() {
        let node = Node::first(3).unwrap()[2];
        let layout = Layout::of(Path::new("/src"));
        let network: serde_json::Value = serde_json::from_str(&cni(node)).unwrap();
        assert_eq!(
            network["plugins"][0]["ipam"]["ranges"][1][0]["subnet"],
            "fd44:0:0:2::/64"
        );
        let text = kubelet(&layout, node).unwrap();
        let kubelet: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(kubelet["cgroupRoot"], "/metallb-cluster/node3");
        assert_eq!(kubelet["tlsCertFile"], "/src/target/cluster/pki/node3.crt");
        let flags = kubelet_flags(&layout, node);
        assert!(
            flags.contains(&"--node-ip=172.30.0.13,fd30::13".to_owned()),
            "{flags:?}"
        );
    }

    #[test]
    fn containerd_keeps_everything_in_the_directory_of_its_node() {
        let text = containerd(Path::new("/src/target/cluster/node1"), "/usr/lib/cni");
        for line in [
            r#"root = "/src/target/cluster/node1/containerd""#,
            r#"bin_dirs = ["/usr/lib/cni"]"#,
            r#"sandbox = "localhost/metallb-cluster/pause:1""#,
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn the_proxy_mode_is_the_one_that_was_asked_for() {
        let layout = Layout::of(Path::new("/src"));
        let flags = proxy_flags(&layout, Node::first(1).unwrap()[0], ProxyMode::Iptables);
        assert!(flags.contains(&"--proxy-mode=iptables".to_owned()), "{flags:?}");
    }
}
