//! Which pools may serve whom, and whether anything is free: stated once more, without the code that decides it.

use super::*;
use crate::facts::Labelled;

/// A pool, and what is to be expected of it.
pub(super) struct PoolModel {
    pub(super) name: &'static str,
    spec: Value,
    /// What it gives out, one by one.
    addresses: &'static str,
    /// Also to those who do not ask for it.
    automatic: bool,
    pub(super) serves: fn(&ServiceFacts) -> bool,
}

fn anybody(_: &ServiceFacts) -> bool {
    true
}

fn nobody(_: &ServiceFacts) -> bool {
    false
}

fn is_gold(service: &ServiceFacts) -> bool {
    service.labels.label("tier") == Some("gold")
}

fn in_bank(service: &ServiceFacts) -> bool {
    service.key.namespace() == "bank"
}

fn gold_in_bank(service: &ServiceFacts) -> bool {
    is_gold(service) && in_bank(service)
}

impl PoolModel {
    pub(super) fn offers(&self, ip: IpAddr) -> bool {
        self.addresses().contains(&ip)
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let addresses = self.addresses.split_whitespace();
        addresses.map(|ip| ip.parse().unwrap()).collect()
    }
}

/// The configurations there are. The namespace `bank` has the label `team: money`.
pub(super) fn models() -> Vec<Vec<PoolModel>> {
    vec![
        vec![pool(
            "main",
            json!({ "addresses": ["192.0.2.0/30", "2001:db8::/127"] }),
            "192.0.2.0 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8:: 2001:db8::1",
            anybody,
        )],
        one_for_some_services(),
        one_on_request(),
        Vec::new(),
        by_namespace(),
    ]
}

fn one_for_some_services() -> Vec<PoolModel> {
    let gold = json!([{ "matchLabels": { "tier": "gold" } }]);
    vec![
        pool(
            "main",
            json!({ "addresses": ["192.0.2.0/31"], "avoidBuggyIPs": true }),
            "192.0.2.1",
            anybody,
        ),
        pool(
            "six",
            json!({ "addresses": ["2001:db8::/126"] }),
            "2001:db8:: 2001:db8::1 2001:db8::2 2001:db8::3",
            anybody,
        ),
        pool(
            "gold",
            json!({ "addresses": ["192.0.2.2/31", "2001:db8::4/126"],
                "serviceAllocation": { "priority": 1, "serviceSelectors": gold } }),
            "192.0.2.2 192.0.2.3 2001:db8::4 2001:db8::5 2001:db8::6 2001:db8::7",
            is_gold,
        ),
    ]
}

fn one_on_request() -> Vec<PoolModel> {
    let renamed = pool(
        "renamed",
        json!({ "addresses": ["192.0.2.0/30", "2001:db8::/126"], "autoAssign": false }),
        "192.0.2.0 192.0.2.1 192.0.2.2 192.0.2.3 2001:db8:: 2001:db8::1 2001:db8::2 2001:db8::3",
        anybody,
    );
    vec![
        PoolModel {
            automatic: false,
            ..renamed
        },
        pool(
            "late",
            json!({ "addresses": ["192.0.2.4-192.0.2.5"] }),
            "192.0.2.4 192.0.2.5",
            anybody,
        ),
    ]
}

fn by_namespace() -> Vec<PoolModel> {
    let gold = json!([{ "matchLabels": { "tier": "gold" } }]);
    let team =
        |team: &str| json!([{ "matchExpressions": [{ "key": "team", "operator": "In", "values": [team] }] }]);
    vec![
        pool(
            "main",
            json!({ "addresses": ["192.0.2.0/31"], "serviceAllocation": { "namespaces": ["bank"] } }),
            "192.0.2.0 192.0.2.1",
            in_bank,
        ),
        pool(
            "gold",
            json!({ "addresses": ["192.0.2.2/31", "2001:db8::/127"], "serviceAllocation": {
                "priority": 2, "namespaceSelectors": team("money"), "serviceSelectors": gold } }),
            "192.0.2.2 192.0.2.3 2001:db8:: 2001:db8::1",
            gold_in_bank,
        ),
        pool(
            "six",
            json!({ "addresses": ["192.0.2.4/31"], "serviceAllocation": { "namespaceSelectors": team("none") } }),
            "192.0.2.4 192.0.2.5",
            nobody,
        ),
        pool(
            "renamed",
            json!({ "addresses": ["192.0.2.6/32", "2001:db8::4/127"],
                "serviceAllocation": { "namespaces": ["default"], "namespaceSelectors": team("money") } }),
            "192.0.2.6 2001:db8::4 2001:db8::5",
            anybody,
        ),
    ]
}

