//! The controller and the speakers without an operator: `config/native` for kustomize, and the same in one file for
//! `kubectl apply -f`.
//!
//! What runs is what the operator builds for a MetalLB that asks for nothing special. Owns the differences alone, which
//! come from nobody looking after it: no owner, no key in a published file, and webhooks that are registered from the
//! start.

use std::marker::PhantomData;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{EnvVar, PodTemplateSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use metallb_api::names::{env, label, object};
use metallb_api::v1beta1::{MetalLB, MetalLBSpec};
use metallb_api::{crd, names};
use metallb_runtime::memberlist_key::FreshKey;

use super::yaml::Documents;
use super::{GENERATED, Options, manager, rbac};
use crate::args::Settings;
use crate::metallb::build::{Prepared, Resources, build};
use crate::metallb::dereference::Dereferenced;
use crate::metallb::validate::validate;
use crate::platform::Platform;

/// What the API server does with a resource while nobody answers. Nobody does in the first seconds of an installation,
/// when its first pool comes; the schemas hold all the time, and a contradiction that slips in is reported on the
/// object while the last good configuration stays in force.
const UNANSWERED: &str = "Ignore";

/// The files, by their path below `config/`.
pub(super) fn files(options: &Options) -> Vec<(&'static str, String)> {
    let parts = [
        ("native/namespace.yaml", manager::namespace(options)),
        ("native/rbac.yaml", permissions(options)),
        ("native/controller.yaml", controller(options)),
        ("native/speaker.yaml", speaker(options)),
        ("native/webhooks.yaml", webhooks(options)),
    ];
    let [namespace, rest @ ..] = parts.each_ref().map(|(_, text)| text.as_str());
    let definitions: Vec<String> = definitions()
        .map(|definition| text_of(&definition))
        .map(|text| format!("---\n{}", without_comments(&text)))
        .collect();
    let single = format!(
        "{GENERATED}# Everything: kubectl apply -f config/manifests/metallb-native.yaml\n{namespace}{}{}",
        definitions.concat(),
        rest.concat()
    );
    parts
        .into_iter()
        .map(|(path, text)| (path, format!("{GENERATED}{text}")))
        .chain([
            ("native/kustomization.yaml", kustomization()),
            ("manifests/metallb-native.yaml", single),
        ])
        .collect()
}

/// What the operator would build, with nobody to own it.
pub(super) fn built(options: &Options) -> Resources<Prepared> {
    let mut metallb = MetalLB::new(object::METALLB, MetalLBSpec::default());
    metallb.metadata.uid = Some("none".to_owned());
    let metallb = validate(Dereferenced {
        metallb,
        memberlist_key: None,
        platform: Platform::default(),
        workloads: Vec::new(),
    })
    .expect("a MetalLB that asks for nothing is valid");
    let image = |component| options.image(component);
    let settings = Settings::usual(
        &options.namespace,
        image(object::CONTROLLER),
        image(object::SPEAKER),
    );
    // The key is not written anywhere.
    build(&metallb, &settings, &FreshKey([0; FreshKey::LENGTH]))
}

/// Every kind but the operator's own.
pub(super) fn definitions() -> impl Iterator<Item = CustomResourceDefinition> {
    crd::all()
        .into_iter()
        .filter(|definition| definition.spec.names.kind != MetalLB::kind(&()))
}

/// The text of its file.
pub(super) fn text_of(definition: &CustomResourceDefinition) -> String {
    crd::file_text(definition).expect("a definition has only string keys")
}

/// The webhooks as they are registered from the start; `unanswered` is what happens while nobody answers.
pub(super) fn registration(
    mut webhooks: ValidatingWebhookConfiguration,
    unanswered: &str,
) -> ValidatingWebhookConfiguration {
    for webhook in webhooks.webhooks.iter_mut().flatten() {
        webhook.failure_policy = Some(unanswered.to_owned());
    }
    webhooks
}

fn permissions(options: &Options) -> String {
    let Resources {
        controller_account,
        speaker_account,
        ..
    } = built(options);
    let documents = Documents::default().add([], &unowned(controller_account));
    let documents = rbac::controller_alone(documents, options).add([], &unowned(speaker_account));
    rbac::add_speaker(documents, options).finish()
}

fn controller(options: &Options) -> String {
    let Resources {
        mut controller,
        controller_metrics,
        ..
    } = built(options);
    if let Some(spec) = &mut controller.spec {
        alone(&mut spec.template);
        for container in spec.template.spec.iter_mut().flat_map(|pod| &mut pod.containers) {
            container.env.get_or_insert_default().push(EnvVar {
                name: env::ML_SECRET_NAME.to_owned(),
                value: Some(object::PLAIN_MEMBERLIST_SECRET.to_owned()),
                value_from: None,
            });
        }
    }
    Documents::default()
        .add([], &unowned(controller))
        .add([], &unowned(controller_metrics))
        .finish()
}

fn speaker(options: &Options) -> String {
    let Resources {
        exclude_l2,
        mut speaker,
        speaker_metrics,
        ..
    } = built(options);
    if let Some(spec) = &mut speaker.spec {
        alone(&mut spec.template);
        let volumes = spec.template.spec.iter_mut().flat_map(|pod| &mut pod.volumes);
        for secret in volumes.flatten().filter_map(|volume| volume.secret.as_mut()) {
            if secret.secret_name.as_deref() == Some(object::MEMBERLIST_SECRET) {
                secret.secret_name = Some(object::PLAIN_MEMBERLIST_SECRET.to_owned());
            }
        }
    }
    Documents::default()
        .add(
            ["The interfaces on which speakers stay silent."],
            &unowned(exclude_l2),
        )
        .add([], &unowned(speaker))
        .add([], &unowned(speaker_metrics))
        .finish()
}

fn webhooks(options: &Options) -> String {
    // Taken apart without `..`: whatever else the operator makes, these files must have it.
    let Resources {
        controller_account: _,
        speaker_account: _,
        memberlist: _, // the controller makes it: a key that everybody can read is none
        exclude_l2: _,
        memberlist_config: _, // whoever wants one makes it
        disruption_budget: _, // there is one controller
        constraints: _, // whether there is their kind, and that of what collects metrics, only the operator sees
        monitoring: _,
        dashboard: _,      // whoever has Grafana takes that of the operator
        network_policy: _, // upstream's has none either
        controller: _,
        speaker: _,
        webhook_service,
        webhook_secret,
        webhooks,
        conversion: _, // nobody would end it; without it the API server converts by itself, whoever runs
        controller_metrics: _,
        speaker_metrics: _,
        state: PhantomData,
    } = built(options);
    let documents = Documents::default()
        .add(
            ["The controller keeps its certificate in it."],
            &unowned(webhook_secret),
        )
        .add([], &unowned(webhook_service));
    let webhooks = webhooks.map(|webhooks| unowned(registration(webhooks, UNANSWERED)));
    webhooks
        .iter()
        .fold(documents, |documents, webhooks| documents.add([], webhooks))
        .finish()
}

/// Without the marks of the operator: it prunes what carries them.
fn unowned<K: Resource>(mut object: K) -> K {
    unmark(object.meta_mut());
    object
}

fn alone(template: &mut PodTemplateSpec) {
    template.metadata.iter_mut().for_each(unmark);
}

fn unmark(metadata: &mut ObjectMeta) {
    metadata.owner_references = None;
    if let Some(labels) = &mut metadata.labels {
        labels.remove(label::MANAGED_BY);
    }
}

fn without_comments(text: &str) -> String {
    text.split_inclusive('\n')
        .skip_while(|line| line.starts_with('#'))
        .collect()
}

fn kustomization() -> String {
    let definition = format!("metallbs.{}", names::GROUP);
    let everything = super::kustomization(
        "The controller and the speakers, without an operator: kubectl apply -k config/native",
        &[
            "namespace.yaml",
            "../crd",
            "rbac.yaml",
            "controller.yaml",
            "speaker.yaml",
            "webhooks.yaml",
        ],
    );
    format!(
        "{everything}patches:\n\
         # Only an operator acts on it.\n\
         - patch: |-\n\
         \x20   $patch: delete\n\
         \x20   apiVersion: apiextensions.k8s.io/v1\n\
         \x20   kind: CustomResourceDefinition\n\
         \x20   metadata:\n\
         \x20     name: {definition}\n"
    )
}
