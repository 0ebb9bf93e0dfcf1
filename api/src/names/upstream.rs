//! What an installation of MetalLB's own project consists of, as far as its names tell, and the command that looks at one.
//! Its workloads and webhooks that have the names of ours are not here.

/// `operator preflight`: the command, and its pod.
pub const PREFLIGHT: &str = "preflight";
/// Namespace of that pod, and of nothing else.
pub const PREFLIGHT_NAMESPACE: &str = "metallb-preflight";

/// Annotation of what a Helm release installed: its name.
pub const HELM_RELEASE: &str = "meta.helm.sh/release-name";
/// Value of the label of the application on FRR-K8s, which speaks BGP for MetalLB.
pub const FRR_K8S: &str = "frr-k8s";
/// Component of the operator's webhooks, and the last part of their Deployment's name.
pub const WEBHOOK_SERVER: &str = "webhook-server";
/// Start of the names of what speaks BGP beside the speaker, in its own pod.
pub const FRR_CONTAINERS: [&str; 4] = ["frr", "reloader", "frr-metrics", "kube-rbac-proxy-frr"];
/// Kind of the owner of what the Operator Lifecycle Manager installed.
pub const CLUSTER_SERVICE_VERSION: &str = "ClusterServiceVersion";
/// The group of the configuration of [`FRR_K8S`].
pub const FRR_K8S_GROUP: &str = "frrk8s.metallb.io";
/// The flag that chooses the class of Services.
pub const CLASS_FLAG: &str = "--lb-class=";
/// The definition of the pools of MetalLB up to 0.13.
pub const ADDRESS_POOL_DEFINITION: &str = "addresspools.metallb.io";
