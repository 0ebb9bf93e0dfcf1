//! What tells a Prometheus operator to collect the metrics and to warn, where the cluster has its kinds. The names of the
//! alerts are those that people's silences and runbooks know.

use kube::api::DynamicObject;
use metallb_api::names::{metric, object};
use serde_json::{Value, json};

use super::object::{Origin, selector};
use crate::platform::{Kind, PROMETHEUS_RULES, Platform, SERVICE_MONITORS};

/// Where Prometheus finds the token by which it shows who it is.
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Where the Prometheus of OpenShift finds the cluster's authority for Services.
const AUTHORITY: &str = "/etc/prometheus/configmaps/serving-certs-ca-bundle/service-ca.crt";

/// The objects whose kinds there are.
pub(super) fn objects(origin: &Origin<'_>, platform: &Platform) -> Vec<(Kind, DynamicObject)> {
    let mut objects = Vec::new();
    if platform.kinds.has(SERVICE_MONITORS) {
        for (name, service, component) in [
            (
                object::CONTROLLER_MONITOR,
                object::CONTROLLER_METRICS,
                object::CONTROLLER,
            ),
            (object::SPEAKER_MONITOR, object::SPEAKER_METRICS, object::SPEAKER),
        ] {
            let spec = monitor(origin, platform, (service, component));
            objects.push(made(origin, (SERVICE_MONITORS, name, component), &spec));
        }
    }
    if platform.kinds.has(PROMETHEUS_RULES) {
        let name = (PROMETHEUS_RULES, object::ALERTS, object::CONTROLLER);
        objects.push(made(origin, name, &alerts(origin.namespace)));
    }
    objects
}

fn made(
    origin: &Origin<'_>,
    (kind, name, component): (Kind, &str, &str),
    spec: &Value,
) -> (Kind, DynamicObject) {
    let object = DynamicObject {
        types: Some(kind.types()),
        metadata: origin.metadata(name, component),
        data: json!({ "spec": spec }),
    };
    (kind, object)
}

fn monitor(origin: &Origin<'_>, platform: &Platform, (service, component): (&str, &str)) -> Value {
    // Elsewhere the certificate is made at the start of each pod, and nobody can verify it.
    let tls = if platform.is_openshift() {
        json!({ "caFile": AUTHORITY, "serverName": format!("{service}.{}.svc", origin.namespace) })
    } else {
        json!({ "insecureSkipVerify": true })
    };
    json!({
        "endpoints": [{
            "port": object::METRICS_PORT,
            "path": metric::PATH,
            "scheme": "https",
            "interval": "30s",
            "bearerTokenFile": TOKEN,
            "tlsConfig": tls,
        }],
        "namespaceSelector": { "matchNames": [origin.namespace] },
        "selector": selector(component),
    })
}

fn alerts(namespace: &str) -> Value {
    let of = |metric: &str| format!("{metric}{{namespace=\"{namespace}\"}}");
    let (stale, loaded) = (of(metric::CONFIG_STALE), of(metric::CONFIG_LOADED));
    let (used, all) = (of(metric::ADDRESSES_IN_USE), of(metric::ADDRESSES));
    let share = format!("100 * {used} / on (pod, pool) ({all} > 0)");
    let mut rules = vec![
        alert(
            "MetalLBStaleConfig",
            (&format!("{stale} == 1"), "1m", "warning"),
            "{{ $labels.pod }} goes on with an older configuration, because the last one is faulty. \
             `kubectl get configurationstates` says what is wrong.",
        ),
        alert(
            "MetalLBConfigNotLoaded",
            (&format!("{loaded} == 0"), "1m", "warning"),
            "{{ $labels.pod }} has no configuration in force. `kubectl get configurationstates` says what is wrong.",
        ),
        alert(
            "MetalLBAddressPoolExhausted",
            (&format!("{share} >= 100"), "1m", "critical"),
            "The pool {{ $labels.pool }} has no free address: the next Service that needs it gets none.",
        ),
    ];
    for (percent, severity) in [(75, "warning"), (85, "warning"), (95, "critical")] {
        rules.push(alert(
            &format!("MetalLBAddressPoolUsage{percent}Percent"),
            (&format!("{share} > {percent}"), "1m", severity),
            &format!("More than {percent} % of the addresses of the pool {{{{ $labels.pool }}}} are in use."),
        ));
    }
    json!({ "groups": [{ "name": object::ALERTS, "rules": rules }] })
}

fn alert(name: &str, (expression, lasting, severity): (&str, &str, &str), description: &str) -> Value {
    json!({
        "alert": name,
        "expr": expression,
        "for": lasting,
        "labels": { "severity": severity },
        "annotations": { "description": description },
    })
}
