//! When nobody has to be answered any more. Owns how that is seen; that it is so is the operator's doing, which lets
//! everything pass without an answer once no controller is available.

use std::time::Duration;

use futures::{StreamExt, pin_mut};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Client};
use metallb_api::names::object;

/// The API servers watch the registration as we do; this is what they may be behind.
const SETTLED: Duration = Duration::from_millis(500);

/// Waits until the API server does without an answer: for ever, if there is another controller.
pub(crate) async fn dismissed(client: Client) {
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(client);
    let seen = watch_object(registrations, object::WEBHOOK_CONFIGURATION).default_backoff();
    pin_mut!(seen);
    while let Some(registration) = seen.next().await {
        if let Ok(registration) = registration
            && !insists(registration.as_ref())
        {
            tokio::time::sleep(SETTLED).await;
            return;
        }
    }
}

/// Whether an object is refused for want of an answer.
fn insists(registration: Option<&ValidatingWebhookConfiguration>) -> bool {
    let mut webhooks = registration
        .iter()
        .flat_map(|found| found.webhooks.iter().flatten());
    webhooks.any(|webhook| webhook.failure_policy.as_deref() != Some("Ignore"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_webhook_that_refuses_is_enough_to_go_on() {
        let registration = |policies: &[Option<&str>]| {
            let webhooks: Vec<_> = policies
                .iter()
                .map(|policy| {
                    json!({ "name": "a", "clientConfig": {}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                        "failurePolicy": policy })
                })
                .collect();
            serde_json::from_value::<ValidatingWebhookConfiguration>(json!({ "webhooks": webhooks })).unwrap()
        };
        for (policies, expected) in [
            (&[Some("Fail"), Some("Fail")][..], true),
            (&[Some("Ignore"), Some("Fail")], true),
            (&[Some("Ignore"), None], true), // which the API server takes for Fail
            (&[Some("Ignore"), Some("Ignore")], false),
            (&[], false),
        ] {
            assert_eq!(insists(Some(&registration(policies))), expected, "{policies:?}");
        }
        assert!(!insists(None));
    }
}