fn pool(
    name: &'static str,
    spec: Value,
    addresses: &'static str,
    serves: fn(&ServiceFacts) -> bool,
) -> PoolModel {
    PoolModel {
        name,
        spec,
        addresses,
        automatic: true,
        serves,
    }
}

/// The same for the code that is tested.
pub(super) fn pools(models: &[PoolModel]) -> Pools {
    let object = |model: &PoolModel| -> IPAddressPool {
        serde_json::from_value(json!({ "metadata": { "name": model.name }, "spec": model.spec })).unwrap()
    };
    let objects: Vec<_> = models.iter().map(object).collect();
    let labels = |labels: &[(&str, &str)]| {
        labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let namespaces = [("default", labels(&[])), ("bank", labels(&[("team", "money")]))];
    let namespaces = namespaces.map(|(name, labels)| (name.to_owned(), labels));
    Pools::parse(&objects, &namespaces.into()).unwrap()
}

/// The pool that the Service asks for, if it exists.
pub(super) fn asked_pool<'a>(service: &ServiceFacts, pools: &'a [PoolModel]) -> Option<&'a str> {
    let named = pools
        .iter()
        .find(|pool| Some(pool.name) == service.requested_pool());
    named.map(|pool| pool.name)
}

/// The addresses that the Service asks for, or nonsense.
pub(super) fn requested(service: &ServiceFacts) -> Option<Result<Vec<IpAddr>, std::net::AddrParseError>> {
    let text = service.requested_ips()?;
    Some(text.split(',').map(|ip| ip.trim().parse()).collect())
}

/// Whether something would be to be had for a Service that has nothing, while all have what their statuses say.
pub(super) fn could_be_served(service: &ServiceFacts, pools: &[PoolModel], all: &[&ServiceFacts]) -> bool {
    let open_to = |other: &ServiceFacts, ip: &IpAddr| {
        other.key == service.key || !other.ingress.contains(ip) || may_share(service, other)
    };
    let free = |ip: &IpAddr| all.iter().all(|other| open_to(other, ip));
    let asked = asked_pool(service, pools);
    let families: Vec<IpFamily> = service.cluster_ips.iter().map(|ip| IpFamily::from(*ip)).collect();
    let required = service.family_policy == FamilyPolicy::RequireDualStack;
    // One address of each of its families if it must, of any of them otherwise.
    let enough = |found: &[IpAddr]| {
        let has = |family: &IpFamily| found.iter().any(|ip| IpFamily::from(*ip) == *family);
        if required {
            families.iter().all(has)
        } else {
            families.iter().any(has)
        }
    };
    let fits = |pool: &&PoolModel| (pool.serves)(service) && asked.is_none_or(|asked| asked == pool.name);
    let mut fitting = pools.iter().filter(fits);
    match requested(service) {
        Some(Err(_)) => false,
        Some(Ok(wanted)) => {
            let understood =
                wanted.iter().all(|ip| families.contains(&IpFamily::from(*ip))) && enough(&wanted);
            understood && fitting.any(|pool| wanted.iter().all(|ip| pool.offers(*ip) && free(ip)))
        }
        None => fitting.any(|pool| {
            let open: Vec<IpAddr> = pool.addresses().into_iter().filter(|ip| free(ip)).collect();
            (pool.automatic || asked.is_some()) && enough(&open)
        }),
    }
}
