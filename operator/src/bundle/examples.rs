//! The examples that the OpenShift console starts a new resource from: the samples of `config/samples`.

use metallb_api::names::{GROUP, object};
use serde_json::{Value, json};

/// Addresses that stand for themselves in documentation (RFC 5737, RFC 3849). The samples have those of the project's
/// test cluster, whose network is the one OpenShift gives to Services: an example that is created as it stands must not
/// give out addresses of somebody else.
const EXAMPLE_ADDRESSES: [&str; 2] = ["192.0.2.240/28", "2001:db8::f0/124"];

/// The samples cannot be made into examples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has no kind or no apiVersion. A bug of the sample.
    #[error("a sample is no Kubernetes object: {0}")]
    NoObject(String),
    /// The console shows one example for a kind. A bug of the samples.
    #[error("there are two samples of {kind} in {version}: leave one")]
    Twice {
        /// Its kind
        kind: String,
        /// Its group and version
        version: String,
    },
}

/// Those of `samples` that are resources of MetalLB, in the order of their kinds.
pub(super) fn of(samples: &[Value]) -> Result<Vec<Value>, Error> {
    let mut examples: Vec<(String, String, Value)> = Vec::new();
    for sample in samples {
        let text = |field: &str| sample[field].as_str().map(str::to_owned);
        let (Some(kind), Some(version)) = (text("kind"), text("apiVersion")) else {
            return Err(Error::NoObject(sample.to_string()));
        };
        if version.split('/').next() != Some(GROUP) {
            continue;
        }
        if examples
            .iter()
            .any(|(other, of_version, _)| *other == kind && *of_version == version)
        {
            return Err(Error::Twice { kind, version });
        }
        examples.push((kind.clone(), version, anywhere(&kind, sample.clone())));
    }
    examples.sort_by(|(kind, version, _), (other, of_version, _)| (kind, version).cmp(&(other, of_version)));
    Ok(examples.into_iter().map(|(_, _, example)| example).collect())
}

/// The one that the console asks for right after the installation.
pub(super) fn first(examples: &[Value]) -> Option<&Value> {
    examples
        .iter()
        .find(|example| example["metadata"]["name"] == object::METALLB)
}

/// `example` without what is true of one cluster only.
fn anywhere(kind: &str, mut example: Value) -> Value {
    if kind == "IPAddressPool" {
        example["spec"]["addresses"] = json!(EXAMPLE_ADDRESSES);
    }
    example
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(version: &str, kind: &str) -> Value {
        json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "a" } })
    }

    #[test]
    fn only_resources_of_metallb_are_examples_and_they_are_sorted() {
        let samples = [
            sample("v1", "Service"),
            sample("metallb.io/v1beta1", "MetalLB"),
            sample("metallb.io/v1beta2", "BGPPeer"),
            sample("metallb.io/v1beta1", "BGPPeer"),
        ];
        let found = of(&samples).unwrap();
        let found: Vec<&str> = found
            .iter()
            .map(|example| example["apiVersion"].as_str().unwrap())
            .collect();
        assert_eq!(
            found,
            ["metallb.io/v1beta1", "metallb.io/v1beta2", "metallb.io/v1beta1"]
        );
    }

    #[test]
    fn two_samples_of_one_kind_are_refused() {
        let twice = [
            sample("metallb.io/v1beta1", "Community"),
            sample("metallb.io/v1beta1", "Community"),
        ];
        let error = of(&twice).unwrap_err().to_string();
        assert!(error.contains("Community"), "{error}");
        assert!(of(&[json!({ "kind": "A" })]).is_err());
    }

    #[test]
    fn an_example_of_a_pool_has_addresses_that_nobody_has() {
        let pool = json!({ "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "spec": { "addresses": ["172.30.0.1/32"] } });
        assert_eq!(of(&[pool]).unwrap()[0]["spec"]["addresses"][0], "192.0.2.240/28");
    }
}
