//! The password of a session: in the object, or in a Secret. Owns what can be wrong with either; never shows one.

use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use metallb_api::v1beta2::BGPPeer;

/// The type of Secrets that hold passwords, as MetalLB wants it.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
/// The key of the password in such a Secret.
const KEY: &str = "password";

/// Where the password of a session is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum PasswordSource {
    /// There is none.
    #[default]
    None,
    /// In the object.
    Text(String),
    /// In the Secret of this name, in MetalLB's namespace.
    Secret(String),
}

/// Without the password: what is logged is read by others.
impl fmt::Debug for PasswordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Secret(name) => write!(f, "Secret({name:?})"),
        }
    }
}

/// Why there is no password. The messages are MetalLB's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Text and Secret at once.
    #[error("can not have both password and secret ref set in peer config {namespace:?}/{peer:?}")]
    Two {
        /// The namespace of the peer.
        namespace: String,
        /// The peer.
        peer: String,
    },
    /// There is no such Secret (yet).
    #[error(
        "secret ref not found for peer config {namespace:?}/{peer:?}: failed to parse peer {peer} password secret"
    )]
    NoSecret {
        /// The namespace of the peer.
        namespace: String,
        /// The peer.
        peer: String,
    },
    /// The Secret is for something else.
    #[error(
        "secret type mismatch on {namespace:?}/{secret:?}, type {BASIC_AUTH:?} is expected : failed to parse peer \
         {peer} password secret"
    )]
    Type {
        /// The namespace of the Secret.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The peer.
        peer: String,
    },
    /// The Secret has no password.
    #[error(
        "password not specified in the secret {namespace:?}/{secret:?}: failed to parse peer {peer} password secret"
    )]
    NoPassword {
        /// The namespace of the Secret.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The peer.
        peer: String,
    },
}

impl PasswordSource {
    pub(super) fn parse(object: &BGPPeer) -> Result<Self, PasswordError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let secret = object
            .spec
            .password_secret
            .as_ref()
            .and_then(|reference| given(&reference.name));
        match (given(&object.spec.password), secret) {
            (None, None) => Ok(Self::None),
            (Some(text), None) => Ok(Self::Text(text)),
            (None, Some(name)) => Ok(Self::Secret(name)),
            (Some(_), Some(_)) => Err(PasswordError::Two {
                namespace: object.metadata.namespace.clone().unwrap_or_default(),
                peer: object.metadata.name.clone().unwrap_or_default(),
            }),
        }
    }
}

/// The password in the Secret that the peer `namespace`/`peer` refers to.
///
/// # Errors
/// See [`PasswordError`].
pub fn secret_password(
    namespace: &str,
    peer: &str,
    secret: Option<&Secret>,
) -> Result<Vec<u8>, PasswordError> {
    let peer = peer.to_owned();
    let namespace = namespace.to_owned();
    let Some(secret) = secret else {
        return Err(PasswordError::NoSecret { namespace, peer });
    };
    let name = secret.metadata.name.clone().unwrap_or_default();
    if secret.type_.as_deref() != Some(BASIC_AUTH) {
        return Err(PasswordError::Type {
            namespace,
            secret: name,
            peer,
        });
    }
    let password = secret.data.as_ref().and_then(|data| data.get(KEY));
    password
        .map(|bytes| bytes.0.clone())
        .ok_or(PasswordError::NoPassword {
            namespace,
            secret: name,
            peer,
        })
}
