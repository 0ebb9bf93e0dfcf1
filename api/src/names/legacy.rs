//! The migration from the ConfigMap that held the configuration up to MetalLB 0.12: what it reads, and how it calls
//! what had no name there.

/// The ConfigMap, in the namespace of MetalLB.
pub const CONFIG_MAP: &str = "config";
/// The same in distributions that ran MetalLB in [`KUBE_SYSTEM`].
pub const KUBE_SYSTEM_CONFIG_MAP: &str = "metallb-config";
/// The same from a Helm chart of that time, for a release of that name.
pub const HELM_CONFIG_MAP: &str = "metallb";
/// All names that are looked for.
pub const CONFIG_MAPS: [&str; 3] = [CONFIG_MAP, KUBE_SYSTEM_CONFIG_MAP, HELM_CONFIG_MAP];
/// Namespace of [`KUBE_SYSTEM_CONFIG_MAP`]. The resources go elsewhere.
pub const KUBE_SYSTEM: &str = "kube-system";
/// Key inside the ConfigMap.
pub const CONFIG_KEY: &str = "config";
/// Start of the name of a BGPPeer; its number follows.
pub const PEER_PREFIX: &str = "peer";
/// Start of the name of a BGPAdvertisement; its number follows.
pub const BGP_ADVERTISEMENT_PREFIX: &str = "bgpadvertisement";
/// Start of the name of an L2Advertisement; its number follows.
pub const L2_ADVERTISEMENT_PREFIX: &str = "l2advertisement";
/// The one Community, with all aliases.
pub const COMMUNITY: &str = "communities";
