//! Secrets by name: those of `[secrets]`, and those of the store, where they are encrypted with the operator's master key.
//! `${NAME}` stands for them in what callers and operators write.

mod master_key;
mod reference;
mod values;

pub use master_key::{MasterKey, SealError};
pub use reference::{fill, fill_all, named};
pub use values::{Missing, SecretError, first_missing, values};

/// Whether a secret may be called so.
pub fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
