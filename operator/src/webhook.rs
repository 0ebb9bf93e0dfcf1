//! What the API server asks the operator: whether a MetalLB may be created or changed. Owns how it is reached and what has
//! to be known for an answer; what is answered is decided in [`crate::metallb::validate::review`].
//!
//! Every replica answers, whichever acts. Nobody is ever kept waiting for it: the registration lets everything pass while
//! nobody answers, and what cannot be found out is no reason to refuse.

mod profile;

use std::path::Path;

use hyper::Method;
use kube::Client;
use kube::api::DynamicObject;
use kube::core::admission::{self, AdmissionRequest};
use metallb_api::names::{object, webhook};
use metallb_api::v1beta1::MetalLB;
use metallb_runtime::admin::Health;
use metallb_runtime::certificates::Certificates;
use metallb_runtime::http::Routes;
use metallb_runtime::tasks::Tasks;
use metallb_runtime::tls::files::Pair;
use metallb_runtime::webhooks::{self, Answer, Certificate, Refusal, Webhooks};

use crate::args::Webhook;
use crate::metallb::dereference;
use crate::metallb::explain;
use crate::metallb::validate::review::{Operation, Verdict, needs_workloads, review};

/// Where the Operator Lifecycle Manager mounts the certificate, besides the directory that programs look at by themselves.
const MOUNTED: &str = "/apiserver.local.config/certificates";
/// In a directory with a certificate: the key of its authority. Whoever has that is who makes the certificates.
const AUTHORITY_KEY: &str = "ca.key";

/// Serves what `args` ask for. Returned is whether the process can answer: it is not ready before.
///
/// # Errors
/// A bug: the usual settings of TLS contradict each other.
pub fn serve(tasks: &mut Tasks, client: &Client, args: &Webhook, namespace: &str) -> anyhow::Result<Health> {
    if args.webhook_port == 0 {
        return Ok(Health::new());
    }
    let certificate = certificate(args, namespace, Path::new(MOUNTED));
    if let Certificate::Provided(pair) = &certificate {
        tracing::info!(file = %pair.certificate.display(), "the certificate of the webhook comes from somebody else");
    }
    let server = Webhooks {
        port: args.webhook_port,
        routes: routes(client, namespace),
        certificate,
        off: "--webhook-port=0",
    };
    let serving = server.spawn(tasks, client, &profile::settings(None)?)?;
    tasks.spawn("webhook's TLS", profile::follow(client.clone(), serving.endpoint));
    Ok(serving.health)
}

/// One that somebody else provides, if there is one, or an own one; that somebody then tells the API server of it, too.
fn certificate(args: &Webhook, namespace: &str, mounted: &Path) -> Certificate {
    let usual = Pair::inside(&args.cert_dir);
    let other = Pair {
        certificate: mounted.join("apiserver.crt"),
        key: mounted.join("apiserver.key"),
    };
    // Our own Secret may be mounted there, as older manifests do.
    let is_ours = args.cert_dir.join(AUTHORITY_KEY).exists();
    if usual.certificate.exists() && !is_ours {
        return Certificate::Provided(usual);
    }
    if other.certificate.exists() {
        return Certificate::Provided(other);
    }
    if args.disable_cert_rotation {
        return Certificate::Provided(usual);
    }
    Certificate::Own(Certificates {
        namespace: namespace.to_owned(),
        secret: object::OPERATOR_CERTIFICATE_SECRET.to_owned(),
        service: args.cert_service_name.clone(),
        webhooks: object::OPERATOR_WEBHOOK_CONFIGURATION,
        conversion: None,
    })
}

fn routes(client: &Client, namespace: &str) -> Routes {
    let (client, namespace) = (client.clone(), namespace.to_owned());
    Routes::new().on(Method::POST, webhook::METALLB.path, move |request| {
        let (client, namespace) = (client.clone(), namespace.clone());
        async move { webhooks::answer(&request, |asked| decide(&client, &namespace, asked)).await }
    })
}

async fn decide(client: &Client, namespace: &str, asked: AdmissionRequest<DynamicObject>) -> Answer {
    let operation = match asked.operation {
        admission::Operation::Create => Operation::Create,
        admission::Operation::Update => Operation::Update(
            asked
                .old_object
                .and_then(|object| read(object, asked.namespace.as_deref()).ok())
                .map(Box::new),
        ),
        admission::Operation::Delete | admission::Operation::Connect => return Answer::default(),
    };
    let metallb = match asked
        .object
        .map(|object| read(object, asked.namespace.as_deref()))
    {
        Some(Ok(metallb)) => metallb,
        Some(Err(error)) => return unreadable(format!("cannot read the MetalLB: {error}")),
        None => return unreadable("the question contains no MetalLB".to_owned()),
    };
    let workloads = if needs_workloads(&operation) {
        let found = dereference::workloads(client).await;
        // The status tells of another installation as soon as it can be seen.
        found.unwrap_or_else(|error| {
            tracing::warn!(
                error = explain(&error),
                "cannot see whether another MetalLB is installed"
            );
            Vec::new()
        })
    } else {
        Vec::new()
    };
    let Verdict { denied, warnings } = review(namespace, &operation, metallb, workloads);
    Answer {
        refusal: denied.map(Refusal::forbidden),
        warnings,
    }
}

