//! The objects that tests are made of.
//!
//! Owns: small valid objects; a test sets the field it is about.
//! Never: talks to a cluster.

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use metallb_api::v1beta1::{IPAddressPool, IPAddressPoolSpec, L2Advertisement, L2AdvertisementSpec};
use serde_json::json;

/// The namespace MetalLB runs in.
pub use metallb_api::names::object::NAMESPACE as METALLB_NAMESPACE;

/// What a web server answers at `/hostname`: the name of its pod.
pub const WEB_PORT: u16 = 80;

/// A pool of these addresses.
pub fn pool(name: &str, addresses: &[&str]) -> IPAddressPool {
    let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
    let mut pool = IPAddressPool::new(
        name,
        IPAddressPoolSpec {
            addresses,
            ..IPAddressPoolSpec::default()
        },
    );
    pool.metadata.namespace = Some(METALLB_NAMESPACE.to_owned());
    pool
}

/// An announcement of these pools on the local network; of all if there are none.
pub fn l2_advertisement(name: &str, pools: &[&str]) -> L2Advertisement {
    let pools = pools.iter().map(|pool| (*pool).to_owned()).collect::<Vec<_>>();
    let spec = L2AdvertisementSpec {
        ip_address_pools: (!pools.is_empty()).then_some(pools),
        ..L2AdvertisementSpec::default()
    };
    let mut advertisement = L2Advertisement::new(name, spec);
    advertisement.metadata.namespace = Some(METALLB_NAMESPACE.to_owned());
    advertisement
}

/// A Deployment of web servers. Its pods are labelled `app: <name>`.
///
/// # Errors
/// Never: the JSON is complete.
pub fn web(name: &str, replicas: u8, image: &str) -> Result<Deployment> {
    let labels = json!({"app": name});
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{
                    "name": "web",
                    "image": image,
                    "args": ["netexec", format!("--http-port={WEB_PORT}")],
                    "ports": [{"containerPort": WEB_PORT}],
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": WEB_PORT}, "periodSeconds": 1},
                }],
            }},
        },
    }))?)
}

/// A Service of type LoadBalancer for the pods of [`web`] of the same name.
///
/// # Errors
/// Never: the JSON is complete.
pub fn load_balancer(name: &str) -> Result<Service> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": WEB_PORT, "protocol": "TCP"}]},
    }))?)
}

/// As [`load_balancer`], with an address of each family.
///
/// # Errors
/// Never: the JSON is complete.
pub fn dual_stack_load_balancer(name: &str) -> Result<Service> {
    let mut service = load_balancer(name)?;
    if let Some(spec) = &mut service.spec {
        spec.ip_family_policy = Some("RequireDualStack".to_owned());
    }
    Ok(service)
}

/// The addresses that a Service has in its status.
pub fn ingress_addresses(service: &Service) -> Vec<String> {
    let status = service
        .status
        .as_ref()
        .and_then(|status| status.load_balancer.as_ref());
    let ingress = status
        .and_then(|status| status.ingress.as_ref())
        .into_iter()
        .flatten();
    ingress.filter_map(|ingress| ingress.ip.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_selects_the_pods_of_the_web_server_of_its_name() {
        let labels = web("a", 2, "image")
            .unwrap()
            .spec
            .unwrap()
            .template
            .metadata
            .unwrap()
            .labels
            .unwrap();
        assert_eq!(load_balancer("a").unwrap().spec.unwrap().selector, Some(labels));
    }

    #[test]
    fn an_advertisement_of_no_pool_in_particular_is_one_of_all() {
        assert_eq!(l2_advertisement("a", &[]).spec.ip_address_pools, None);
        assert_eq!(
            l2_advertisement("a", &["b"]).spec.ip_address_pools,
            Some(vec!["b".to_owned()])
        );
    }
}
