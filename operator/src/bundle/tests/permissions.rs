//! That the bundle grants what `config/rbac` grants.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::Options;
use super::shape::{Csv, Strategy};
use super::{csv, documents};
use crate::manifests;

/// Kind of the role, account, rules: what is granted, in any order.
type Granted = BTreeMap<(&'static str, String), Value>;

fn granted_by_config() -> Granted {
    let files = manifests::files(&Options::default());
    let mut granted = Granted::new();
    let documents: Vec<Value> = ["operator", "controller", "speaker"]
        .into_iter()
        .flat_map(|file| documents(&files[format!("rbac/{file}.yaml").as_str()]))
        .collect();
    for (role_kind, binding_kind) in [("Role", "RoleBinding"), ("ClusterRole", "ClusterRoleBinding")] {
        for binding in documents.iter().filter(|object| object["kind"] == binding_kind) {
            let role = documents
                .iter()
                .find(|object| {
                    object["kind"] == role_kind && object["metadata"]["name"] == binding["roleRef"]["name"]
                })
                .unwrap();
            for subject in binding["subjects"].as_array().unwrap() {
                let account = subject["name"].as_str().unwrap().to_owned();
                granted.insert((role_kind, account), role["rules"].clone());
            }
        }
    }
    granted
}

fn granted_by_csv(csv: &Csv) -> Granted {
    let Strategy {
        permissions,
        cluster_permissions,
        ..
    } = &csv.spec.install.spec;
    let mut granted = Granted::new();
    for (kind, permissions) in [("Role", permissions), ("ClusterRole", cluster_permissions)] {
        for permission in permissions {
            let key = (kind, permission.service_account_name.clone());
            let before = granted.insert(key, json!(permission.rules));
            assert!(
                before.is_none(),
                "{} is there twice",
                permission.service_account_name
            );
        }
    }
    granted
}

#[test]
fn every_account_may_do_what_it_may_do_by_config_and_nothing_else() {
    let (ours, of_config) = (granted_by_csv(&csv()), granted_by_config());
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        of_config.keys().collect::<Vec<_>>()
    );
    for (account, rules) in &ours {
        assert_eq!(rules, &of_config[account], "{account:?}");
    }
    // The Operator Lifecycle Manager makes the accounts that have permissions in the namespace, and no others.
    let csv = csv();
    let strategy = &csv.spec.install.spec;
    let at_home: BTreeSet<&String> = strategy
        .permissions
        .iter()
        .map(|of| &of.service_account_name)
        .collect();
    let everywhere: BTreeSet<&String> = strategy
        .cluster_permissions
        .iter()
        .map(|of| &of.service_account_name)
        .collect();
    assert!(everywhere.is_subset(&at_home));
    let pod = strategy.deployments[0].spec.template.spec.as_ref().unwrap();
    assert!(at_home.contains(pod.service_account_name.as_ref().unwrap()));
}
