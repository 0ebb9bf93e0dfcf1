//! What controller and speaker read of a Service. Owns which annotation wins and how text becomes addresses.

use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, ServicePort, ServiceSpec};
use metallb_api::NamespacedName;
use metallb_api::names::{GROUP, annotation, condition};

use super::{IpFamily, Labels, NoAddress, Said};

mod object;
#[cfg(test)]
mod tests;

pub use object::ServiceObject;

/// One Service. About a kilobyte with its labels: ten thousand of them are cached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceFacts {
    /// Namespace and name.
    pub key: NamespacedName,
    /// Tells a Service from an earlier one of the same name.
    pub uid: String,
    /// The version of the object that these facts were read from.
    pub resource_version: String,
    /// Creation time in seconds since 1970: of two Services with the same claim, the older one wins.
    pub created_s: i64,
    /// Deletion was asked for and waits for finalizers.
    pub deleting: bool,
    /// `spec.type` is `LoadBalancer`.
    pub load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// Cluster addresses. `None` (a headless Service) is not an address and not in the list.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.ipFamilies`: the first one is the family preferred.
    pub ip_families: Vec<IpFamily>,
    /// `spec.ipFamilyPolicy`.
    pub family_policy: FamilyPolicy,
    /// `spec.loadBalancerIP` as written.
    pub load_balancer_ip: Option<String>,
    /// `spec.externalTrafficPolicy`.
    pub traffic_policy: TrafficPolicy,
    /// `spec.selector`, in the order of the keys, where it matters: with the policy `Local`.
    pub selector: Vec<(String, String)>,
    /// The ports it listens on.
    pub ports: Vec<Port>,
    /// All labels: any of them may be named by a selector.
    pub labels: Labels,
    /// The annotations under MetalLB's two prefixes, in the order of the keys.
    pub annotations: Vec<(String, String)>,
    /// The addresses in `status.loadBalancer.ingress`.
    pub ingress: Vec<IpAddr>,
    /// The status has entries that are no plain address, such as host names: somebody else wrote them.
    pub foreign_ingress: bool,
    /// The program other than the controller that wrote `status.loadBalancer` last, by the name it goes by.
    pub foreign_writer: Option<String>,
    /// Why it has no address, as its status says.
    pub no_address: Option<NoAddress>,
    /// Why nobody announces it, as its status says.
    pub unannounced: Option<Said>,
}

/// `spec.ipFamilyPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FamilyPolicy {
    /// One family.
    #[default]
    SingleStack,
    /// Two families where both are to be had.
    PreferDualStack,
    /// Two families or none.
    RequireDualStack,
}

/// `spec.externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrafficPolicy {
    /// Any node may take traffic and forward it to another one.
    #[default]
    Cluster,
    /// Only nodes with an endpoint of the Service take traffic.
    Local,
}

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// TCP, the default of the API.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// One port of a Service; `TCP/80` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port number.
    pub number: u16,
}

impl ServiceFacts {
    /// Whether this Service is for a load balancer that serves `class`: unset means those without a class.
    pub fn has_class(&self, class: Option<&str>) -> bool {
        self.class.as_deref() == class
    }

    /// The pool asked for, if any.
    pub fn requested_pool(&self) -> Option<&str> {
        self.annotation(annotation::ADDRESS_POOL, annotation::DEPRECATED_ADDRESS_POOL)
            .filter(|pool| !pool.is_empty())
    }

    /// The addresses asked for by annotation, as written.
    pub fn requested_ips(&self) -> Option<&str> {
        self.annotation(
            annotation::LOAD_BALANCER_IPS,
            annotation::DEPRECATED_LOAD_BALANCER_IPS,
        )
        .filter(|ips| !ips.is_empty())
    }

    /// The value of the sharing annotation, which may be empty.
    pub fn sharing_annotation(&self) -> Option<&str> {
        self.annotation(
            annotation::ALLOW_SHARED_IP,
            annotation::DEPRECATED_ALLOW_SHARED_IP,
        )
    }

    /// What Services must have in common to share an address; empty if this one shares with nobody.
    pub fn sharing_key(&self) -> &str {
        self.sharing_annotation().unwrap_or_default()
    }

    /// What Services that share an address must also have in common, because one node takes the traffic of all of
    /// them: nothing with the policy `Cluster`, the same pods with `Local`.
    pub fn backend_key(&self) -> String {
        match self.traffic_policy {
            TrafficPolicy::Cluster => String::new(),
            TrafficPolicy::Local => {
                let pairs: Vec<String> = self.selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
                pairs.join(",")
            }
        }
    }

