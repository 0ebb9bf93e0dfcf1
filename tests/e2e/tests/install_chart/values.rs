//! What each value does, and which are refused.

use anyhow::{Context, Result, ensure};
use metallb_e2e::helm::Helm;
use metallb_e2e::installation::checkout;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::rendered::{refusal, render};

const SPEAKER: &str = "DaemonSet/xyz-speaker";
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// What a value does.
#[derive(Deserialize)]
struct Effect {
    values: Value,
    object: String,
    #[serde(default)]
    at: String,
    is: Option<Value>,
}

/// What is refused.
#[derive(Deserialize)]
struct Refused {
    values: Value,
    says: String,
}

fn rows<R: DeserializeOwned>(file: &str) -> Result<Vec<R>> {
    let text = std::fs::read_to_string(checkout("tests/e2e/data/chart").join(file))?;
    serde_saphyr::from_str(&text).with_context(|| file.to_owned())
}

#[tokio::test]
async fn each_value_has_its_effect() -> Result<()> {
    let [helm, _] = Helm::both().await?;
    for Effect {
        values,
        object,
        at,
        is,
    } in rows("effects.yaml")?
    {
        let at = at.replace("{c}", CONTAINER).replace("{p}", POD);
        let objects = render(&helm, &values.to_string()).await?;
        let found = objects.get(&object).and_then(|object| object.pointer(&at));
        ensure!(
            found == is.as_ref(),
            "with {values}, {object}{at} is {found:?}, not {is:?}"
        );
    }
    Ok(())
}

/// Without a name of its own everything is called after the release, once.
#[tokio::test]
async fn objects_are_called_after_the_release() -> Result<()> {
    let [helm, _] = Helm::both().await?;
    for (release, prefix) in [
        ("metallb", "metallb"),
        ("lb", "lb-metallb"),
        ("my-metallb", "my-metallb"),
    ] {
        let chart = metallb_e2e::helm::chart();
        let chart = crate::rendered::path(&chart)?;
        let text = helm
            .run(["template", release, chart, "--kube-version", "1.36.0"], "{}")
            .await?;
        let objects = crate::rendered::objects(&text)?;
        for id in [
            format!("Deployment/{prefix}-controller"),
            format!("DaemonSet/{prefix}-speaker"),
            format!("ServiceAccount/{prefix}-speaker"),
            format!("ClusterRole/{prefix}:controller"),
        ] {
            ensure!(
                objects.contains_key(&id),
                "{release}: no {id} in {:?}",
                objects.keys()
            );
        }
        let key = objects[&format!("DaemonSet/{prefix}-speaker")]
            .pointer("/spec/template/spec/volumes/0/secret/secretName");
        ensure!(key == Some(&format!("{prefix}-memberlist").into()), "{key:?}");
    }
    Ok(())
}

/// The image of MetalLB's own project would not work with our permissions, and whoever names it has copied its values.
#[tokio::test]
async fn images_of_another_project_are_replaced_only_where_they_are_its_default() -> Result<()> {
    let [helm, _] = Helm::both().await?;
    let own = render(&helm, "{}").await?[SPEAKER]
        .pointer("/spec/template/spec/containers/0/image")
        .cloned();
    let own = own.context("an image")?;
    for (image, expected) in [
        ("{repository: quay.io/metallb/speaker, tag: v0.15.2}", own.clone()),
        ("{repository: null, tag: null}", own),
        (
            "{repository: mirror.example.org/quay.io/metallb/speaker, tag: v1}",
            "mirror.example.org/quay.io/metallb/speaker:v1".into(),
        ),
    ] {
        let objects = render(&helm, &format!("speaker: {{image: {image}}}")).await?;
        let found = objects[SPEAKER].pointer("/spec/template/spec/containers/0/image");
        ensure!(found == Some(&expected), "{image}: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_reason() -> Result<()> {
    for helm in Helm::both().await? {
        for Refused { values, says } in rows("refused.yaml")? {
            let said = refusal(&helm, &values.to_string()).await?;
            ensure!(said.contains(&says), "{values}: {said}");
        }
    }
    Ok(())
}
