//! The dashboard of the metrics, for Grafana: its sidecar finds the ConfigMap by the label.

use k8s_openapi::api::core::v1::ConfigMap;
use metallb_api::names::{label, metric, object};
use serde_json::{Value, json};

use super::object::Origin;

/// Of the 24 columns of a dashboard.
const PANEL_WIDTH: usize = 8;
const PANEL_HEIGHT: usize = 7;
const PANELS_PER_ROW: usize = 24 / PANEL_WIDTH;

/// A panel: what it shows, in which unit, and each line with its name.
struct Panel {
    title: &'static str,
    unit: &'static str,
    lines: Vec<(String, &'static str)>,
}

/// The ConfigMap.
pub(super) fn config_map(origin: &Origin<'_>) -> ConfigMap {
    let mut metadata = origin.metadata(object::DASHBOARD, object::CONTROLLER);
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(label::GRAFANA_DASHBOARD.to_owned(), "1".to_owned());
    let file = dashboard(origin.namespace).to_string();
    ConfigMap {
        metadata,
        data: Some([(object::DASHBOARD_FILE.to_owned(), file)].into()),
        ..ConfigMap::default()
    }
}

fn dashboard(namespace: &str) -> Value {
    let panels = panels(namespace).into_iter().enumerate();
    let panels: Vec<Value> = panels.map(|(place, panel)| panel.at(place)).collect();
    json!({
        "uid": "metallb",
        "title": "MetalLB",
        "tags": ["metallb"],
        "schemaVersion": 39,
        "editable": false,
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "templating": { "list": [{ "name": "datasource", "type": "datasource", "query": "prometheus" }] },
        "panels": panels,
    })
}

/// The metrics of the installation in one namespace, as Prometheus is asked for them.
struct Metrics<'a> {
    namespace: &'a str,
}

impl Metrics<'_> {
    fn of(&self, metric: &str) -> String {
        format!("{metric}{{namespace=\"{}\"}}", self.namespace)
    }

    /// Of several controllers one counts addresses, so that it is the greatest number of all that is true.
    fn by_pool(&self, metric: &str) -> String {
        format!("max by (pool) ({})", self.of(metric))
    }

    fn rate(&self, labels: &str, metric: &str) -> String {
        format!("sum by ({labels}) (rate({}[5m]))", self.of(metric))
    }
}

fn panels(namespace: &str) -> Vec<Panel> {
    let metrics = Metrics { namespace };
    let mut panels = about_addresses(&metrics);
    panels.extend(about_speakers(&metrics));
    panels.extend(about_processes(&metrics));
    panels
}

fn about_addresses(metrics: &Metrics<'_>) -> Vec<Panel> {
    let used = metrics.by_pool(metric::ADDRESSES_IN_USE);
    let all = metrics.by_pool(metric::ADDRESSES);
    let services = metrics.by_pool(metric::SERVICES_ALLOCATED);
    vec![
        panel(
            "Addresses in use",
            "percent",
            [(format!("100 * {used} / ({all} > 0)"), "{{pool}}")],
        ),
        panel(
            "Free addresses",
            "none",
            [(format!("{all} - {used}"), "{{pool}}")],
        ),
        panel("Services with an address", "none", [(services, "{{pool}}")]),
    ]
}

fn about_speakers(metrics: &Metrics<'_>) -> Vec<Panel> {
    let announced = format!("count by (node) ({})", metrics.of(metric::ANNOUNCED));
    let by_nobody = format!("max ({})", metrics.of(metric::UNANNOUNCED));
    let contested = format!(
        "sum by (ip) (increase({}[1h]))",
        metrics.of(metric::LAYER2_CONTESTED)
    );
    let dropped = metrics.rate("pod, reason", metric::MEMBERSHIP_DROPPED);
    vec![
        panel(
            "Services announced",
            "none",
            [(announced, "{{node}}"), (by_nobody, "by nobody")],
        ),
        panel(
            "Requests for addresses, and answers",
            "reqps",
            [
                (metrics.rate("ip", metric::LAYER2_REQUESTS), "{{ip}} asked"),
                (metrics.rate("ip", metric::LAYER2_RESPONSES), "{{ip}} answered"),
            ],
        ),
        panel(
            "Gratuitous frames, and addresses that others use",
            "none",
            [
                (metrics.rate("ip", metric::LAYER2_GRATUITOUS), "{{ip}} told"),
                (contested, "{{ip}} contested"),
            ],
        ),
        panel(
            "Speakers that hear of one another",
            "none",
            [(metrics.of(metric::MEMBERS), "{{pod}}")],
        ),
        panel(
            "Messages of the membership that were dropped",
            "none",
            [(dropped, "{{pod}} {{reason}}")],
        ),
    ]
}

