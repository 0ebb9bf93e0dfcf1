//! What every object of the operator has in common: where it lives, whose it is and how it is found again.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use metallb_api::names;

/// Where objects come from: they live in the namespace of the MetalLB that owns them and go when it goes.
pub(super) struct Origin<'a> {
    pub(super) namespace: &'a str,
    pub(super) owner: &'a OwnerReference,
}

impl Origin<'_> {
    /// The metadata of the object `name`, a part of `component`.
    pub(super) fn metadata(&self, name: &str, component: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.to_owned()),
            labels: Some(labels(component)),
            owner_references: Some(vec![self.owner.clone()]),
            ..ObjectMeta::default()
        }
    }
}

/// All labels of an object or pod of `component`.
pub(super) fn labels(component: &str) -> BTreeMap<String, String> {
    let mut labels = selecting(component);
    labels.insert(
        names::label::MANAGED_BY.to_owned(),
        names::label::METALLB_OPERATOR.to_owned(),
    );
    labels
}

/// What selects the pods of `component`. A workload's selector can never be changed, so nothing that might change
/// belongs here; these two are also what existing dashboards and network policies select.
pub(super) fn selector(component: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selecting(component)),
        ..LabelSelector::default()
    }
}

fn selecting(component: &str) -> BTreeMap<String, String> {
    [
        (names::label::APP, names::label::APP_METALLB),
        (names::label::COMPONENT, component),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
