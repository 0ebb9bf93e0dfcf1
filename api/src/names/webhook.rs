//! The webhooks: how they are called, and where they are on the server of the controller or, for MetalLB, of the operator.

/// A validating webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validating {
    /// Its name in the ValidatingWebhookConfiguration.
    pub name: &'static str,
    /// Its path on the server.
    pub path: &'static str,
}

/// BGPPeer, in the stored version.
pub const BGP_PEER: Validating = Validating {
    name: "bgppeersvalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta2-bgppeer",
};
/// BFDProfile.
pub const BFD_PROFILE: Validating = Validating {
    name: "bfdprofilevalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta1-bfdprofile",
};
/// BGPAdvertisement.
pub const BGP_ADVERTISEMENT: Validating = Validating {
    name: "bgpadvertisementvalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta1-bgpadvertisement",
};
/// Community.
pub const COMMUNITY: Validating = Validating {
    name: "communityvalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta1-community",
};
/// IPAddressPool.
pub const IP_ADDRESS_POOL: Validating = Validating {
    name: "ipaddresspoolvalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta1-ipaddresspool",
};
/// L2Advertisement.
pub const L2_ADVERTISEMENT: Validating = Validating {
    name: "l2advertisementvalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta1-l2advertisement",
};
/// MetalLB.
pub const METALLB: Validating = Validating {
    name: "metallbvalidationwebhook.metallb.io",
    path: "/validate-metallb-io-v1beta1-metallb",
};
/// The path of the conversion of BGPPeer.
pub const CONVERT_PATH: &str = "/convert";
