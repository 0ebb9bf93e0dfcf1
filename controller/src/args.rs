//! The command line of the controller. Owns MetalLB's flags and variables, so that existing manifests start it
//! unchanged; what a flag means is decided where its value is used.

use std::path::PathBuf;

use clap::{ArgAction, Parser};
use metallb_api::names::{env, object};
use metallb_runtime::args::Serving;
use metallb_runtime::log::LogLevel;

/// The MetalLB controller: gives addresses to Services of type LoadBalancer.
#[derive(Debug, Parser)]
#[command(name = "controller", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    /// Something else than to serve a cluster.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Namespace of the address pools [default: the pod's own]
    #[arg(long, env = env::NAMESPACE)]
    pub(crate) namespace: Option<String>,
    /// Name of this pod, as Events show it
    #[arg(long, env = env::POD_NAME, default_value = "")]
    pub(crate) pod_name: String,
    /// How much to log: all, debug, info, warn, error or none
    #[arg(long, default_value = "info")]
    pub(crate) log_level: LogLevel,
    /// Port of /healthz and /readyz
    #[arg(long, default_value_t = 17472)]
    pub(crate) health_probe_port: u16,
    /// Serve only Services of this load balancer class [default: Services without a class]
    #[arg(long, default_value = "")]
    lb_class: String,
    /// The HTTPS servers.
    #[command(flatten)]
    pub(crate) serving: Serving,
    /// The webhooks.
    #[command(flatten)]
    pub(crate) webhooks: Webhooks,
    /// The key that speakers share.
    #[command(flatten)]
    pub(crate) memberlist: Memberlist,
    /// Act only while this is the one leader among several controllers
    #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true",
        action = clap::ArgAction::Set)]
    pub(crate) leader_elect: bool,
    #[command(flatten)]
    pending: Pending,
}

/// What the binary does besides being the controller.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Print the resources that mean the same as the ConfigMap of MetalLB up to 0.12
    Migrate(Migrate),
}

/// Where the old configuration is, and where the resources belong.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// File with the ConfigMap, or - for standard input
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// The file holds the configuration itself, without a ConfigMap around it
    #[arg(long)]
    pub(crate) only_data: bool,
    /// Namespace of the resources [default: that of the ConfigMap, or metallb-system]
    #[arg(long)]
    pub(crate) namespace: Option<String>,
}

/// The webhooks and their certificate.
#[derive(Debug, clap::Args)]
pub(crate) struct Webhooks {
    /// Webhooks: enabled, disabled, or onlywebhook for a process that does nothing else
    #[arg(long = "webhook-mode", default_value = "enabled")]
    pub(crate) mode: WebhookMode,
    /// Leave the webhooks' certificate alone: it is in --cert-dir, and somebody else tells the API server of it
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) disable_cert_rotation: bool,
    /// Directory with tls.crt and tls.key for the webhooks, with --disable-cert-rotation
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs")]
    pub(crate) cert_dir: PathBuf,
    /// Service that the webhooks are called by
    #[arg(long, default_value = object::WEBHOOK_SERVICE)]
    pub(crate) cert_service_name: String,
    /// Secret with the webhooks' certificate
    #[arg(long, default_value = object::WEBHOOK_CERTIFICATE_SECRET)]
    pub(crate) webhook_secret: String,
}

/// The key that speakers share, where no operator makes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Memberlist {
    /// Secret with the key that speakers share, made if there is none [default: somebody else makes it]
    #[arg(long = "ml-secret-name", env = env::ML_SECRET_NAME, default_value = "", hide_default_value = true)]
    secret: String,
    /// Own Deployment, which the Secret is deleted with
    #[arg(long, env = env::DEPLOYMENT, default_value = "", hide_default_value = true)]
    pub(crate) deployment: String,
}

impl Memberlist {
    /// The Secret to make; `None` means that somebody else does.
    pub(crate) fn secret(&self) -> Option<&str> {
        Some(self.secret.as_str()).filter(|secret| !secret.is_empty())
    }
}

/// What a controller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WebhookMode {
    /// Gives addresses and answers webhooks.
    Enabled,
    /// Gives addresses.
    Disabled,
    /// Answers webhooks.
    #[value(name = "onlywebhook")]
    OnlyWebhook,
}

