//! The command line and the environment of the operator. Owns their names, defaults and checks; reads nothing else.

use std::num::{NonZeroU16, ParseIntError};
use std::path::PathBuf;
use std::str::ParseBoolError;

use clap::{ArgAction, Parser};
use metallb_api::names;
use metallb_runtime::log::LogLevel;
use metallb_runtime::webhooks;

/// The ports that firewalls and probes of existing installations know.
const MEMBERLIST_PORT: u16 = 7946;
const HEALTH_PORT: u16 = 17472;
const METRICS_PORT: u16 = 9120;

/// Runs the controller and the speakers that a MetalLB resource asks for.
#[derive(Debug, Clone, Parser)]
#[command(name = "operator", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Something else than to run what a MetalLB resource asks for
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Port of the health endpoints `/healthz` and `/readyz`
    #[arg(
        long,
        alias = "health-probe-port",
        default_value_t = 8080,
        value_name = "PORT"
    )]
    pub port: u16,

    /// How much the operator itself logs: all, debug, info, warn, error or none
    #[arg(long, default_value = "info")]
    pub log_level: LogLevel,

    /// Name of this pod, shown as the source of Events
    #[arg(long, env = "HOSTNAME", default_value = names::event::OPERATOR)]
    pub pod_name: String,

    // The names of the environment variables are those that existing installations set.
    /// Namespace of the operator, of its MetalLB resource and of everything it makes
    #[arg(long, env = names::env::OPERATOR_NAMESPACE, default_value = "", hide_default_value = true)]
    pub operator_namespace: String,

    /// Image of the controller
    #[arg(long, env = names::env::CONTROLLER_IMAGE, default_value = "", hide_default_value = true)]
    pub controller_image: String,

    /// Image of the speaker
    #[arg(long, env = names::env::SPEAKER_IMAGE, default_value = "", hide_default_value = true)]
    pub speaker_image: String,

    /// TCP and UDP port on which speakers find each other; 7946 when left out or empty
    #[arg(long, env = names::env::MEMBER_LIST_BIND_PORT, default_value = "", value_name = "PORT",
        hide_default_value = true, value_parser = port_or::<MEMBERLIST_PORT>)]
    pub memberlist_bind_port: u16,

    /// Port of the controller's and the speakers' health endpoints; 17472 when left out or empty
    #[arg(long, env = names::env::OPERAND_LIVENESS_PORT, default_value = "", value_name = "PORT",
        hide_default_value = true, value_parser = port_or::<HEALTH_PORT>)]
    pub operand_liveness_port: u16,

    /// Port of the controller's and the speakers' metrics; 9120 when left out or empty
    #[arg(long, env = names::env::METRICS_PORT, default_value = "", value_name = "PORT",
        hide_default_value = true, value_parser = port_or::<METRICS_PORT>)]
    pub metrics_port: u16,

    /// Act only while this is the one leader among several operators
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true",
        action = ArgAction::Set)]
    pub enable_leader_election: bool,

    /// Make no network policies; true or false
    #[arg(long, env = names::env::DISABLE_NETWORK_POLICIES, default_value = "", value_name = "BOOL",
        hide_default_value = true, value_parser = is_true, action = ArgAction::Set)]
    pub disable_network_policies: bool,

    /// The webhook.
    #[command(flatten)]
    pub webhook: Webhook,

    #[command(flatten)]
    compatible: Compatible,
}

/// The webhook that checks a MetalLB, and its certificate.
#[derive(Debug, Clone, clap::Args)]
pub struct Webhook {
    /// Port of the webhook that checks MetalLB resources; 0 serves none
    #[arg(long, default_value_t = webhooks::PORT, value_name = "PORT")]
    pub webhook_port: u16,

