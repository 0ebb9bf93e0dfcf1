//! The configuration as it is written: every object of MetalLB's namespace, by name, right or wrong. Owns no rule.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::v1beta1::{BFDProfile, BGPAdvertisement, Community, IPAddressPool, L2Advertisement};
use metallb_api::v1beta2::BGPPeer;

/// The kinds of objects that administrators write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the kind of the same name")]
pub enum Kind {
    BfdProfile,
    BgpAdvertisement,
    BgpPeer,
    Community,
    IpAddressPool,
    L2Advertisement,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::BfdProfile,
        Self::BgpAdvertisement,
        Self::BgpPeer,
        Self::Community,
        Self::IpAddressPool,
        Self::L2Advertisement,
    ];

    /// As in `kind:` of a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BfdProfile => "BFDProfile",
            Self::BgpAdvertisement => "BGPAdvertisement",
            Self::BgpPeer => "BGPPeer",
            Self::Community => "Community",
            Self::IpAddressPool => "IPAddressPool",
            Self::L2Advertisement => "L2Advertisement",
        }
    }
}

/// One object of any of these kinds.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is an object of the kind of the same name")]
pub enum Object {
    BfdProfile(Box<BFDProfile>),
    BgpAdvertisement(Box<BGPAdvertisement>),
    BgpPeer(Box<BGPPeer>),
    Community(Box<Community>),
    IpAddressPool(Box<IPAddressPool>),
    L2Advertisement(Box<L2Advertisement>),
}

impl Object {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::BfdProfile(_) => Kind::BfdProfile,
            Self::BgpAdvertisement(_) => Kind::BgpAdvertisement,
            Self::BgpPeer(_) => Kind::BgpPeer,
            Self::Community(_) => Kind::Community,
            Self::IpAddressPool(_) => Kind::IpAddressPool,
            Self::L2Advertisement(_) => Kind::L2Advertisement,
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::BfdProfile(object) => &object.metadata,
            Self::BgpAdvertisement(object) => &object.metadata,
            Self::BgpPeer(object) => &object.metadata,
            Self::Community(object) => &object.metadata,
            Self::IpAddressPool(object) => &object.metadata,
            Self::L2Advertisement(object) => &object.metadata,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Whether it configures the same as `other`: neither the status nor most of the metadata matters.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let spec = match (self, other) {
            (Self::BfdProfile(a), Self::BfdProfile(b)) => a.spec == b.spec,
            (Self::BgpAdvertisement(a), Self::BgpAdvertisement(b)) => a.spec == b.spec,
            (Self::BgpPeer(a), Self::BgpPeer(b)) => a.spec == b.spec,
            (Self::Community(a), Self::Community(b)) => a.spec == b.spec,
            (Self::IpAddressPool(a), Self::IpAddressPool(b)) => a.spec == b.spec,
            (Self::L2Advertisement(a), Self::L2Advertisement(b)) => a.spec == b.spec,
            (
                Self::BfdProfile(_)
                | Self::BgpAdvertisement(_)
                | Self::BgpPeer(_)
                | Self::Community(_)
                | Self::IpAddressPool(_)
                | Self::L2Advertisement(_),
                _,
            ) => false,
        };
        spec && self.metadata().labels == other.metadata().labels
    }
}

/// Objects of every kind, by name, and the labels of the nodes.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "each holds the objects of the kind of the same name")]
pub struct Objects {
    pub bfd_profiles: BTreeMap<String, BFDProfile>,
    pub bgp_advertisements: BTreeMap<String, BGPAdvertisement>,
    pub peers: BTreeMap<String, BGPPeer>,
    pub communities: BTreeMap<String, Community>,
    pub pools: BTreeMap<String, IPAddressPool>,
    pub l2_advertisements: BTreeMap<String, L2Advertisement>,
    pub nodes: BTreeMap<String, BTreeMap<String, String>>,
}

impl Objects {
    /// Adds the object, in the place of the one of its kind and name.
    pub fn insert(&mut self, object: Object) {
        let name = object.name().to_owned();
        match object {
            Object::BfdProfile(object) => drop(self.bfd_profiles.insert(name, *object)),
            Object::BgpAdvertisement(object) => drop(self.bgp_advertisements.insert(name, *object)),
            Object::BgpPeer(object) => drop(self.peers.insert(name, *object)),
            Object::Community(object) => drop(self.communities.insert(name, *object)),
            Object::IpAddressPool(object) => drop(self.pools.insert(name, *object)),
            Object::L2Advertisement(object) => drop(self.l2_advertisements.insert(name, *object)),
        }
    }

    /// The metadata of the object of this kind and name.
    pub fn metadata(&self, kind: Kind, name: &str) -> Option<&ObjectMeta> {
        match kind {
            Kind::BfdProfile => self.bfd_profiles.get(name).map(|object| &object.metadata),
            Kind::BgpAdvertisement => self.bgp_advertisements.get(name).map(|object| &object.metadata),
            Kind::BgpPeer => self.peers.get(name).map(|object| &object.metadata),
            Kind::Community => self.communities.get(name).map(|object| &object.metadata),
            Kind::IpAddressPool => self.pools.get(name).map(|object| &object.metadata),
            Kind::L2Advertisement => self.l2_advertisements.get(name).map(|object| &object.metadata),
        }
    }

    /// Removes the object of this kind and name, if there is one.
    pub fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::BfdProfile => drop(self.bfd_profiles.remove(name)),
            Kind::BgpAdvertisement => drop(self.bgp_advertisements.remove(name)),
            Kind::BgpPeer => drop(self.peers.remove(name)),
            Kind::Community => drop(self.communities.remove(name)),
            Kind::IpAddressPool => drop(self.pools.remove(name)),
            Kind::L2Advertisement => drop(self.l2_advertisements.remove(name)),
        }
    }
}
