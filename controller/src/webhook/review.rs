//! One question about one kind. Owns what has to be known to decide it.

use kube::Client;
use kube::api::DynamicObject;
use kube::core::admission::{self, AdmissionRequest};
use metallb_core::admission::{Operation, Verdict, needs, needs_nodes, review};
use metallb_core::config::objects::{Kind, Object};
use metallb_runtime::http::{Request, Response};
use metallb_runtime::webhooks::{self, Answer, Refusal};

use crate::existing;

/// Answers the questions about one kind.
#[derive(Clone)]
pub(super) struct Reviewer {
    client: Client,
    namespace: String,
    kind: Kind,
}

/// Why there is no verdict. The object is refused, and its author reads this.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undecided {
    /// The object is not what its kind says.
    #[error("cannot read the {kind}: {error}")]
    Object {
        /// The kind.
        kind: &'static str,
        /// Part of the text, because all of it goes to somebody at a prompt.
        error: String,
    },
    /// There is none.
    #[error("the question contains no {0}")]
    NoObject(&'static str),
    /// The other objects are not known.
    #[error(transparent)]
    Existing(#[from] existing::ListError),
}

impl From<Undecided> for Answer {
    fn from(undecided: Undecided) -> Self {
        let message = undecided.to_string();
        let refusal = match undecided {
            Undecided::Object { .. } | Undecided::NoObject(_) => Refusal::bad_request(message),
            Undecided::Existing(_) => Refusal::internal_error(message),
        };
        Self {
            refusal: Some(refusal),
            warnings: Vec::new(),
        }
    }
}

impl Reviewer {
    pub(super) fn new(client: Client, namespace: &str, kind: Kind) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            kind,
        }
    }

    pub(super) async fn answer(&self, request: &Request) -> Response {
        webhooks::answer(request, async |asked| match self.decide(asked).await {
            Ok(Verdict { denied, warnings }) => Answer {
                refusal: denied.map(Refusal::forbidden),
                warnings,
            },
            Err(undecided) => undecided.into(),
        })
        .await
    }

    async fn decide(&self, asked: AdmissionRequest<DynamicObject>) -> Result<Verdict, Undecided> {
        let read = |object: Option<DynamicObject>| {
            let object = object.ok_or(Undecided::NoObject(self.kind.as_str()))?;
            read(self.kind, object, asked.namespace.as_deref())
        };
        let (operation, object) = match asked.operation {
            admission::Operation::Create => (Operation::Create, read(asked.object)?),
            // One that does not decode was changed by somebody who may be mending it.
            admission::Operation::Update => match read(asked.old_object) {
                Ok(before) => (Operation::Update(before), read(asked.object)?),
                Err(_) => (Operation::Create, read(asked.object)?),
            },
            admission::Operation::Delete => match read(asked.old_object) {
                Ok(object) => (Operation::Delete, object),
                // What nobody can read nobody uses.
                Err(_) => return Ok(Verdict::default()),
            },
            admission::Operation::Connect => return Ok(Verdict::default()),
        };
        let kinds = needs(self.kind, &operation);
        let nodes = needs_nodes(self.kind, &operation);
        let existing = existing::list(&self.client, &self.namespace, kinds, nodes).await?;
        Ok(review(&self.namespace, &operation, &object, existing))
    }
}

/// An object of `kind`. One that is about to be created may say nothing about its namespace; the question does.
fn read(kind: Kind, mut object: DynamicObject, namespace: Option<&str>) -> Result<Object, Undecided> {
    if object.metadata.namespace.is_none() {
        object.metadata.namespace = namespace.map(str::to_owned);
    }
    let parsed = match kind {
        Kind::BfdProfile => object
            .try_parse()
            .map(|object| Object::BfdProfile(Box::new(object))),
        Kind::BgpAdvertisement => object
            .try_parse()
            .map(|object| Object::BgpAdvertisement(Box::new(object))),
        Kind::BgpPeer => object.try_parse().map(|object| Object::BgpPeer(Box::new(object))),
        Kind::Community => object
            .try_parse()
            .map(|object| Object::Community(Box::new(object))),
        Kind::IpAddressPool => object
            .try_parse()
            .map(|object| Object::IpAddressPool(Box::new(object))),
        Kind::L2Advertisement => object
            .try_parse()
            .map(|object| Object::L2Advertisement(Box::new(object))),
    };
    parsed.map_err(|error| Undecided::Object {
        kind: kind.as_str(),
        error: error.to_string(),
    })
}
