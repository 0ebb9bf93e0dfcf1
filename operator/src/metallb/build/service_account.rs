//! The identities of the pods. What they may do is bound to their names by the manifests that install the operator, so
//! that the operator needs no right to grant rights.

use k8s_openapi::api::core::v1::ServiceAccount;
use metallb_api::names;

use super::object::Origin;

/// The identity of the controller.
pub(super) fn controller(origin: &Origin<'_>) -> ServiceAccount {
    account(origin, names::object::CONTROLLER)
}

/// The identity of the speakers.
pub(super) fn speaker(origin: &Origin<'_>) -> ServiceAccount {
    account(origin, names::object::SPEAKER)
}

fn account(origin: &Origin<'_>, component: &str) -> ServiceAccount {
    ServiceAccount {
        metadata: origin.metadata(component, component),
        ..ServiceAccount::default()
    }
}
