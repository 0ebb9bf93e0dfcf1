//! Who would announce the addresses, and what of the configuration is not in use yet. Pure.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::NamespacedName;
use metallb_core::config::{BgpAdvertisement, Fault, L2Advertisement, Pools};
use metallb_core::facts::ServiceFacts;

use super::facts::Facts;
use super::report::Finding;

/// What of BGP is lost, and which advertisements are at fault.
pub(super) fn findings(facts: &Facts, pools: &Pools, class: Option<&str>) -> Vec<Finding> {
    let (l2, mut findings) = read(
        facts
            .l2_advertisements
            .iter()
            .filter(|one| at_home(facts, &one.metadata)),
        |one| (NamespacedName::of(&one.metadata), L2Advertisement::parse(one)),
        "L2Advertisement",
    );
    let (bgp, faults) = read(
        facts
            .bgp_advertisements
            .iter()
            .filter(|one| at_home(facts, &one.metadata)),
        |one| (NamespacedName::of(&one.metadata), BgpAdvertisement::parse(one)),
        "BGPAdvertisement",
    );
    findings.extend(faults);
    let labels = pool_labels(facts);
    let mut lost: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<String>)> = BTreeMap::new();
    for service in facts
        .services
        .iter()
        .filter(|one| one.load_balancer && one.has_class(class))
    {
        let Some(pool) = pool_of(pools, service) else {
            continue;
        };
        let labels = labels.get(pool).copied();
        let announced = l2
            .values()
            .any(|one| one.pools.selects(pool, labels) && one.serves(&service.labels));
        let by_bgp = bgp
            .iter()
            .filter(|(_, one)| one.pools.selects(pool, labels) && one.serves(&service.labels));
        let by_bgp: Vec<&str> = by_bgp.map(|(name, _)| name.as_str()).collect();
        if !announced && !by_bgp.is_empty() {
            let (advertisements, services) = lost.entry(pool).or_default();
            advertisements.extend(by_bgp);
            services.insert(service.key.to_string());
        }
    }
    findings.extend(lost.into_iter().map(|(pool, (by, services))| {
        Finding::todo(
            format!("IPAddressPool {}/{pool}", facts.namespace),
            format!(
                "only BGPAdvertisement {} selects it, and this version does not speak BGP: nobody announces {}",
                list(by),
                list(services.iter().map(String::as_str)),
            ),
            format!("create an L2Advertisement with spec.ipAddressPools: [{pool:?}], or stay where you are"),
        )
    }));
    if !facts.peers.is_empty() {
        let peers = facts
            .peers
            .iter()
            .filter_map(|peer| peer.metadata.name.as_deref());
        let message = "are kept and checked, and no session is opened: this version does not speak BGP";
        findings.push(Finding::note(format!("BGPPeer {}", list(peers)), message));
    }
    findings
}

fn at_home(facts: &Facts, metadata: &kube::core::ObjectMeta) -> bool {
    metadata.namespace.as_deref() == Some(facts.namespace.as_str())
}

/// The advertisements without a fault, by name, and the faults of the others.
fn read<'a, O: 'a, A, E: std::fmt::Display>(
    objects: impl Iterator<Item = &'a O>,
    parse: impl Fn(&'a O) -> (NamespacedName, Result<A, E>),
    kind: &'static str,
) -> (BTreeMap<String, A>, Vec<Finding>) {
    let mut read = BTreeMap::new();
    let mut findings = Vec::new();
    for (object, parsed) in objects.map(parse) {
        match parsed {
            Ok(advertisement) => drop(read.insert(object.name().to_owned(), advertisement)),
            Err(error) => {
                let message = error.to_string();
                let fault = Fault {
                    kind,
                    object,
                    message,
                };
                let subject = format!("{} {}", fault.kind, fault.object);
                findings.push(Finding::todo(subject, fault.message, "mend it"));
            }
        }
    }
    (read, findings)
}

fn pool_labels(facts: &Facts) -> BTreeMap<&str, &BTreeMap<String, String>> {
    let pools = facts.pools.iter().filter(|one| at_home(facts, &one.metadata));
    pools
        .filter_map(|pool| Some((pool.metadata.name.as_deref()?, pool.metadata.labels.as_ref()?)))
        .collect()
}

/// The pool that the addresses of the Service are in.
fn pool_of<'a>(pools: &'a Pools, service: &ServiceFacts) -> Option<&'a str> {
    let mut of = service
        .ingress
        .iter()
        .filter_map(|address| pools.containing(*address));
    of.next().map(|pool| pool.name.as_str())
}

/// A few of them: who has hundreds knows them by their pool.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const NAMED: usize = 5;
    let names: Vec<&str> = names.into_iter().collect();
    let text = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