fn about_processes(metrics: &Metrics<'_>) -> Vec<Panel> {
    let versions = format!("count by (version) ({})", metrics.of(metric::BUILD_INFO));
    let requests = metrics.rate("method, code", metric::REQUESTS);
    vec![
        panel(
            "Configuration",
            "none",
            [
                (metrics.of(metric::CONFIG_STALE), "{{pod}} stale"),
                (metrics.of(metric::CONFIG_LOADED), "{{pod}} loaded"),
            ],
        ),
        panel(
            "Requests to the API server",
            "reqps",
            [(requests, "{{method}} {{code}}")],
        ),
        panel(
            "Objects seen, and those with which something was wrong",
            "ops",
            [
                (metrics.rate("pod", metric::K8S_UPDATES), "{{pod}} seen"),
                (metrics.rate("pod", metric::K8S_UPDATE_ERRORS), "{{pod}} wrong"),
            ],
        ),
        panel("Versions", "none", [(versions, "{{version}}")]),
    ]
}

fn panel<const N: usize>(
    title: &'static str,
    unit: &'static str,
    lines: [(String, &'static str); N],
) -> Panel {
    Panel {
        title,
        unit,
        lines: lines.into(),
    }
}

impl Panel {
    fn at(self, place: usize) -> Value {
        let Self { title, unit, lines } = self;
        let targets: Vec<Value> = lines
            .into_iter()
            .enumerate()
            .map(|(line, (expression, name))| {
                json!({ "refId": format!("Q{line}"), "expr": expression, "legendFormat": name })
            })
            .collect();
        let (row, column) = (place / PANELS_PER_ROW, place % PANELS_PER_ROW);
        json!({
            "id": place + 1,
            "type": "timeseries",
            "title": title,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "gridPos": { "x": column * PANEL_WIDTH, "y": row * PANEL_HEIGHT, "w": PANEL_WIDTH, "h": PANEL_HEIGHT },
            "fieldConfig": { "defaults": { "unit": unit, "min": 0 }, "overrides": [] },
            "targets": targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use super::*;

    fn source(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
    }

    /// The metrics' names, each with that of its constant.
    fn constants() -> BTreeMap<String, String> {
        let names = source("api/src/names.rs");
        let metrics = names.split("pub mod metric {").nth(1).unwrap();
        let metrics = metrics.split("\n}\n").next().unwrap();
        let constant = |line: &str| {
            let (name, value) = line
                .trim()
                .strip_prefix("pub const ")?
                .split_once(": &str = \"")?;
            Some((value.trim_end_matches("\";").to_owned(), name.to_owned()))
        };
        metrics.lines().filter_map(constant).collect()
    }

    #[test]
    fn every_line_is_of_a_metric_that_some_process_has() {
        let registered = [
            "controller/src/metrics.rs",
            "speaker/src/metrics.rs",
            "runtime/src/metrics.rs",
        ]
        .map(source);
        let constants = constants();
        let expressions: Vec<String> = panels("lb")
            .into_iter()
            .flat_map(|panel| panel.lines)
            .map(|line| line.0)
            .collect();
        let words: BTreeSet<&str> = expressions
            .iter()
            .flat_map(|expression| expression.split(|one: char| !one.is_ascii_alphanumeric() && one != '_'))
            .filter(|word| word.starts_with("metallb_") || word.starts_with("rest_client_"))
            .collect();
        assert!(words.len() > 12, "{words:?}");
        for word in words {
            let constant = constants
                .get(word)
                .unwrap_or_else(|| panic!("{word} has no constant"));
            // Up to the comma, so that the longer name of another one does not count.
            let used = format!("metric::{constant},");
            assert!(
                registered.iter().any(|text| text.contains(&used)),
                "nobody has a metric {word}"
            );
        }
    }

    #[test]
    fn panels_stand_side_by_side_and_name_their_lines() {
        let dashboard = dashboard("lb");
        let panels = dashboard["panels"].as_array().unwrap();
        let places: BTreeSet<String> = panels.iter().map(|panel| panel["gridPos"].to_string()).collect();
        let ids: BTreeSet<String> = panels.iter().map(|panel| panel["id"].to_string()).collect();
        assert_eq!((places.len(), ids.len()), (panels.len(), panels.len()));
        for target in panels
            .iter()
            .flat_map(|panel| panel["targets"].as_array().unwrap())
        {
            let expression = target["expr"].as_str().unwrap();
            assert!(expression.contains("{namespace=\"lb\"}"), "{expression}");
            assert_eq!(
                expression.matches('(').count(),
                expression.matches(')').count(),
                "{expression}"
            );
            assert_ne!(target["legendFormat"], "", "{target}");
        }
    }
}
