//! Questions as an API server sends them, and some that it would not; the API server that is asked in turn is not there.

use bytes::Bytes;
use kube::Config;
use serde_json::{Value, json};

use super::*;

const HOME: &str = "metallb-system";

/// What is answered to `body` at `path`. Lists fail at once: nothing listens at the address.
async fn ask(path: &str, body: impl Into<Bytes>) -> (StatusCode, String) {
    let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().unwrap();
    let response = routes(&client, HOME).answer(request).await;
    (
        response.status(),
        String::from_utf8(response.body().to_vec()).unwrap(),
    )
}

fn question(operation: &str, object: &Value, old: &Value) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "7",
            "kind": { "group": "metallb.io", "version": "v1beta1", "kind": "BFDProfile" },
            "resource": { "group": "metallb.io", "version": "v1beta1", "resource": "bfdprofiles" },
            "name": "fast", "namespace": "metallb-system", "operation": operation, "userInfo": {},
            "object": object, "oldObject": old, "dryRun": false,
        },
    })
    .to_string()
}

fn profile(spec: &Value) -> Value {
    json!({ "apiVersion": "metallb.io/v1beta1", "kind": "BFDProfile",
        "metadata": { "name": "fast", "namespace": HOME }, "spec": spec })
}

async fn verdict(operation: &str, object: &Value, old: &Value) -> Value {
    let (status, body) = ask(webhook::BFD_PROFILE.path, question(operation, object, old)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["response"]["uid"], "7");
    answer["response"].clone()
}

#[tokio::test]
async fn an_answer_says_yes_or_no_and_why() {
    let good = verdict("CREATE", &profile(&json!({})), &Value::Null).await;
    assert_eq!(good["allowed"], true, "{good}");
    let bad = verdict(
        "CREATE",
        &profile(&json!({ "detectMultiplier": 1 })),
        &Value::Null,
    )
    .await;
    let message =
        "parsing bfd profile #1: invalid detect multiplier value: invalid value 1, must be in 2-255 range";
    assert_eq!(
        (&bad["allowed"], &bad["status"]["message"], &bad["status"]["code"]),
        (&json!(false), &json!(message), &json!(403))
    );
}

#[tokio::test]
async fn what_cannot_be_decided_is_refused_with_the_reason() {
    let unread = verdict(
        "CREATE",
        &profile(&json!({ "detectMultiplier": "many" })),
        &Value::Null,
    )
    .await;
    assert_eq!(
        (&unread["allowed"], &unread["status"]["code"]),
        (&json!(false), &json!(400))
    );
    let message = unread["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("cannot read the BFDProfile: "), "{message}");

    let missing = verdict("CREATE", &Value::Null, &Value::Null).await;
    assert_eq!(
        missing["status"]["message"],
        "the question contains no BFDProfile"
    );

    let unknown = verdict("DELETE", &Value::Null, &profile(&json!({}))).await;
    let message = unknown["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("failed to get existing BGPPeer objects: "),
        "{message}"
    );
    assert_eq!(unknown["status"]["code"], 500);
}

#[tokio::test]
async fn what_nobody_can_read_can_be_deleted_and_mended() {
    let broken = profile(&json!({ "detectMultiplier": "many" }));
    assert_eq!(verdict("DELETE", &Value::Null, &broken).await["allowed"], true);
    assert_eq!(
        verdict("UPDATE", &profile(&json!({})), &broken).await["allowed"],
        true
    );
}

#[tokio::test]
async fn nonsense_gets_an_answer_and_no_panic() {
    for path in [webhook::BFD_PROFILE.path, webhook::CONVERT_PATH] {
        for body in [
            "",
            "{",
            "7",
            "[]",
            "{}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
            "\u{0}",
        ] {
            let (status, text) = ask(path, body).await;
            let answered = status == StatusCode::BAD_REQUEST || text.contains("\"Failure\"");
            assert!(answered && !text.is_empty(), "{path} {body:?}: {status} {text}");
        }
    }
    assert_eq!(ask("/validate", "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_peer_is_converted() {
    let peer = json!({ "apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer", "metadata": { "name": "tor" },
        "spec": { "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" } });
    let request = json!({ "uid": "8", "desiredAPIVersion": "metallb.io/v1beta2", "objects": [peer] });
    let review =
        json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request });
    let (status, body) = ask(webhook::CONVERT_PATH, review.to_string()).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &answer["response"]["result"]["status"]),
        (StatusCode::OK, &json!("Success"))
    );
    assert_eq!(
        answer["response"]["convertedObjects"][0]["apiVersion"],
        "metallb.io/v1beta2"
    );
}