    /// The pool that the controller noted on the Service.
    pub fn allocated_from(&self) -> Option<&str> {
        self.value(annotation::IP_ALLOCATED_FROM_POOL)
    }

    /// Whether the pool is noted under the old prefix too, as early versions of MetalLB did.
    pub fn deprecated_allocated_from(&self) -> bool {
        self.value(annotation::DEPRECATED_IP_ALLOCATED_FROM_POOL)
            .is_some()
    }

    /// The annotations with the old prefix.
    pub fn deprecated_annotations(&self) -> impl Iterator<Item = &str> {
        self.annotations
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with(annotation::DEPRECATED_PREFIX))
    }

    /// Present, even if empty, the current spelling wins.
    fn annotation(&self, current: &str, deprecated: &str) -> Option<&str> {
        self.value(current).or_else(|| self.value(deprecated))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.annotations
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl From<ServiceObject> for ServiceFacts {
    fn from(service: ServiceObject) -> Self {
        let ServiceObject {
            metadata,
            spec,
            status,
            foreign_writer,
        } = service;
        let conditions = status.conditions.unwrap_or_default();
        let no_address = NoAddress::find(&conditions);
        let unannounced = Said::find(&conditions, condition::ANNOUNCED);
        let ingress = status.load_balancer.and_then(|lb| lb.ingress).unwrap_or_default();
        let addresses = exactly(ingress.iter().filter_map(plain_address));
        let traffic_policy = match spec.external_traffic_policy.as_deref() {
            Some("Local") => TrafficPolicy::Local,
            _ => TrafficPolicy::Cluster,
        };
        Self {
            key: NamespacedName::of(&metadata),
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            created_s: metadata.creation_timestamp.map_or(0, |time| time.0.as_second()),
            deleting: metadata.deletion_timestamp.is_some(),
            load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
            cluster_ips: cluster_ips(&spec),
            ip_families: families(spec.ip_families.unwrap_or_default().as_slice()),
            family_policy: match spec.ip_family_policy.as_deref() {
                Some("PreferDualStack") => FamilyPolicy::PreferDualStack,
                Some("RequireDualStack") => FamilyPolicy::RequireDualStack,
                _ => FamilyPolicy::SingleStack,
            },
            class: spec.load_balancer_class,
            load_balancer_ip: spec.load_balancer_ip.filter(|ip| !ip.is_empty()),
            selector: match traffic_policy {
                TrafficPolicy::Cluster => Vec::new(),
                TrafficPolicy::Local => exactly(spec.selector.unwrap_or_default().into_iter()),
            },
            traffic_policy,
            ports: exactly(spec.ports.unwrap_or_default().iter().filter_map(port)),
            labels: metadata.labels.unwrap_or_default().into(),
            annotations: exactly(metadata.annotations.unwrap_or_default().into_iter().filter(ours)),
            foreign_ingress: addresses.len() != ingress.len(),
            foreign_writer,
            no_address,
            unannounced,
            ingress: addresses,
        }
    }
}

/// A list of thousands: without the room for more that a `Vec` takes while it grows.
fn exactly<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.shrink_to_fit();
    items
}

/// `metallb.io/…` and everything that starts with the old prefix.
fn ours((name, _): &(String, String)) -> bool {
    let current = name.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'));
    current || name.starts_with(annotation::DEPRECATED_PREFIX)
}

/// `clusterIPs`, or `clusterIP` of an object from before dual stack.
fn cluster_ips(spec: &ServiceSpec) -> Vec<IpAddr> {
    match spec.cluster_ips.as_deref() {
        Some(ips) if !ips.is_empty() => exactly(ips.iter().filter_map(|ip| ip.parse().ok())),
        _ => exactly(spec.cluster_ip.iter().filter_map(|ip| ip.parse().ok())),
    }
}

fn families(names: &[String]) -> Vec<IpFamily> {
    let family = |name: &String| match name.as_str() {
        "IPv4" => Some(IpFamily::V4),
        "IPv6" => Some(IpFamily::V6),
        _ => None,
    };
    exactly(names.iter().filter_map(family))
}

fn port(port: &ServicePort) -> Option<Port> {
    let protocol = match port.protocol.as_deref() {
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        // The API server lets no fourth protocol through.
        _ => Protocol::Tcp,
    };
    let number = u16::try_from(port.port).ok()?;
    Some(Port { protocol, number })
}

fn plain_address(entry: &LoadBalancerIngress) -> Option<IpAddr> {
    let address: IpAddr = entry.ip.as_deref()?.parse().ok()?;
    entry
        .hostname
        .as_deref()
        .is_none_or(str::is_empty)
        .then(|| address.to_canonical())
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.number)
    }
}
