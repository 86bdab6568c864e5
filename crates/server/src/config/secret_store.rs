//! Secrets that are kept in the database.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[secret_store]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretStoreSettings {
    /// What they are encrypted with: 32 random bytes in base64 or hex, as `legwork secret key` makes them. Also read from
    /// `LEGWORK_MASTER_KEY`.
    pub master_key: Option<Secret>,
    /// Secrets, also those of `[secrets]`, that may stand as `${NAME}` in what callers write: in the variables of a job, and in
    /// MCP servers that they define. Whoever may submit jobs can read them.
    pub in_requests: Vec<String>,
}

impl SecretStoreSettings {
    /// The master key itself.
    ///
    /// # Errors
    /// What is wrong with it and what would be right.
    pub fn key(&self) -> Result<Option<[u8; 32]>, &'static str> {
        self.master_key.as_ref().map(key_bytes).transpose()
    }
}

/// The 32 bytes that a key is written as.
///
/// # Errors
/// What is wrong with it and what would be right.
pub fn key_bytes(written: &Secret) -> Result<[u8; 32], &'static str> {
    if written.is_placeholder() {
        return Err("is the `change-me` of an example; make one with `legwork secret key`");
    }
    let bytes = from_hex(written.expose()).or_else(|| from_base64(written.expose()));
    let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = key.ok_or("must be 32 bytes in base64 or hex; make one with `legwork secret key`")?;
    if key.iter().all(|byte| *byte == key[0]) {
        return Err("is the same byte 32 times; make a random one with `legwork secret key`");
    }
    Ok(key)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    digits.then(|| (0..64).step_by(2).map(byte).collect()).flatten()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE].iter().find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_one_of_the_usual_spellings() {
        let hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff";
        let expected = key_bytes(&Secret::new(hex)).expect("hex");
        assert_eq!((expected[1], expected[31]), (1, 255));
        for text in [
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8",
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8=".replace('/', "_").as_str(),
        ] {
            assert_eq!(key_bytes(&Secret::new(text)), Ok(expected), "{text}");
        }
        for (text, problem) in [
            ("change-me", "is the `change-me`"),
            ("c2hvcnQ=", "must be 32 bytes"),
            ("correct horse battery staple", "must be 32 bytes"),
            (&"00".repeat(32), "is the same byte"),
        ] {
            let error = key_bytes(&Secret::new(text)).expect_err(text);
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
