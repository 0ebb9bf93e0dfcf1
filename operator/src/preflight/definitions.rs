//! CustomResourceDefinitions and webhooks that another MetalLB has left or still answers. Pure.

use metallb_api::NamespacedName;
use metallb_api::names::{V1BETA1, object, upstream};

use super::facts::{Definition, Facts, Webhooks};
use super::report::Finding;

/// What becomes of them.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let definitions = facts.definitions.iter();
    let definitions = definitions.flat_map(|definition| of_definition(facts, definition));
    let webhooks = facts
        .webhooks
        .iter()
        .filter_map(|webhooks| of_webhooks(facts, webhooks));
    definitions.chain(webhooks).collect()
}

fn of_definition(facts: &Facts, definition: &Definition) -> Vec<Finding> {
    let Definition {
        name,
        stored,
        converter,
    } = definition;
    let subject = format!("CustomResourceDefinition {name}");
    let mut findings = Vec::new();
    if name == upstream::ADDRESS_POOL_DEFINITION {
        findings.push(Finding::todo(
            &subject,
            "AddressPools are not read: each has to become an IPAddressPool and an advertisement",
            format!("kubectl delete crd {name}, when they have"),
        ));
        return findings;
    }
    match converter {
        Some(service) if name == object::BGP_PEER_DEFINITION => {
            if *service != NamespacedName::new(&facts.namespace, object::WEBHOOK_SERVICE) {
                let message = format!("is converted by Service {service}, and from then on by our controller");
                findings.push(Finding::note(&subject, message));
            }
            if stored.iter().any(|version| version == V1BETA1) {
                let message = "has peers that were stored as v1beta1; our controller converts them";
                findings.push(Finding::note(&subject, message));
            }
        }
        Some(service) => findings.push(Finding::todo(
            &subject,
            format!("is converted by Service {service}, which nobody needs and which goes with that installation"),
            format!(
                "kubectl patch crd {name} --type=merge -p '{{\"spec\":{{\"conversion\":{{\"strategy\":\"None\",\"webhook\":null}}}}}}'"
            ),
        )),
        None => {}
    }
    findings
}

fn of_webhooks(facts: &Facts, webhooks: &Webhooks) -> Option<Finding> {
    let Webhooks { name, asked } = webhooks;
    let subject = format!("ValidatingWebhookConfiguration {name}");
    let missing: Vec<String> = asked
        .iter()
        .filter(|asked| !facts.services.iter().any(|service| service.key == **asked))
        .map(ToString::to_string)
        .collect();
    let taken_over = [
        (object::WEBHOOK_CONFIGURATION, "controller"),
        (object::OPERATOR_WEBHOOK_CONFIGURATION, "operator"),
    ];
    if let Some((_, who)) = taken_over.iter().find(|(ours, _)| ours == name) {
        let at_home = asked.iter().all(|service| service.namespace() == facts.namespace);
        let message = format!("is taken over, and lets everything pass until our {who} answers");
        return (!missing.is_empty() || !at_home).then(|| Finding::note(subject, message));
    }
    let message = if missing.is_empty() {
        "asks somebody who goes with that installation; whatever it is asked about is refused from then on"
            .to_owned()
    } else {
        format!(
            "asks Service {}, which is not there: whatever it is asked about is refused",
            missing.join(", ")
        )
    };
    let delete = format!("kubectl delete validatingwebhookconfiguration {name}");
    Some(Finding::todo(subject, message, delete))
}
