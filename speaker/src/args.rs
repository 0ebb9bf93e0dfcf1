//! The command line of the speaker. Owns MetalLB's flags and variables, so that existing manifests start it
//! unchanged; what a flag means is decided where its value is used.

use clap::{ArgAction, Parser};
use metallb_api::names::env;
use metallb_runtime::args::Serving;
use metallb_runtime::log::LogLevel;

use crate::membership;

/// The labels of speaker Pods as the operator and the manifests set them.
const SPEAKER_LABELS: &str = "app=metallb,component=speaker";

/// The MetalLB speaker: announces load balancer addresses from this node.
#[derive(Debug, Parser)]
#[command(name = "speaker", version)]
pub(crate) struct Args {
    /// Namespace of the configuration [default: the pod's own]
    #[arg(long, env = env::NAMESPACE)]
    pub(crate) namespace: Option<String>,
    /// Name of the Kubernetes node this speaker runs on; required
    #[arg(long, env = env::NODE_NAME, default_value = "")]
    node_name: String,
    /// How much to log: all, debug, info, warn, error or none
    #[arg(long, default_value = "info")]
    pub(crate) log_level: LogLevel,
    /// Port of /healthz and /readyz on 127.0.0.1
    #[arg(long, default_value_t = 17472)]
    pub(crate) health_probe_port: u16,
    /// Announce only Services of this load balancer class [default: Services without a class]
    #[arg(long, default_value = "")]
    lb_class: String,
    /// Name of the speaker's own Pod, after which its ServiceL2Status objects are deleted
    #[arg(long, env = env::POD_NAME, default_value = "")]
    pub(crate) pod_name: String,
    /// Labels of the speakers' Pods [default: app=metallb,component=speaker]
    #[arg(long, env = env::ML_LABELS, default_value = "")]
    ml_labels: String,
    /// Announce also from nodes labelled node.kubernetes.io/exclude-from-external-load-balancers
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub(crate) ignore_exclude_lb: bool,
    /// The HTTPS server of the metrics.
    #[command(flatten)]
    pub(crate) serving: Serving,
    #[command(flatten)]
    membership: membership::Flags,
    #[command(flatten)]
    pending: Pending,
}

/// Flags that are accepted and have no effect in this version.
#[derive(Debug, clap::Args)]
struct Pending {
    /// Deprecated, no effect
    #[arg(long, env = env::HOST)]
    host: Option<String>,
    /// Address of the profiler (no effect)
    #[arg(long)]
    pprof_bind_address: Option<String>,
    /// BGP implementation: native, frr or frr-k8s (no effect yet)
    #[arg(long = "bgp-type", hide = true, env = env::BGP_TYPE, value_parser = bgp_type)]
    bgp_type: Option<String>,
    /// Milliseconds to collect BGP changes for (no effect)
    #[arg(long, env = "METALLB_BGP_DEBOUNCE_TIMEOUT")]
    bgp_debounce_timeout: Option<String>,
    /// Namespace of FRRConfigurations (no effect)
    #[arg(long, env = "FRRK8S_NAMESPACE")]
    frrk8s_namespace: Option<String>,
    /// Pass BGP passwords as Secrets (no effect)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    frrk8s_secret_passthrough: Option<bool>,
}

/// Who this speaker is must be told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must specify --node-name or METALLB_NODE_NAME")]
pub(crate) struct NoNodeName;

impl Args {
    /// The own node.
    pub(crate) fn node_name(&self) -> Result<&str, NoNodeName> {
        if self.node_name.is_empty() {
            Err(NoNodeName)
        } else {
            Ok(&self.node_name)
        }
    }

    /// The load balancer class to serve; `None` means Services that name none.
    pub(crate) fn lb_class(&self) -> Option<&str> {
        Some(self.lb_class.as_str()).filter(|class| !class.is_empty())
    }

    /// The selector of the speakers' Pods.
    pub(crate) fn speaker_labels(&self) -> &str {
        if self.ml_labels.is_empty() {
            SPEAKER_LABELS
        } else {
            &self.ml_labels
        }
    }