    /// Leave the webhook's certificate alone: it is in --cert-dir, and somebody else tells the API server of it. It is so
    /// without this flag, too, where somebody has put one there, as the Operator Lifecycle Manager does
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true",
        action = ArgAction::Set)]
    pub disable_cert_rotation: bool,

    /// Directory with tls.crt and tls.key for the webhook
    #[arg(
        long,
        default_value = "/tmp/k8s-webhook-server/serving-certs",
        value_name = "DIRECTORY"
    )]
    pub cert_dir: PathBuf,

    /// Service that the webhook is called by
    #[arg(long, default_value = names::object::OPERATOR_WEBHOOK_SERVICE, value_name = "NAME")]
    pub cert_service_name: String,
}

/// What the binary does besides being the operator.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Say what this version would change in a cluster that runs MetalLB, and which addresses would move; writes nothing
    Preflight(Preflight),
}

/// What to look at, and how to tell it.
#[derive(Debug, Clone, clap::Args)]
pub struct Preflight {
    /// Namespace that this version is to be installed in
    #[arg(long, default_value = names::object::NAMESPACE)]
    pub namespace: String,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: Format,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A switch, which is off when a template leaves it empty.
fn is_true(text: &str) -> Result<bool, ParseBoolError> {
    match text.trim() {
        "" => Ok(false),
        text => text.to_lowercase().parse(),
    }
}

/// A port, or `DEFAULT`: templates leave an empty variable where nothing was chosen.
fn port_or<const DEFAULT: u16>(text: &str) -> Result<u16, ParseIntError> {
    match text.trim() {
        "" => Ok(DEFAULT),
        port => port.parse().map(NonZeroU16::get),
    }
}

/// What manifests made for other operators of MetalLB pass. Accepted so that they start; nothing is done with it.
#[derive(Debug, Clone, clap::Args)]
struct Compatible {
    #[arg(long, hide = true)]
    metrics_addr: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    webhook_http2: Option<bool>,
    #[arg(long, hide = true, action = ArgAction::SetTrue)]
    external_metallb_webhook_server: bool,
}

/// What the operator needs to know of its installation to build the pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The only namespace this operator works in
    pub namespace: String,
    /// Image of the controller
    pub controller_image: String,
    /// Image of the speaker
    pub speaker_image: String,
    /// TCP and UDP port on which speakers find each other
    pub memberlist_port: u16,
    /// Port of the health endpoints of the controller and the speakers
    pub health_port: u16,
    /// Port of the metrics of the controller and the speakers
    pub metrics_port: u16,
    /// Whether network policies are made
    pub network_policies: bool,
}

impl Settings {
    /// Those of an installation that chose nothing but where its images are.
    pub fn usual(namespace: &str, controller_image: String, speaker_image: String) -> Self {
        Self {
            namespace: namespace.to_owned(),
            controller_image,
            speaker_image,
            memberlist_port: MEMBERLIST_PORT,
            health_port: HEALTH_PORT,
            metrics_port: METRICS_PORT,
            network_policies: true,
        }
    }
}

