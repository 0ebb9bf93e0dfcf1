//! Services for tests, built from what matters to the test at hand.

use std::net::IpAddr;

use metallb_api::NamespacedName;
use metallb_api::names::annotation;

use super::{FamilyPolicy, IpFamily, Port, Protocol, ServiceFacts, TrafficPolicy};

/// The IPv4 Service `default/NAME` of type LoadBalancer with port TCP/80 and no address.
pub(crate) fn service(name: &str) -> ServiceFacts {
    ServiceFacts {
        key: NamespacedName::new("default", name),
        uid: format!("uid of {name}"),
        load_balancer: true,
        ports: vec![Port {
            protocol: Protocol::Tcp,
            number: 80,
        }],
        ..ServiceFacts::default()
    }
    .with_families(&[IpFamily::V4], FamilyPolicy::SingleStack)
}

impl ServiceFacts {
    pub(crate) fn with_families(mut self, families: &[IpFamily], policy: FamilyPolicy) -> Self {
        self.cluster_ips = families
            .iter()
            .map(|family| family.address(10 << 24 | 1))
            .collect();
        self.ip_families = families.to_vec();
        self.family_policy = policy;
        self
    }

    pub(crate) fn in_namespace(mut self, namespace: &str) -> Self {
        self.key = NamespacedName::new(namespace, self.key.name());
        self
    }

    pub(crate) fn labelled(mut self, key: &str, value: &str) -> Self {
        self.labels = [(key.to_owned(), value.to_owned())].into();
        self
    }

    pub(crate) fn annotated(mut self, name: &str, value: &str) -> Self {
        self.annotations.retain(|(known, _)| known != name);
        self.annotations.push((name.to_owned(), value.to_owned()));
        self.annotations.sort();
        self
    }

    pub(crate) fn asking_for_pool(self, pool: &str) -> Self {
        self.annotated(annotation::ADDRESS_POOL, pool)
    }

    pub(crate) fn asking_for_ips(self, ips: &str) -> Self {
        self.annotated(annotation::LOAD_BALANCER_IPS, ips)
    }

    pub(crate) fn sharing(self, key: &str) -> Self {
        self.annotated(annotation::ALLOW_SHARED_IP, key)
    }

    pub(crate) fn on_ports(mut self, ports: &[(Protocol, u16)]) -> Self {
        self.ports = ports
            .iter()
            .map(|&(protocol, number)| Port { protocol, number })
            .collect();
        self
    }

    pub(crate) fn local_to(mut self, app: &str) -> Self {
        self.traffic_policy = TrafficPolicy::Local;
        self.selector = vec![("app".to_owned(), app.to_owned())];
        self
    }

    pub(crate) fn created_at(mut self, seconds: i64) -> Self {
        self.created_s = seconds;
        self
    }

    /// What the controller wrote on it earlier.
    pub(crate) fn holding(mut self, pool: Option<&str>, ips: &[IpAddr]) -> Self {
        self.ingress = ips.to_vec();
        self.annotations
            .retain(|(name, _)| name != annotation::IP_ALLOCATED_FROM_POOL);
        match pool {
            Some(pool) => self.annotated(annotation::IP_ALLOCATED_FROM_POOL, pool),
            None => self,
        }
    }
}
