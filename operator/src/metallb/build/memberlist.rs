//! The Secret with the key that encrypts what speakers tell each other. Owns that a key, once there, is kept: speakers
//! with different keys do not hear each other, and each would announce every address.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use metallb_api::names;
use metallb_runtime::memberlist_key::FreshKey;

use super::object::Origin;

/// The Secret with the `existing` key, or with a fresh one if there is none.
pub(super) fn secret(origin: &Origin<'_>, existing: Option<&ByteString>, fresh: &FreshKey) -> Secret {
    let key = existing.cloned().unwrap_or_else(|| fresh.text());
    Secret {
        metadata: origin.metadata(names::object::MEMBERLIST_SECRET, names::object::SPEAKER),
        type_: Some("Opaque".to_owned()),
        data: Some([(names::object::MEMBERLIST_SECRET_KEY.to_owned(), key)].into()),
        ..Secret::default()
    }
}

/// The key in a Secret that is already there, if it has a usable one.
pub(crate) fn key_of(secret: Secret) -> Option<ByteString> {
    secret
        .data?
        .remove(names::object::MEMBERLIST_SECRET_KEY)
        .filter(|key| !key.0.is_empty())
}