/// The object. One that is about to be created may say nothing about its namespace; the question does.
fn read(mut object: DynamicObject, namespace: Option<&str>) -> Result<MetalLB, String> {
    if object.metadata.namespace.is_none() {
        object.metadata.namespace = namespace.map(str::to_owned);
    }
    object.try_parse().map_err(|error| error.to_string())
}

fn unreadable(message: String) -> Answer {
    Answer {
        refusal: Some(Refusal::bad_request(message)),
        warnings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use metallb_runtime::http::Request;
    use serde_json::{Value, json};

    use super::*;
    use crate::args::Args;
    use crate::metallb::api_server::Cluster;

    fn question(operation: &str, spec: &Value, before: &Value) -> String {
        let object = |spec: &Value| {
            json!({ "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "metadata": { "name": "metallb" },
                "spec": spec })
        };
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "7",
            "kind": { "group": "metallb.io", "version": "v1beta1", "kind": "MetalLB" },
            "resource": { "group": "metallb.io", "version": "v1beta1", "resource": "metallbs" },
            "name": "metallb", "namespace": "metallb-system", "operation": operation, "userInfo": {},
            "object": if operation == "DELETE" { Value::Null } else { object(spec) },
            "oldObject": if operation == "CREATE" { Value::Null } else { object(before) },
        } })
        .to_string()
    }

    /// What is answered by an operator whose API server is empty.
    async fn ask(body: impl Into<bytes::Bytes>) -> (u16, Value) {
        let mut request = Request::new(body.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = webhook::METALLB.path.parse().unwrap();
        let client = Cluster::new(&json!({})).context().client;
        let response = routes(&client, "metallb-system").answer(request).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), answer["response"].clone())
    }

    #[tokio::test]
    async fn a_question_gets_a_verdict_with_its_reason() {
        let (good, wrong) = (
            json!({ "logLevel": "debug" }),
            json!({ "frrk8sConfig": { "alwaysBlock": ["x"] } }),
        );
        for (operation, spec, before, allowed, code, message) in [
            ("CREATE", &good, &good, true, Value::Null, Value::Null),
            (
                "CREATE",
                &wrong,
                &good,
                false,
                json!(403),
                json!("invalid CIDR x in AlwaysBlock"),
            ),
            (
                "UPDATE",
                &wrong,
                &good,
                false,
                json!(403),
                json!("invalid CIDR x in AlwaysBlock"),
            ),
            ("UPDATE", &wrong, &wrong, true, Value::Null, Value::Null),
            ("UPDATE", &good, &json!(7), true, Value::Null, Value::Null),
            ("DELETE", &wrong, &wrong, true, Value::Null, Value::Null),
            (
                "CREATE",
                &json!(7),
                &good,
                false,
                json!(400),
                json!("cannot read the MetalLB: "),
            ),
        ] {
            let (status, answer) = ask(question(operation, spec, before)).await;
            assert_eq!((status, &answer["uid"]), (200, &json!("7")), "{answer}");
            assert_eq!(answer["allowed"], allowed, "{operation} {spec}: {answer}");
            if !allowed {
                assert_eq!(answer["status"]["code"], code, "{answer}");
                let said = answer["status"]["message"].as_str().unwrap();
                assert!(said.starts_with(message.as_str().unwrap()), "{said}");
            }
        }
        let (_, warned) = ask(question("CREATE", &json!({ "bgpBackend": "frr" }), &good)).await;
        let warning = warned["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("bgpBackend frr is accepted"), "{warned}");
    }

    #[tokio::test]
    async fn nonsense_gets_an_answer_and_no_panic() {
        for body in [
            "",
            "{",
            "7",
            "[]",
            "{}",
            "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
        ] {
            assert_eq!(ask(body).await.0, 400, "{body:?}");
        }
    }

    #[test]
    fn a_certificate_that_is_mounted_is_served_and_otherwise_an_own_one_is_made() {
        let root = std::env::temp_dir().join(format!("metallb-operator-webhook-{}", std::process::id()));
        let (usual, other) = (root.join("serving-certs"), root.join("certificates"));
        let is_provided = |files: &[&Path], more: &[&str]| {
            let _ = std::fs::remove_dir_all(&root);
            for file in files {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, "").unwrap();
            }
            let directory = format!("--cert-dir={}", usual.display());
            let args = ["operator", &directory].into_iter().chain(more.iter().copied());
            let args = Args::try_parse_from(args).unwrap();
            match certificate(&args.webhook, "lb", &other) {
                Certificate::Provided(pair) => Some(pair.certificate),
                Certificate::Own(own) => {
                    assert_eq!(own.service, "metallb-operator-webhook-service");
                    None
                }
            }
        };
        let (first, second) = (usual.join("tls.crt"), other.join("apiserver.crt"));
        assert_eq!(is_provided(&[], &[]), None);
        assert_eq!(is_provided(&[&first, &second], &[]).as_ref(), Some(&first));
        assert_eq!(is_provided(&[&second], &[]).as_ref(), Some(&second));
        // The Secret that is filled here.
        assert_eq!(is_provided(&[&first, &usual.join("ca.key")], &[]), None);
        let disabled = ["--disable-cert-rotation"];
        assert_eq!(is_provided(&[], &disabled).as_ref(), Some(&first));
        assert_eq!(is_provided(&[&second], &disabled).as_ref(), Some(&second));
        let _ = std::fs::remove_dir_all(&root);
    }
}
