//! The secret that the members share. Owns keys, and what is sealed with them. Never draws a nonce: the caller brings
//! one, and never the same twice.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, UnboundKey};
use ring::digest;

use super::wire::Refusal;

/// A number that is used once with each key: 96 random bits.
pub type Nonce = [u8; NONCE_LEN];

const TAG_LEN: usize = 16;
/// The version byte and the nonce.
const HEADER_LEN: usize = 1 + NONCE_LEN;

/// What sealing adds to a payload: version, nonce and tag.
pub(super) const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

/// The version of what we write. Version 0, in which the payload is padded to blocks, is only read.
const VERSION: u8 = 1;

/// One key.
#[derive(Clone)]
pub struct Key(LessSafeKey);

impl Key {
    /// The key that upstream's speakers make of a secret; `None` if the secret is empty, which means none.
    ///
    /// It is the SHA-256 of the secret, since their version 0.16.2. Before, they appended the SHA-256 of nothing to the
    /// secret and took the first 32 bytes; of those this is another key, as it is of theirs of 0.16.2.
    pub fn from_secret(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        let hash = digest::digest(&digest::SHA256, secret);
        Self::new(hash.as_ref())
    }

    /// Never refuses a key of 32 bytes, as AES-256 has.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }
}

/// The keys that are in use. The first one seals, each may open, so that keys can be exchanged one member at a time.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl std::fmt::Debug for Keyring {
    /// How many; never what they are.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Keyring")
            .field("keys", &self.keys.len())
            .finish()
    }
}

impl FromIterator<Key> for Keyring {
    fn from_iter<I: IntoIterator<Item = Key>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
        }
    }
}

impl Keyring {
    /// Whether there is no key: nothing is sealed then, and nothing that is can be opened.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Seals `plain` with the first key and appends it to `sealed`; as it is if there is no key.
    pub(super) fn seal(&self, plain: &[u8], bound_to: &[u8], nonce: Nonce, sealed: &mut Vec<u8>) {
        let Some(Key(key)) = self.keys.first() else {
            sealed.extend_from_slice(plain);
            return;
        };
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plain);
        let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(bound_to), &mut sealed[start..])
            .expect("a payload is shorter than the 64 GiB that AES-GCM can seal");
        sealed.extend_from_slice(tag.as_ref());
    }

    /// Opens what any of the keys has sealed, bound to the same bytes.
    pub(super) fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (header, ciphertext) = sealed
            .split_at_checked(HEADER_LEN)
            .ok_or(Refusal::Unauthenticated)?;
        let (version, nonce) = (header[0], &header[1..]);
        if version > VERSION || ciphertext.len() < TAG_LEN {
            return Err(Refusal::Unauthenticated);
        }
        for Key(key) in &self.keys {
            let nonce =
                ring::aead::Nonce::try_assume_unique_for_key(nonce).map_err(|_| Refusal::Unauthenticated)?;
            let mut plain = ciphertext.to_vec();
            if let Ok(opened) = key.open_in_place(nonce, Aad::from(bound_to), &mut plain) {
                let length = match version {
                    0 => without_padding(opened)?,
                    _ => opened.len(),
                };
                plain.truncate(length);
                return Ok(plain);
            }
        }
        Err(Refusal::Unauthenticated)
    }
}

/// The length of a payload of version 0 without its padding (PKCS #7): the last byte says how long that is.
fn without_padding(padded: &[u8]) -> Result<usize, Refusal> {
    let padding = usize::from(*padded.last().ok_or(Refusal::Malformed)?);
    padded.len().checked_sub(padding).ok_or(Refusal::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(secrets: &[&[u8]]) -> Keyring {
        secrets
            .iter()
            .filter_map(|secret| Key::from_secret(secret))
            .collect()
    }

    fn sealed(secret: &[u8], bound_to: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        keyring(&[secret]).seal(b"payload", bound_to, [7; NONCE_LEN], &mut sealed);
        sealed
    }

    #[test]
    fn any_key_opens_and_no_other() {
        let both = keyring(&[b"new", b"old"]);
        for secret in [b"new", b"old"] {
            assert_eq!(both.open(&sealed(secret, b""), b""), Ok(b"payload".to_vec()));
        }
        assert_eq!(
            both.open(&sealed(b"foreign", b""), b""),
            Err(Refusal::Unauthenticated)
        );
        assert_eq!(sealed(b"new", b"").len(), b"payload".len() + OVERHEAD);
    }

    #[test]
    fn nothing_that_was_touched_opens() {
        let keyring = keyring(&[b"secret"]);
        let good = sealed(b"secret", b"label");
        assert_eq!(keyring.open(&good, b"label"), Ok(b"payload".to_vec()));
        assert_eq!(keyring.open(&good, b"other"), Err(Refusal::Unauthenticated));
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 2;
            assert_eq!(
                keyring.open(&bad, b"label"),
                Err(Refusal::Unauthenticated),
                "{position}"
            );
            assert_eq!(
                keyring.open(&good[..position], b"label"),
                Err(Refusal::Unauthenticated)
            );
        }
    }

    #[test]
    fn the_key_is_the_hash_of_all_of_the_secret_and_an_empty_one_is_none() {
        assert!(Key::from_secret(b"").is_none());
        let (long, cut) = ([b'x'; 40], [b'x'; 32]);
        assert_eq!(
            keyring(&[&cut]).open(&sealed(&long, b""), b""),
            Err(Refusal::Unauthenticated)
        );
        let hash = digest::digest(&digest::SHA256, &long);
        let hashed: Keyring = Key::new(hash.as_ref()).into_iter().collect();
        assert_eq!(hashed.open(&sealed(&long, b""), b""), Ok(b"payload".to_vec()));
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", keyring(&[b"secret"])), "Keyring { keys: 1 }");
    }
}
