//! What Helm makes of the chart, as objects.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use metallb_e2e::helm::{Helm, chart};
use serde_json::Value;

/// Objects by their kind and name.
pub(crate) type Objects = BTreeMap<String, Value>;

/// The prefix of the chart's names in these tests: nothing else contains it.
pub(crate) const PREFIX: &str = "xyz";
pub(crate) const NAMESPACE: &str = "metallb-system";

/// The chart with these values, and with names that begin with [`PREFIX`].
pub(crate) async fn render(helm: &Helm, values: &str) -> Result<Objects> {
    let chart = chart();
    let arguments = ["template", "release", path(&chart)?, "--namespace", NAMESPACE];
    // Without a cluster Helm asks nobody for a version, and version 3 assumes one from long ago.
    let more = ["--kube-version", "1.36.0", "--set", "fullnameOverride=xyz"];
    let text = helm.run(arguments.into_iter().chain(more), values).await?;
    objects(&text)
}

/// Why the chart refuses these values.
pub(crate) async fn refusal(helm: &Helm, values: &str) -> Result<String> {
    match render(helm, values).await {
        Ok(_) => anyhow::bail!("the chart accepts:\n{values}"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

/// The objects in a stream of documents.
pub(crate) fn objects(text: &str) -> Result<Objects> {
    let mut found = Objects::new();
    for document in text.split("\n---\n") {
        let Some(object) =
            serde_saphyr::from_str::<Option<Value>>(document).with_context(|| document.to_owned())?
        else {
            continue;
        };
        let id = format!(
            "{}/{}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default()
        );
        ensure!(found.insert(id.clone(), object).is_none(), "{id} is there twice");
    }
    Ok(found)
}

/// What remains of objects when names and labels are put aside: those of the chart carry the name of the release.
pub(crate) fn essence(objects: &Objects) -> Result<Objects> {
    let mut text = serde_json::to_string(objects)?;
    for (of_the_chart, plain) in [
        (format!("{PREFIX}:"), format!("{NAMESPACE}:")),
        (format!("{PREFIX}-"), String::new()),
        (
            "app.kubernetes.io/name=metallb,app.kubernetes.io/component=speaker".to_owned(),
            "app=metallb,component=speaker".to_owned(),
        ),
    ] {
        text = text.replace(&of_the_chart, &plain);
    }
    let mut objects: Objects = serde_json::from_str(&text)?;
    for (id, object) in &mut objects {
        without_labels(object);
        if id.starts_with("Service/") {
            object["spec"]["selector"].take();
        }
        if let Some(annotations) = object["metadata"].as_object_mut() {
            annotations.remove("annotations");
        }
    }
    Ok(objects)
}

fn without_labels(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("labels");
            fields.remove("matchLabels");
            fields.values_mut().for_each(without_labels);
        }
        Value::Array(values) => values.iter_mut().for_each(without_labels),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(crate) fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a checkout whose path is text")
}
