//! The key with which speakers encrypt what they tell each other, as it is when somebody makes one.
//!
//! Owns its length and its form, so that the operator and a controller without one make the same. Never looks at a key
//! that is there: speakers with different keys do not hear each other, so that one is kept whatever it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use k8s_openapi::ByteString;
use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes for the case that there is no key yet.
pub struct FreshKey(pub [u8; FreshKey::LENGTH]);

impl FreshKey {
    /// 128 random bits. Speakers make their AES-256 key from the text of it; other MetalLB speakers, which may share
    /// the Secret during a migration, make it in the same way.
    pub const LENGTH: usize = 16;

    /// A key that nobody can guess.
    ///
    /// # Panics
    /// If the kernel has no random bytes, which does not happen after it has started.
    pub fn random() -> Self {
        let mut bytes = [0; Self::LENGTH];
        SystemRandom::new()
            .fill(&mut bytes)
            .expect("the kernel always has random bytes");
        Self(bytes)
    }

    /// The content of the Secret: text, because the bytes of the text are the key.
    pub fn text(&self) -> ByteString {
        ByteString(STANDARD_NO_PAD.encode(self.0).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_22_characters_of_text_and_no_two_are_equal() {
        let keys = [(); 2].map(|()| FreshKey::random().text().0);
        assert!(keys.iter().all(|key| key.len() == 22 && key.is_ascii()));
        assert_ne!(keys[0], keys[1]);
    }
}
