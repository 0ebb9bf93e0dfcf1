//! The Secret with the key that encrypts what speakers tell each other. Owns that a key, once there, is kept: speakers
//! with different keys do not hear each other, and each would announce every address.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use metallb_api::names;

use super::object::Origin;

/// Random bytes for the case that there is no key yet.
pub struct FreshKey(pub [u8; FreshKey::LENGTH]);

impl FreshKey {
    /// 128 random bits. Speakers make their AES-256 key from the text of it; other MetalLB speakers, which may share
    /// the Secret during a migration, make it in the same way.
    pub const LENGTH: usize = 16;

    /// The content of the Secret: text, because the bytes of the text are the key.
    fn text(&self) -> ByteString {
        ByteString(STANDARD_NO_PAD.encode(self.0).into_bytes())
    }
}

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
