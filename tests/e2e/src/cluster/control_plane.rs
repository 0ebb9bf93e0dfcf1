//! etcd, the API server, the controller manager and the scheduler: processes of the host.
//!
//! Owns: their command lines.
//! Never: starts them; see [`Start`](super::process::Start).

use super::address::{API_PORT, HOST_IPV4, POD_NETWORKS, SERVICE_NETWORKS};
use super::layout::Layout;
use super::pki;

/// Ports of the host that must be free, with who listens there.
pub const PORTS: [(&str, u16); 5] = [
    ("etcd", 2379),
    ("etcd", 2380),
    ("kube-apiserver", API_PORT),
    ("kube-controller-manager", 10257),
    ("kube-scheduler", 10259),
];

/// The log of what pods ask of the API server.
pub(super) const AUDIT_LOG: &str = "audit";

/// What is noted: the requests of pods, but of those that are part of Kubernetes, without what is in them.
pub(super) const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Metadata
  userGroups: ["system:serviceaccounts"]
- level: None
"#;

/// Their control group.
pub(super) const CGROUP: &str = "control-plane";

/// Name and flags of the two that everything else needs.
pub fn storage(layout: &Layout) -> [(&'static str, Vec<String>); 2] {
    [("etcd", etcd(layout)), ("kube-apiserver", api_server(layout))]
}

/// Name and flags of the two that need the API server: they end if they do not find it.
pub fn controllers(layout: &Layout) -> [(&'static str, Vec<String>); 2] {
    [
        ("kube-controller-manager", controller_manager(layout)),
        ("kube-scheduler", scheduler(layout)),
    ]
}

fn etcd(layout: &Layout) -> Vec<String> {
    flags([
        ("data-dir", layout.etcd().display().to_string()),
        ("listen-client-urls", "http://127.0.0.1:2379".to_owned()),
        ("advertise-client-urls", "http://127.0.0.1:2379".to_owned()),
        ("listen-peer-urls", "http://127.0.0.1:2380".to_owned()),
        ("unsafe-no-fsync", "true".to_owned()), // the data does not outlive the cluster
    ])
}

fn api_server(layout: &Layout) -> Vec<String> {
    let certificate = |name: &str| pki::files(layout, name).certificate.display().to_string();
    let key = |name: &str| pki::files(layout, name).key.display().to_string();
    flags([
        ("etcd-servers", "http://127.0.0.1:2379".to_owned()),
        // Only the segment reaches it, not the networks the machine is in.
        ("bind-address", HOST_IPV4.to_string()),
        ("advertise-address", HOST_IPV4.to_string()),
        ("secure-port", API_PORT.to_string()),
        ("tls-cert-file", certificate("kube-apiserver")),
        ("tls-private-key-file", key("kube-apiserver")),
        ("client-ca-file", certificate("ca")),
        ("authorization-mode", "Node,RBAC".to_owned()),
        // The second as on OpenShift: who makes an object that holds up the deletion of its owner, must be allowed to.
        (
            "enable-admission-plugins",
            "NodeRestriction,OwnerReferencesPermissionEnforcement".to_owned(),
        ),
        ("allow-privileged", "true".to_owned()),
        ("service-cluster-ip-range", SERVICE_NETWORKS.join(",")),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".to_owned(),
        ),
        ("service-account-key-file", certificate("service-accounts")),
        ("service-account-signing-key-file", key("service-accounts")),
        // Host names of nodes are not resolved here: `kubectl logs` and `exec` go to addresses.
        ("kubelet-preferred-address-types", "InternalIP".to_owned()),
        ("kubelet-client-certificate", certificate("kubelet-client")),
        ("kubelet-client-key", key("kubelet-client")),
        ("requestheader-client-ca-file", certificate("ca")),
        ("requestheader-allowed-names", "front-proxy".to_owned()),
        ("requestheader-username-headers", "X-Remote-User".to_owned()),
        ("requestheader-group-headers", "X-Remote-Group".to_owned()),
        ("requestheader-extra-headers-prefix", "X-Remote-Extra-".to_owned()),
        ("proxy-client-cert-file", certificate("front-proxy")),
        ("proxy-client-key-file", key("front-proxy")),
        ("audit-policy-file", layout.audit_policy().display().to_string()),
        ("audit-log-path", layout.log(AUDIT_LOG).display().to_string()),
        // No request waits for its note to be written. At most a second of notes is lost when the API server is killed.
        ("audit-log-mode", "batch".to_owned()),
        ("audit-log-batch-max-wait", "1s".to_owned()),
        // A full run of all tests makes a tenth of it; a benchmark left running for days must not fill the disk.
        ("audit-log-maxsize", "200".to_owned()),
        ("audit-log-maxbackup", "2".to_owned()),
        // No kube-proxy serves the host: aggregated APIs are reached at the pods' addresses.
        ("enable-aggregator-routing", "true".to_owned()),
    ])
}

fn controller_manager(layout: &Layout) -> Vec<String> {
    let kubeconfig = pki::files(layout, "kube-controller-manager")
        .kubeconfig
        .display()
        .to_string();
    let authority = pki::files(layout, "ca");
    flags([
        ("kubeconfig", kubeconfig.clone()),
        ("authentication-kubeconfig", kubeconfig.clone()),
        ("authorization-kubeconfig", kubeconfig),
        ("bind-address", "127.0.0.1".to_owned()),
        ("leader-elect", "false".to_owned()),
        ("use-service-account-credentials", "true".to_owned()),
        (
            "service-account-private-key-file",
            pki::files(layout, "service-accounts").key.display().to_string(),
        ),
        ("root-ca-file", authority.certificate.display().to_string()),
        (
            "cluster-signing-cert-file",
            authority.certificate.display().to_string(),
        ),
        ("cluster-signing-key-file", authority.key.display().to_string()),
        ("cluster-cidr", POD_NETWORKS.join(",")),
        // Its default of 20 requests per second is meant to spare a busy API server; here it is four seconds of waiting.
        ("kube-api-qps", "300".to_owned()),
        ("kube-api-burst", "400".to_owned()),
        // A node's pod networks follow from its number, as its routes do; see `node::object`.
        ("allocate-node-cidrs", "false".to_owned()),
    ])
}

fn scheduler(layout: &Layout) -> Vec<String> {
    let kubeconfig = pki::files(layout, "kube-scheduler")
        .kubeconfig
        .display()
        .to_string();
    flags([
        ("kubeconfig", kubeconfig.clone()),
        ("authentication-kubeconfig", kubeconfig.clone()),
        ("authorization-kubeconfig", kubeconfig),
        ("bind-address", "127.0.0.1".to_owned()),
        ("leader-elect", "false".to_owned()),
    ])
}

/// Go's flags, in the spelling that all components understand.
pub(super) fn flags<const N: usize>(flags: [(&str, String); N]) -> Vec<String> {
    flags
        .into_iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_api_server_serves_both_address_families_on_the_segment() {
        let flags = api_server(&Layout::of(Path::new("/src")));
        for flag in [
            "--service-cluster-ip-range=10.96.0.0/16,fd96::/112",
            "--bind-address=172.30.0.1",
            "--client-ca-file=/src/target/cluster/pki/ca.crt",
        ] {
            assert!(flags.iter().any(|found| found == flag), "{flag} in {flags:?}");
        }
    }
}
