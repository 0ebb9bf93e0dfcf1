//! That nobody may do more than is needed: whatever a Role allows was done by somebody in the tests before this one, and
//! nothing that a Role does not allow was needed. So a rule cannot be taken away without a test that notices: what it
//! allowed would be refused. `make e2e` runs it last.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use metallb_e2e::audit::{Act, Record, Rule};
use metallb_e2e::fixtures::METALLB_NAMESPACE;
use metallb_e2e::kubernetes::Cluster;
use metallb_e2e::lab::Lab;
use serde_json::Value;

/// What the API server's log cannot show, or our cluster has no occasion for, and why it is allowed all the same.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "metallb-operator: update metallb.io/metallbs/finalizers in metallb-system",
        "no request: the admission of owner references asks for it, here as on OpenShift, and would refuse every object",
    ),
    (
        "metallb-operator: delete secrets metallb-memberlist in metallb-system",
        "the same, of an object that another MetalLB has made",
    ),
    (
        "metallb-operator: delete secrets metallb-webhook-cert in metallb-system",
        "the same",
    ),
    (
        "controller: delete metallb.io/configurationstates in metallb-system",
        "the same, of an object that the pod before it has made",
    ),
    (
        "speaker: delete metallb.io/configurationstates in metallb-system",
        "the same",
    ),
    (
        "speaker: use security.openshift.io/securitycontextconstraints metallb-speaker in metallb-system",
        "no request: the admission of pods on OpenShift asks for it, which is not here",
    ),
    (
        "metallb-operator: patch events in metallb-system",
        "raises the count of an Event that repeats; no test waits until one does",
    ),
    ("controller: patch events", "the same"),
    (
        "speaker: patch metallb.io/servicel2statuses in metallb-system",
        "takes over what a speaker of the same node has left; whether one leaves something is a matter of milliseconds",
    ),
];

/// Everything that the Roles and ClusterRoles of `config/rbac` allow.
fn granted() -> Result<Vec<Act>> {
    let mut objects = Vec::new();
    for component in ["operator", "controller", "speaker"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../config/rbac/{component}.yaml"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        objects.extend(serde_saphyr::from_multiple::<Value>(&text)?);
    }
    let roles: BTreeMap<(String, String), Vec<Rule>> = objects
        .iter()
        .filter(|object| object.get("rules").is_some())
        .map(|role| {
            let rules = serde_json::from_value(role["rules"].clone())?;
            Ok(((text(&role["kind"])?, text(&role["metadata"]["name"])?), rules))
        })
        .collect::<Result<_>>()?;
    let mut granted = Vec::new();
    for binding in objects.iter().filter(|object| object.get("roleRef").is_some()) {
        let role = &binding["roleRef"];
        let key = (text(&role["kind"])?, text(&role["name"])?);
        let namespace = binding["metadata"]["namespace"].as_str();
        let account = text(&binding["subjects"][0]["name"])?;
        for rule in roles.get(&key).context("a binding of a role in the same file")? {
            granted.extend(rule.acts(&account, namespace));
        }
    }
    Ok(granted)
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).context("a text")
}

#[tokio::test]
async fn every_permission_was_needed_and_none_was_missing() -> Result<()> {
    let cluster = Cluster::connect().await?;
    if Lab::of(&cluster)?.is_none() {
        return Ok(());
    }
    let record = Record::of_accounts_in(METALLB_NAMESPACE)?;
    let granted = granted()?;
    ensure!(granted.len() > 50, "{} permissions", granted.len());
    let reason = |act: &Act| NOT_SHOWN.iter().find(|(known, _)| *known == act.to_string());
    let unused: Vec<String> = granted
        .iter()
        .filter(|act| !record.shows(act) && reason(act).is_none())
        .map(ToString::to_string)
        .collect();
    let stale: Vec<&str> = NOT_SHOWN
        .iter()
        .map(|(known, _)| *known)
        .filter(|known| !granted.iter().any(|act| act.to_string() == *known))
        .collect();
    let missed = record.missed(&granted).into_iter().map(ToString::to_string);
    let missed: Vec<String> = missed.collect();
    ensure!(
        unused.is_empty() && missed.is_empty() && stale.is_empty(),
        "granted, and nobody needed it:\n  {}\nneeded, and refused:\n  {}\nexplained, but not granted:\n  {}",
        unused.join("\n  "),
        missed.join("\n  "),
        stale.join("\n  ")
    );
    Ok(())
}
