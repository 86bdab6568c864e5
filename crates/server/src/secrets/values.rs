//! What names stand for. `[secrets]` comes first; of the store is read what is not there, and decrypted what is needed.

use std::collections::{BTreeMap, BTreeSet};

use super::master_key::{MasterKey, SealError};
use crate::config::{Config, Secret};
use crate::store::secrets::SecretRecord;
use crate::store::{Store, StoreError};

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The database gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none, or it can't be decrypted.
    #[error("{0}")]
    Missing(Missing),
    /// It can't be decrypted.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

/// A name that stands for nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The name.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "needs the secret `{}`, {}", self.name, self.why)
    }
}

const UNKNOWN: &str = "which is not configured: set it with `legwork secret set`, or in `[secrets]`";
const LOCKED: &str = "which can't be decrypted here: the server lacks the master key that it was set with";

/// The first of `names` that stands for nothing here. Nothing is decrypted.
///
/// # Errors
/// Where the database gives no answer.
pub async fn first_missing(
    names: BTreeSet<&str>,
    config: &Config,
    store: &Store,
) -> Result<Option<Missing>, StoreError> {
    let stored = stored(&names, config, store).await?;
    let key = MasterKey::of(config);
    let missing = |name: &str| match stored.get(name) {
        _ if config.secrets.contains_key(name) => None,
        None => Some(UNKNOWN),
        Some(record) if key.as_ref().is_none_or(|key| key.fingerprint() != record.key_id) => Some(LOCKED),
        Some(_) => None,
    };
    Ok(names.into_iter().find_map(|name| missing(name).map(|why| Missing { name: name.to_owned(), why })))
}

/// What `names` stand for.
///
/// # Errors
/// Where one stands for nothing, or can't be read.
pub async fn values(
    names: BTreeSet<&str>,
    config: &Config,
    store: &Store,
) -> Result<BTreeMap<String, String>, SecretError> {
    let stored = stored(&names, config, store).await?;
    let key = MasterKey::of(config);
    let value = |name: &str| -> Result<String, SecretError> {
        let missing = |why| SecretError::Missing(Missing { name: name.to_owned(), why });
        if let Some(value) = config.secrets.get(name).map(Secret::expose) {
            return Ok(value.to_owned());
        }
        let record = stored.get(name).ok_or_else(|| missing(UNKNOWN))?;
        let key = key.as_ref().ok_or_else(|| missing(LOCKED))?;
        Ok(key.open(record)?)
    };
    names.into_iter().map(|name| Ok((name.to_owned(), value(name)?))).collect()
}

/// What the store has of `names`. It is not asked where `[secrets]` has all.
async fn stored(
    names: &BTreeSet<&str>,
    config: &Config,
    store: &Store,
) -> Result<BTreeMap<String, SecretRecord>, StoreError> {
    let lacking: Vec<&str> = names.iter().copied().filter(|name| !config.secrets.contains_key(*name)).collect();
    if lacking.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = store.secrets_named(&lacking).await?;
    Ok(found.into_iter().map(|record| (record.name.clone(), record)).collect())
}
