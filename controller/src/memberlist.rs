//! The Secret with the key that encrypts what speakers tell each other, where no operator makes it: speakers do not
//! start before it is there.
//!
//! Owns that there is one. Never reads one, and never changes one: speakers with different keys do not hear each other.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use metallb_api::names::{field_manager, object};
use metallb_runtime::backoff::Backoff;
use metallb_runtime::memberlist_key::FreshKey;
use metallb_runtime::tasks::Tasks;

use crate::args::Memberlist;

/// What stands in the way, a missing permission, is removed by a person.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Sees to it that there is a Secret, if the arguments ask for one. Addresses do not wait for it.
pub(crate) fn spawn(tasks: &mut Tasks, client: &Client, namespace: &str, args: &Memberlist) {
    let Some(secret) = args.secret() else {
        return;
    };
    let wanted = Wanted {
        deployments: Api::namespaced(client.clone(), namespace),
        secrets: Api::namespaced(client.clone(), namespace),
        deployment: args.deployment.clone(),
        secret: secret.to_owned(),
    };
    tasks.spawn("memberlist secret", async move {
        let mut backoff = Backoff::up_to(LONGEST_WAIT);
        while let Err(error) = wanted.make().await {
            tracing::warn!(
                secret = wanted.secret,
                error = format!("{error:#}"),
                "cannot make the Secret that speakers wait for: may this account create Secrets?"
            );
            tokio::time::sleep(backoff.failed()).await;
        }
        // A task that ends, ends the process.
        std::future::pending().await
    });
}

struct Wanted {
    deployments: Api<Deployment>,
    secrets: Api<Secret>,
    deployment: String,
    secret: String,
}

impl Wanted {
    /// Makes the Secret. That it is there already is no error, and the only way to find out that needs no right to read
    /// Secrets.
    async fn make(&self) -> kube::Result<()> {
        let owner = if self.deployment.is_empty() {
            None
        } else {
            self.deployments.get_opt(&self.deployment).await?
        };
        let params = PostParams {
            field_manager: Some(field_manager::CONTROLLER.to_owned()),
            ..PostParams::default()
        };
        let secret = secret(&self.secret, owner.as_ref(), &FreshKey::random());
        match self.secrets.create(&params, &secret).await {
            Ok(_) => tracing::info!(secret = self.secret, "made a key for the speakers"),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The Secret; it goes with `owner`, as nothing else that an uninstallation removes knows of it.
fn secret(name: &str, owner: Option<&Deployment>, key: &FreshKey) -> Secret {
    let owner = owner.and_then(|owner| {
        Some(OwnerReference {
            api_version: Deployment::api_version(&()).into_owned(),
            kind: Deployment::kind(&()).into_owned(),
            name: owner.metadata.name.clone()?,
            uid: owner.metadata.uid.clone()?,
            ..OwnerReference::default()
        })
    });
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some([(object::MEMBERLIST_SECRET_KEY.to_owned(), key.text())].into()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_has_a_key_and_goes_with_the_deployment() {
        let mut deployment = Deployment::default();
        deployment.metadata.name = Some("controller".to_owned());
        for (uid, owners) in [(Some("1-2-3"), 1), (None, 0)] {
            deployment.metadata.uid = uid.map(str::to_owned);
            let secret = secret("memberlist", Some(&deployment), &FreshKey([7; FreshKey::LENGTH]));
            let owned_by = secret.metadata.owner_references.unwrap_or_default();
            assert_eq!(owned_by.len(), owners);
            assert!(
                owned_by
                    .iter()
                    .all(|owner| (owner.kind.as_str(), owner.uid.as_str()) == ("Deployment", "1-2-3"))
            );
            assert_eq!(secret.data.unwrap()["secretkey"].0.len(), 22);
        }
    }

    #[test]
    fn a_secret_without_a_deployment_stays() {
        let secret = secret("memberlist", None, &FreshKey([7; FreshKey::LENGTH]));
        assert_eq!(secret.metadata.owner_references, None);
    }
}
