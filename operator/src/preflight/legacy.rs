//! The ConfigMap that configured MetalLB up to 0.12, before there were resources. Owns telling it from others of its name, and
//! what is said about it; `controller migrate` reads it.

use k8s_openapi::api::core::v1::ConfigMap;
use metallb_api::NamespacedName;
use metallb_api::names::legacy;

use super::facts::Facts;
use super::report::Finding;

/// Of the sections of such a configuration one at least is there.
const SECTIONS: [&str; 2] = ["address-pools:", "peers:"];

/// Its name, unless it is a ConfigMap of something else: the names that MetalLB used are common ones.
pub(super) fn name(config_map: &ConfigMap) -> Option<NamespacedName> {
    let text = config_map.data.as_ref()?.get(legacy::CONFIG_KEY)?;
    let mut lines = text.lines().map(str::trim_start);
    lines
        .any(|line| SECTIONS.iter().any(|section| line.starts_with(section)))
        .then(|| NamespacedName::of(&config_map.metadata))
}

/// Where there are pools already, it was turned into them, or is forgotten.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let finding = |key: &NamespacedName| {
        let subject = format!("ConfigMap {key}");
        if facts.pools.is_empty() {
            let message = "configures MetalLB up to 0.12 and is not read: its pools are missing here, and their Services \
                           would lose their addresses";
            let step = format!(
                "kubectl -n {} get configmap {} -o yaml | controller migrate, before this version is installed; see \
                 docs/migration.md",
                key.namespace(),
                key.name()
            );
            Finding::todo(subject, message, step)
        } else {
            Finding::note(
                subject,
                "configures MetalLB up to 0.12 and is not read: the pools are",
            )
        }
    };
    facts.legacy.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::print;
    use super::super::report::report;
    use super::super::tests::{empty, lines, of};
    use super::*;

    #[test]
    fn the_config_map_of_an_old_metallb_has_to_be_migrated_before() {
        let map = |data: Value| {
            name(&of(
                json!({"metadata": {"name": "config", "namespace": "metallb-system"}, "data": data}),
            ))
        };
        for data in [
            json!({}),
            json!({"config": "log: debug"}),
            json!({"config": "peers-of-mine: []"}),
            json!({"other": "peers: []"}),
        ] {
            assert_eq!(map(data.clone()), None, "{data}");
        }
        let mut facts = empty().service("s", &["192.0.2.3"]);
        facts
            .legacy
            .extend(map(json!({"config": "log: debug\npeers:\n- my-asn: 64500\n"})));
        let told = lines(&report(&facts));
        assert!(
            told[0].starts_with("! ConfigMap metallb-system/config: configures MetalLB up to 0.12"),
            "{told:?}"
        );
        let text = print::text(&report(&facts));
        let step = "-> kubectl -n metallb-system get configmap config -o yaml | controller migrate";
        assert!(text.contains(step), "{text}");
        // It was migrated.
        let facts = facts.pool("default", json!({"addresses": ["192.0.2.0/29"]}));
        let told = lines(&report(&facts));
        assert!(
            told.iter()
                .any(|line| line.starts_with("  ConfigMap metallb-system/config: ")),
            "{told:?}"
        );
    }
}