/// Flags that are accepted and have no effect in this version.
#[derive(Debug, clap::Args)]
struct Pending {
    /// Address of the profiler (no effect)
    #[arg(long)]
    pprof_bind_address: Option<String>,
    /// Serve webhooks over HTTP/2 too (no effect: the API server takes HTTP/1.1 as well)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    webhook_http2: Option<bool>,
    /// BGP implementation that the configuration is validated for (no effect yet)
    #[arg(long = "bgp-type", hide = true, env = env::BGP_TYPE)]
    bgp_type: Option<String>,
}

impl Args {
    /// The load balancer class to serve; `None` means Services that name none.
    pub(crate) fn lb_class(&self) -> Option<&str> {
        Some(self.lb_class.as_str()).filter(|class| !class.is_empty())
    }

    /// The flags that were given, also by their variables, and that this version does not act upon. What asks for
    /// nothing (`--port=0`, `--webhook-mode=disabled`) is not among them.
    pub(crate) fn without_effect(&self) -> Vec<&'static str> {
        let Pending {
            pprof_bind_address,
            webhook_http2,
            bgp_type,
        } = &self.pending;
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
        [
            ("--pprof-bind-address", given(pprof_bind_address)),
            ("--webhook-http2", *webhook_http2 == Some(true)),
            (env::BGP_TYPE, given(bgp_type)),
        ]
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("controller").chain(args.iter().copied()))
    }

    #[test]
    fn what_manifests_pass_is_accepted_and_what_has_no_effect_is_named() {
        let manifest = [
            "--port=9120",
            "--log-level=debug",
            "--lb-class=example.org/lb",
            "--webhook-mode=enabled",
            "--disable-cert-rotation",
            "--cert-service-name=metallb-webhook-service",
            "--tls-min-version=VersionTLS13",
            "--webhook-http2",
        ];
        let args = parse(&manifest).unwrap();
        assert_eq!(
            (args.lb_class(), args.log_level),
            (Some("example.org/lb"), LogLevel::Debug)
        );
        assert_eq!(args.without_effect(), ["--webhook-http2"]);
        assert_eq!(
            (args.serving.port, args.webhooks.disable_cert_rotation),
            (9120, true)
        );
    }

    #[test]
    fn what_asks_for_nothing_is_not_missed() {
        let args = parse(&[
            "--port=0",
            "--webhook-mode=disabled",
            "--lb-class=",
            "--webhook-http2=false",
        ])
        .unwrap();
        assert_eq!((args.without_effect(), args.lb_class()), (vec![], None));
        assert_eq!(args.health_probe_port, 17472);
    }

    #[test]
    fn the_memberlist_secret_is_made_only_where_it_is_asked_for() {
        for (given, expected) in [
            (vec![], None),
            (vec!["--ml-secret-name="], None),
            (
                vec!["--ml-secret-name=memberlist", "--deployment=controller"],
                Some("memberlist"),
            ),
        ] {
            let args = parse(&given).unwrap();
            assert_eq!(args.memberlist.secret(), expected, "{given:?}");
            assert_eq!(args.without_effect(), Vec::<&str>::new());
        }
    }

    #[test]
    fn a_leader_is_elected_unless_that_is_switched_off() {
        for (given, expected) in [
            (vec![], true),
            (vec!["--leader-elect"], true),
            (vec!["--leader-elect=false"], false),
        ] {
            assert_eq!(parse(&given).unwrap().leader_elect, expected, "{given:?}");
        }
    }

    #[test]
    fn migrate_has_flags_of_its_own_and_takes_none_of_the_controller() {
        let args = parse(&["migrate", "old.yaml", "--only-data", "--namespace=lb"]).unwrap();
        let Some(Command::Migrate(migrate)) = args.command else {
            panic!("{args:?}");
        };
        assert_eq!(
            (
                migrate.file.to_str(),
                migrate.only_data,
                migrate.namespace.as_deref()
            ),
            (Some("old.yaml"), true, Some("lb"))
        );
        assert!(parse(&["--namespace=lb", "migrate"]).is_err());
        assert!(parse(&["old.yaml"]).is_err());
        assert!(parse(&[]).unwrap().command.is_none());
    }

    #[test]
    fn an_unknown_webhook_mode_says_which_are_known() {
        let message = parse(&["--webhook-mode=on"]).unwrap_err().to_string();
        assert!(message.contains("onlywebhook"), "{message}");
    }
}
