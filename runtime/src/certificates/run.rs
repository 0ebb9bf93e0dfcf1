//! The task that keeps the certificate: watches in, writes out. It decides nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use metallb_api::names::field_manager;
use metallb_api::{Change, NamespacedName};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::Certificates;
use super::held::Contents;
use super::objects::{self, Definition, Teller};
use super::state::{Action, Input, State};
use super::validity::Time;
use crate::log::chain;
use crate::tasks::Tasks;
use crate::tls::{Identity, Shown};
use crate::watch;

/// Changes on their way: two or three objects, each of which changes a few times a year. A full queue holds the watches back.
const INPUTS: usize = 8;

/// Starts the watches and the task.
pub(super) fn spawn(tasks: &mut Tasks, client: &Client, kept: Certificates, identity: Arc<Identity>) {
    let (sender, inputs) = mpsc::channel(INPUTS);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &kept.namespace);
    watch_all(tasks, client, &secrets, &kept, sender);
    let keeper = Keeper {
        secrets,
        webhooks: Api::all(client.clone()),
        definitions: Api::all(client.clone()),
        state: State::new(kept.host(), kept.tellers().map(|(teller, _)| teller).collect()),
        kept,
        identity,
    };
    tasks.spawn("certificates", keeper.run(inputs));
}

fn watch_all(
    tasks: &mut Tasks,
    client: &Client,
    secrets: &Api<Secret>,
    kept: &Certificates,
    inputs: Sender<Input>,
) {
    let only = |name: &str| watch::config().fields(&format!("metadata.name={name}"));
    watch::spawn(
        tasks,
        secrets.clone(),
        only(&kept.secret),
        objects::stored,
        inputs.clone(),
        Input::Secret,
    );
    watch::spawn(
        tasks,
        Api::<ValidatingWebhookConfiguration>::all(client.clone()),
        only(kept.webhooks),
        objects::webhooks,
        inputs.clone(),
        Input::Webhooks,
    );
    let Some(definition) = kept.conversion else {
        return;
    };
    watch::spawn(
        tasks,
        Api::<Definition>::all(client.clone()),
        only(definition),
        objects::conversion,
        inputs,
        Input::Conversion,
    );
}

struct Keeper {
    secrets: Api<Secret>,
    webhooks: Api<ValidatingWebhookConfiguration>,
    definitions: Api<Definition>,
    kept: Certificates,
    state: State,
    identity: Arc<Identity>,
}

impl Keeper {
    async fn run(mut self, mut inputs: Receiver<Input>) -> anyhow::Result<()> {
        loop {
            let wake = self.act().await;
            tokio::select! {
                input = inputs.recv() => {
                    let Some(input) = input else { bail!("every watch ended") };
                    self.state.observe(input, now());
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    /// Does all that is to be done now, and says how long until there may be more.
    async fn act(&mut self) -> Duration {
        loop {
            self.show();
            let done = match self.state.next(now()) {
                Ok(Action::Wait(until)) => return until.saturating_sub(now()),
                Ok(action) => self.perform(action).await,
                Err(error) => {
                    tracing::error!(
                        error = chain(&error),
                        "no certificate could be made, trying again"
                    );
                    continue; // the state has noted the attempt, and waits
                }
            };
            match done {
                Ok(()) => {}
                // Another replica was faster, or the object is gone: the watch tells.
                Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "certificate of the webhooks not written, trying again"
                    );
                }
            }
        }
    }

    fn show(&self) {
        let Some(shown) = self.state.shown(now()) else {
            return;
        };
        if self.identity.shown().is_none_or(|known| known.cert != shown.cert) {
            tracing::info!("showing another certificate to those who call the webhooks");
            self.identity.show(Shown::clone(shown));
        }
    }

    async fn perform(&mut self, action: Action) -> Result<(), kube::Error> {
        let ours = || PatchParams {
            field_manager: Some(field_manager::CERTIFICATES.into()),
            ..PatchParams::default()
        };
        let named = |name: &str| NamespacedName::new("", name);
        let seen = match action {
            Action::Wait(_) => return Ok(()),
            Action::Create(contents) => {
                let name = &self.kept.secret;
                // Applied, because that says the name, by which a permission can be limited. Another replica may do the
                // same; the one that fills it first wins.
                let params = ours();
                let empty = Patch::Apply(objects::secret(name));
                let made = objects::stored(self.secrets.patch(name, &params, &empty).await?);
                let patch = Patch::Merge(objects::secret_patch(&made.resource_version, &contents));
                let filled = if made.contents == Contents::default() {
                    objects::stored(self.secrets.patch(name, &params, &patch).await?)
                } else {
                    made
                };
                Input::Secret(Change::Apply(named(name), filled))
            }
            Action::Update(version, contents) => {
                let patch = Patch::Merge(objects::secret_patch(&version, &contents));
                let updated = self.secrets.patch(&self.kept.secret, &ours(), &patch).await?;
                Input::Secret(Change::Apply(named(&self.kept.secret), objects::stored(updated)))
            }
            Action::Tell(teller @ Teller::Webhooks, told, bundle) => {
                let patch = Patch::Strategic(teller.patch(&told, &bundle));
                let name = self.kept.name(teller);
                let patched = self.webhooks.patch(name, &ours(), &patch).await?;
                log_told(name);
                Input::Webhooks(Change::Apply(named(name), objects::webhooks(patched)))
            }
            Action::Tell(teller @ Teller::Conversion, told, bundle) => {
                let patch = Patch::Merge(teller.patch(&told, &bundle));
                let name = self.kept.name(teller);
                let patched = self.definitions.patch(name, &ours(), &patch).await?;
                log_told(name);
                Input::Conversion(Change::Apply(named(name), objects::conversion(patched)))
            }
        };
        // The watch will say the same, a moment later.
        self.state.observe(seen, now());
        Ok(())
    }
}

fn log_told(object: &str) {
    tracing::info!(object, "told the API server whose certificates to trust");
}

/// The time of the wall clock, which is what certificates are about.
fn now() -> Time {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
