//! Ties pods to the very ServiceAccount they were made with.
//!
//! A token names the uid of its account. When an account is deleted and comes back under the same name, every token of
//! the old one is refused, the kubelet does not ask for another before the old one is close to its end, and a restart of
//! the container does not change that: the pods would stay, be ready, and get 401 for an hour. With the uid in the pod
//! template the new account makes new pods.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{PodTemplateSpec, ServiceAccount};
use metallb_api::names::annotation;

/// What has a pod template.
pub(in crate::metallb) trait Workload {
    /// The template; `None` for an object that the API server would refuse.
    fn template(&mut self) -> Option<&mut PodTemplateSpec>;
}

impl Workload for Deployment {
    fn template(&mut self) -> Option<&mut PodTemplateSpec> {
        Some(&mut self.spec.as_mut()?.template)
    }
}

impl Workload for DaemonSet {
    fn template(&mut self) -> Option<&mut PodTemplateSpec> {
        Some(&mut self.spec.as_mut()?.template)
    }
}

/// Writes the uid of `account`, as it was applied, into the pod template of `workload`.
pub(in crate::metallb) fn bind_to_account(workload: &mut impl Workload, account: &ServiceAccount) {
    let (Some(template), Some(uid)) = (workload.template(), account.metadata.uid.clone()) else {
        return;
    };
    let metadata = template.metadata.get_or_insert_default();
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(annotation::SERVICE_ACCOUNT_UID.to_owned(), uid);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_was_made_anew_makes_new_pods() {
        let account = |uid: &str| {
            let mut account = ServiceAccount::default();
            account.metadata.uid = Some(uid.to_owned());
            account
        };
        let bound = |uid| {
            let mut workload = Deployment {
                spec: Some(k8s_openapi::api::apps::v1::DeploymentSpec::default()),
                ..Deployment::default()
            };
            bind_to_account(&mut workload, &account(uid));
            workload
        };
        assert_eq!(bound("a"), bound("a"));
        assert_ne!(bound("a"), bound("b"));
    }
}
