//! What the secrets of the store are encrypted with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use legwork_model::{Ids, Timestamp};
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::store::secrets::SecretRecord;

/// Bytes of a nonce. So many can be drawn at random without ever drawing one twice.
const NONCE: usize = 24;

/// The operator's key.
pub struct MasterKey {
    cipher: XChaCha20Poly1305,
    fingerprint: String,
}

/// Why a secret can't be encrypted or decrypted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key encrypted it.
    #[error("the secret `{name}` was encrypted with the master key {theirs}, but the one that is configured is {ours}")]
    OtherKey {
        /// The secret.
        name: String,
        /// The fingerprint of the key that encrypted it.
        theirs: String,
        /// The fingerprint of this one.
        ours: String,
    },
    /// Somebody changed the row, or moved it to another name.
    #[error("what is stored as the secret `{0}` is damaged; set it again")]
    Damaged(String),
}

impl MasterKey {
    /// A key of 32 bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        let digest = Sha256::digest([b"legwork master key ".as_slice(), bytes].concat());
        let fingerprint = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { cipher: XChaCha20Poly1305::new(bytes.into()), fingerprint }
    }

    /// The configured one, if there is one.
    pub fn of(config: &Config) -> Option<Self> {
        // That it can be read was seen when the settings were.
        config.secret_store.key().ok().flatten().map(|bytes| Self::new(&bytes))
    }

    /// Says which key it is without telling anything of it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Encrypts a value. It can be decrypted under the same name alone.
    ///
    /// # Errors
    /// Where the value is too long for the cipher, which no value is that fits into memory.
    pub fn seal(&self, name: &str, value: &str, ids: &Ids, now: Timestamp) -> Result<SecretRecord, SealError> {
        let (random, mut nonce) = (ids.secret(), [0; NONCE]);
        nonce.copy_from_slice(&random[..NONCE]);
        let payload = Payload { msg: value.as_bytes(), aad: name.as_bytes() };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| SealError::Damaged(name.to_owned()))?;
        Ok(SecretRecord {
            name: name.to_owned(),
            sealed: STANDARD.encode([nonce.as_slice(), &sealed].concat()),
            key_id: self.fingerprint.clone(),
            updated_at: now,
        })
    }

    /// Decrypts a value.
    ///
    /// # Errors
    /// Where another key encrypted it, or the row is not what was written.
    pub fn open(&self, record: &SecretRecord) -> Result<String, SealError> {
        let SecretRecord { name, sealed, key_id, .. } = record;
        if *key_id != self.fingerprint {
            let (theirs, ours) = (key_id.clone(), self.fingerprint.clone());
            return Err(SealError::OtherKey { name: name.clone(), theirs, ours });
        }
        self.opened(name, sealed).ok_or_else(|| SealError::Damaged(name.clone()))
    }

    fn opened(&self, name: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        String::from_utf8(self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &MasterKey, name: &str) -> SecretRecord {
        key.seal(name, "geheim", &Ids::from_seed([1; 32]), Timestamp::from_millis(1)).expect("sealed")
    }

    #[test]
    fn a_value_comes_back_under_its_name_and_with_its_key_alone() {
        let key = MasterKey::new(&[7; 32]);
        let record = sealed(&key, "A");
        assert_eq!(key.open(&record).as_deref(), Ok("geheim"));
        let moved = SecretRecord { name: "B".into(), ..record.clone() };
        assert_eq!(key.open(&moved), Err(SealError::Damaged("B".into())));
        let changed = SecretRecord { sealed: record.sealed.replace(&record.sealed[40..44], "AAAA"), ..record.clone() };
        assert_eq!(key.open(&changed), Err(SealError::Damaged("A".into())));
        let cut = SecretRecord { sealed: "AAAA".into(), ..record.clone() };
        assert_eq!(key.open(&cut), Err(SealError::Damaged("A".into())));
        let error = MasterKey::new(&[8; 32]).open(&record).expect_err("another key").to_string();
        assert!(error.contains(key.fingerprint()) && !error.contains("geheim"), "{error}");
    }

    #[test]
    fn the_same_value_looks_different_each_time() {
        let (key, ids) = (MasterKey::new(&[7; 32]), Ids::from_seed([1; 32]));
        let [one, other] = [1, 2].map(|at| key.seal("A", "geheim", &ids, Timestamp::from_millis(at)).expect("sealed"));
        assert_ne!(one.sealed, other.sealed);
    }
}
