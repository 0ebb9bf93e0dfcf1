//! The part of `charts/metallb` that is not written by hand: what must not differ from what the operator installs, and
//! cannot be chosen by a value. The pods are templates, written by hand; a test compares what they give with what the
//! operator builds.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use metallb_api::crd;
use metallb_api::names::object;

use super::native::{self, registration};
use super::rules::{self, Rule};
use super::{GENERATED, Options, rbac, yaml};
use crate::metallb::build::{Prepared, Resources};

/// Where `templates/_helpers.tpl` says how the Deployment is called.
const DEPLOYMENT: &str = "{{ include `metallb.controllerName` . }}";
const NAMESPACE: &str = "{{ .Release.Namespace }}";
const UNANSWERED: &str = "{{ .Values.crds.validationFailurePolicy }}";
/// Helm deletes a definition with its release, and with it every pool; a definition with this stays.
const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");

/// All generated files: path below `charts/metallb`, and content. The same options give the same bytes.
pub fn files(options: &Options) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([
        ("Chart.yaml".to_owned(), chart(options)),
        ("templates/_generated.tpl".to_owned(), parts(options)),
    ]);
    for mut definition in native::definitions() {
        let (key, value) = KEEP;
        let annotations = definition.metadata.annotations.get_or_insert_default();
        annotations.insert(key.to_owned(), value.to_owned());
        let mut text = native::text_of(&definition);
        if definition.metadata.name.as_deref() == Some(object::BGP_PEER_DEFINITION) {
            text = text.replacen("\nspec:\n", &format!("\nspec:\n{}", conversion(options)), 1);
        }
        files.insert(
            format!("templates/crds/{}", crd::file_name(&definition)),
            format!("{{{{- if .Values.crds.enabled }}}}\n{text}{{{{- end }}}}\n"),
        );
    }
    files
}

fn chart(options: &Options) -> String {
    let (version, tag) = (env!("CARGO_PKG_VERSION"), &options.tag);
    format!(
        "{GENERATED}apiVersion: v2\n\
         name: metallb\n\
         description: The load balancer for bare-metal Kubernetes\n\
         type: application\n\
         version: {version}\n\
         appVersion: {tag}\n\
         # The rules of the CRDs need it.\n\
         kubeVersion: \">= 1.29.0-0\"\n\
         keywords:\n\
         - metallb\n\
         - load-balancer\n\
         - bare-metal\n"
    )
}

/// Where another MetalLB has BGPPeer converted by a webhook, its controller has told the API server whom to trust. Helm
/// cannot take that out again, and a definition that has it must say how it is used: by asking our controller.
fn conversion(options: &Options) -> String {
    let Resources { conversion, .. } = built(options);
    let lines: Vec<String> = yaml::text(&conversion)
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    let definition = object::BGP_PEER_DEFINITION;
    format!(
        "{{{{- $live := lookup \"apiextensions.k8s.io/v1\" \"CustomResourceDefinition\" \"\" \"{definition}\" }}}}\n\
         {{{{- if eq (dig \"spec\" \"conversion\" \"strategy\" \"\" $live) \"{}\" }}}}\n  conversion:\n{}{{{{- end }}}}\n",
        conversion.strategy,
        lines.concat(),
    )
}

/// What the operator would build, in the namespace of the release.
fn built(options: &Options) -> Resources<Prepared> {
    native::built(&Options {
        namespace: NAMESPACE.to_owned(),
        ..options.clone()
    })
}

/// Named templates, to be included by those that are written by hand.
fn parts(options: &Options) -> String {
    let Resources {
        webhooks, exclude_l2, ..
    } = built(options);
    let webhooks = webhooks.and_then(|webhooks| registration(webhooks, UNANSWERED).webhooks);
    let excluded = exclude_l2
        .data
        .and_then(|mut files| files.remove(object::EXCLUDE_L2_FILE));
    let mut text = format!(
        "{{{{- /* {} */ -}}}}\n",
        GENERATED.trim_start_matches("# ").trim_end()
    );
    for (name, content) in [
        ("registry", options.registry.clone()),
        ("controller.everywhere", rules(rules::CONTROLLER_EVERYWHERE)),
        ("controller.atHome", rules(rules::CONTROLLER_AT_HOME)),
        ("controller.memberlist", rules(rules::CONTROLLER_WITHOUT_OPERATOR)),
        ("speaker.everywhere", rules(rules::SPEAKER_EVERYWHERE)),
        ("speaker.atHome", rules(rules::SPEAKER_AT_HOME)),
        ("webhooks", yaml::text(&webhooks.unwrap_or_default())),
        ("excludeInterfaces", excluded.unwrap_or_default()),
    ] {
        write!(
            text,
            "{{{{- define \"metallb.generated.{name}\" -}}}}\n{}\n{{{{- end -}}}}\n",
            content.trim_end()
        )
        .expect("writing to a String does not fail");
    }
    text
}

/// The rules of a role, with their reasons.
fn rules(rules: &[Rule]) -> String {
    let rule = |rule: &Rule| {
        let mut policy = rbac::policy(rule);
        if let Some(names) = &mut policy.resource_names {
            for name in names.iter_mut().filter(|name| *name == object::CONTROLLER) {
                DEPLOYMENT.clone_into(name);
            }
        }
        format!("# {}\n{}", rule.reason, yaml::text(&[policy]))
    };
    rules.iter().map(rule).collect()
}