    /// What it takes to be a member on `node`. `None` unless both the address and the labels of the others are given, as
    /// upstream has it.
    pub(crate) fn membership(
        &self,
        node: &str,
    ) -> Result<Option<membership::Config>, membership::ConfigError> {
        if self.ml_labels.is_empty() {
            return Ok(None);
        }
        self.membership.config(node)
    }

    /// The flags that were given, also by their variables, and that this version does not act upon. `--host` is
    /// not among them: every manifest sets it and nobody expects an effect.
    pub(crate) fn without_effect(&self) -> Vec<&'static str> {
        let Pending {
            host: _,
            pprof_bind_address,
            bgp_type,
            bgp_debounce_timeout,
            frrk8s_namespace,
            frrk8s_secret_passthrough,
        } = &self.pending;
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.is_empty());
        [
            ("--pprof-bind-address", given(pprof_bind_address)),
            (env::BGP_TYPE, given(bgp_type)),
            ("--bgp-debounce-timeout", given(bgp_debounce_timeout)),
            ("--frrk8s-namespace", given(frrk8s_namespace)),
            (
                "--frrk8s-secret-passthrough",
                *frrk8s_secret_passthrough == Some(true),
            ),
        ]
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect()
    }
}

fn bgp_type(text: &str) -> Result<String, String> {
    match text {
        "" | "native" | "frr" | "frr-k8s" => Ok(text.to_owned()),
        other => Err(format!(
            "unsupported BGP implementation type: {other}; set {} to native, frr or frr-k8s",
            env::BGP_TYPE
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("speaker").chain(args.iter().copied()))
    }

    #[test]
    fn the_node_name_is_required_with_the_known_words() {
        let error = parse(&["--node-name="]).unwrap().node_name().unwrap_err();
        assert_eq!(error.to_string(), "must specify --node-name or METALLB_NODE_NAME");
        assert_eq!(parse(&["--node-name=n"]).unwrap().node_name(), Ok("n"));
    }

    #[test]
    fn what_manifests_pass_is_accepted_and_what_has_no_effect_is_named() {
        let manifest = [
            "--node-name=n",
            "--port=9120",
            "--log-level=info",
            "--host=192.0.2.7",
            "--lb-class=example.org/lb",
            "--ml-bindaddr=192.0.2.7",
            "--ml-labels=app.kubernetes.io/name=metallb",
            "--ml-bindport=7946",
            "--ml-secret-key-path=/etc/ml_secret_key",
            "--ignore-exclude-lb",
            "--ml-wan-config=false",
            "--tls-min-version=VersionTLS13",
        ];
        let args = parse(&manifest).unwrap();
        assert_eq!(args.lb_class(), Some("example.org/lb"));
        assert_eq!(args.speaker_labels(), "app.kubernetes.io/name=metallb");
        assert!(args.ignore_exclude_lb);
        assert_eq!(args.without_effect(), [""; 0]);
    }

    #[test]
    fn defaults_are_those_of_metallb() {
        let args = parse(&["--node-name=n", "--ml-labels=", "--lb-class="]).unwrap();
        assert_eq!(
            (args.health_probe_port, args.lb_class(), args.ignore_exclude_lb),
            (17472, None, false)
        );
        assert_eq!(args.speaker_labels(), "app=metallb,component=speaker");
        assert!(!parse(&["--ignore-exclude-lb=false"]).unwrap().ignore_exclude_lb);
    }

    #[test]
    fn an_unknown_bgp_type_says_which_are_known() {
        for known in ["native", "frr", "frr-k8s"] {
            assert!(parse(&["--bgp-type", known]).is_ok(), "{known}");
        }
        let message = parse(&["--bgp-type=quagga"]).unwrap_err().to_string();
        assert!(
            message.contains("set METALLB_BGP_TYPE to native, frr or frr-k8s"),
            "{message}"
        );
    }
}