/// The installation is incomplete: a variable of the operator's Deployment is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("missing mandatory {0} env variable")]
pub struct Missing(pub &'static str);

impl Args {
    /// The settings, complete.
    ///
    /// # Errors
    /// A mandatory variable is unset or empty. Nothing sensible can be done without it.
    pub fn settings(&self) -> Result<Settings, Missing> {
        let mandatory = |value: &String, name| match value.trim() {
            "" => Err(Missing(name)),
            value => Ok(value.to_owned()),
        };
        Ok(Settings {
            namespace: mandatory(&self.operator_namespace, names::env::OPERATOR_NAMESPACE)?,
            controller_image: mandatory(&self.controller_image, names::env::CONTROLLER_IMAGE)?,
            speaker_image: mandatory(&self.speaker_image, names::env::SPEAKER_IMAGE)?,
            memberlist_port: self.memberlist_bind_port,
            health_port: self.operand_liveness_port,
            metrics_port: self.metrics_port,
            network_policies: !self.disable_network_policies,
        })
    }

    /// The flags that were given and are only accepted for compatibility, for one log line.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let Compatible {
            metrics_addr,
            webhook_http2,
            external_metallb_webhook_server,
        } = &self.compatible;
        [
            (
                "--metrics-addr",
                metrics_addr.as_deref().is_some_and(|address| address != "0"),
            ),
            ("--webhook-http2", *webhook_http2 == Some(true)),
            (
                "--external-metallb-webhook-server",
                *external_metallb_webhook_server,
            ),
        ]
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(extra: &[&str]) -> Args {
        let given = [
            "operator",
            "--operator-namespace=metallb-system",
            "--controller-image=c",
            "--speaker-image=s",
        ];
        Args::try_parse_from(given.iter().chain(extra)).unwrap()
    }

    #[test]
    fn the_defaults_are_those_that_firewalls_and_probes_know() {
        let args = args(&[]);
        assert_eq!(args.port, 8080);
        assert_eq!(
            args.settings().unwrap(),
            Settings {
                namespace: "metallb-system".into(),
                controller_image: "c".into(),
                speaker_image: "s".into(),
                memberlist_port: 7946,
                health_port: 17472,
                metrics_port: 9120,
                network_policies: true,
            }
        );
        assert_eq!(
            args.settings().unwrap(),
            Settings::usual("metallb-system", "c".into(), "s".into())
        );
    }

    #[test]
    fn network_policies_are_made_unless_told_otherwise() {
        for (given, made) in [("", true), ("false", true), ("true", false), ("True", false)] {
            let args = args(&[&format!("--disable-network-policies={given}")]);
            assert_eq!(args.settings().unwrap().network_policies, made, "{given:?}");
        }
    }

    #[test]
    fn an_empty_port_is_the_default_and_a_wrong_one_is_refused() {
        let empty = args(&["--memberlist-bind-port=", "--operand-liveness-port= "]);
        assert_eq!(
            (empty.memberlist_bind_port, empty.operand_liveness_port),
            (7946, 17472)
        );
        let given = args(&["--memberlist-bind-port=7947", "--operand-liveness-port=17473"]);
        assert_eq!(
            (given.memberlist_bind_port, given.operand_liveness_port),
            (7947, 17473)
        );
        for wrong in ["--memberlist-bind-port=many", "--metrics-port=0"] {
            let error = Args::try_parse_from(["operator", wrong]).unwrap_err().to_string();
            assert!(error.contains(wrong.split('=').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn an_incomplete_installation_names_the_variable_to_set() {
        for (flag, message) in [
            (
                "--operator-namespace=",
                "missing mandatory OPERATOR_NAMESPACE env variable",
            ),
            (
                "--controller-image= ",
                "missing mandatory CONTROLLER_IMAGE env variable",
            ),
            ("--speaker-image=", "missing mandatory SPEAKER_IMAGE env variable"),
        ] {
            let given = [
                "operator",
                "--operator-namespace=ns",
                "--controller-image=c",
                "--speaker-image=s",
            ];
            let name = flag.split('=').next().unwrap();
            let given = given
                .into_iter()
                .filter(|arg| !arg.starts_with(name))
                .chain([flag]);
            assert_eq!(
                Args::try_parse_from(given)
                    .unwrap()
                    .settings()
                    .unwrap_err()
                    .to_string(),
                message
            );
        }
    }

    #[test]
    fn flags_of_existing_manifests_are_accepted_and_reported_when_they_have_no_effect() {
        let given = args(&[
            "--enable-leader-election",
            "--metrics-addr=0",
            "--disable-cert-rotation=true",
            "--cert-dir=/certificates",
            "--webhook-http2",
        ]);
        assert_eq!(given.without_effect(), ["--webhook-http2"]);
        assert!(given.webhook.disable_cert_rotation && !args(&[]).webhook.disable_cert_rotation);
        assert!(given.enable_leader_election && args(&[]).enable_leader_election);
        assert!(!args(&["--enable-leader-election=false"]).enable_leader_election);
        assert_eq!(args(&["--health-probe-port=9000"]).port, 9000);
    }
}
