//! API keys: who calls, and what they may do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use legwork_model::{Ids, Timestamp};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use crate::app::hex;
use crate::store::api_keys::ApiKeyRecord;
use crate::store::{Store, StoreError};

/// How long an answer of the database is trusted: a revoked key stops working after this.
const FRESH: Duration = Duration::from_millis(900);
/// Answers kept at the most, wrong keys included.
const MOST: usize = 10_000;

/// Something a key may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Submit, cancel, retry.
    Execute,
    /// Look at executions, their events and output.
    Read,
    /// Decide what agents may do that ask.
    Approve,
    /// Everything.
    Admin,
}

impl Permission {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Read => "read",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Execute, Self::Read, Self::Approve, Self::Admin]
            .into_iter()
            .find(|permission| permission.as_str() == text)
    }
}

/// A set of permissions, written `execute,read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// All there are.
    pub fn all() -> Self {
        Self(vec![Permission::Admin])
    }

    /// To submit jobs, and nothing else.
    pub fn execute() -> Self {
        Self(vec![Permission::Execute])
    }

    /// Whether `permission` is among them.
    pub fn allow(&self, permission: Permission) -> bool {
        self.0.contains(&permission) || self.0.contains(&Permission::Admin)
    }
}

impl std::str::FromStr for Permissions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |name: &str| {
            Permission::parse(name.trim())
                .ok_or_else(|| format!("`{name}` is no permission; use some of execute,read,approve,admin"))
        };
        text.split(',').map(one).collect::<Result<_, _>>().map(Self)
    }
}

impl std::fmt::Display for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.0.iter().map(|permission| permission.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

/// Who sent a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The id of their API key; `None` on a server without keys.
    pub key: Option<String>,
    /// What they may do.
    pub permissions: Permissions,
}

impl Caller {
    /// Somebody on this machine, on a server without keys.
    pub fn local() -> Self {
        Self { key: None, permissions: Permissions::all() }
    }

    /// Somebody in a network that the operator trusts.
    pub fn trusted() -> Self {
        Self { key: None, permissions: Permissions(vec![Permission::Execute, Permission::Read]) }
    }

    /// Refuses unless the caller has `permission`.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`]
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.permissions.allow(permission) { Ok(()) } else { Err(Refusal::Forbidden(permission.as_str())) }
    }
}

/// Finds out who calls.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    /// A key that is on no record: that of a process that talks to its own server.
    own: Option<String>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    answers: HashMap<String, (Instant, Option<ApiKeyRecord>)>,
    any: Option<(Instant, bool)>,
}

impl Keyring {
    /// A keyring over the keys on record, and `own` where the process has a key for itself.
    pub fn new(store: Store, own: Option<&str>) -> Self {
        Self { store, own: own.map(hash), cache: Mutex::default() }
    }

    /// Whether callers need a key.
    ///
    /// # Errors
    /// Where the database gives no answer.
    pub async fn is_needed(&self) -> Result<bool, StoreError> {
        if self.own.is_some() {
            return Ok(true);
        }
        if let Some((at, any)) = self.lock().any {
            // Keys are added but never deleted, so a yes stays true.
            if any || at.elapsed() < FRESH {
                return Ok(any);
            }
        }
        let any = self.store.has_api_keys().await?;
        self.lock().any = Some((Instant::now(), any));
        Ok(any)
    }

    /// Who has the bearer token `token`.
    ///
    /// # Errors
    /// Where a key is needed and this is none, or the database gives no answer.
    pub async fn identify(&self, token: Option<&str>, now: Timestamp) -> Result<Caller, Refusal> {
        if !self.is_needed().await? {
            return Ok(Caller::local());
        }
        let token = token.ok_or(Refusal::Unauthorized(
            "an API key is needed: send `Authorization: Bearer lw_…` (made by `legwork key create`)",
        ))?;
        let hash = hash(token);
        // Only hashes are compared, and nobody can choose a hash: how long a comparison takes tells nothing of a key.
        if self.own.as_ref() == Some(&hash) {
            return Ok(Caller { key: Some("terminal".into()), permissions: Permissions::all() });
        }
        let refused = Refusal::Unauthorized("this API key is not known, has expired or was revoked");
        let Some(record) = self.look_up(hash).await? else { return Err(refused) };
        if record.revoked_at.is_some() || record.expires_at.is_some_and(|at| at <= now) {
            return Err(refused);
        }
        let permissions = record.permissions.parse().map_err(|_| refused)?;
        Ok(Caller { key: Some(record.id), permissions })
    }

    async fn look_up(&self, hash: String) -> Result<Option<ApiKeyRecord>, StoreError> {
        if let Some((at, answer)) = self.lock().answers.get(&hash)
            && at.elapsed() < FRESH
        {
            return Ok(answer.clone());
        }
        let answer = self.store.api_key_by_hash(&hash).await?;
        let mut cache = self.lock();
        if cache.answers.len() >= MOST {
            cache.answers.clear();
        }
        cache.answers.insert(hash, (Instant::now(), answer.clone()));
        Ok(answer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // Nothing panics while the lock is held.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A key as made: the key itself is shown this once.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: String,
    /// What goes on record.
    pub record: ApiKeyRecord,
}

/// Makes a key.
pub fn new_key(
    ids: &Ids,
    name: &str,
    permissions: &Permissions,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> NewKey {
    let key = format!("lw_{}", URL_SAFE_NO_PAD.encode(ids.secret()));
    let hash = hash(&key);
    let record = ApiKeyRecord {
        id: format!("key_{}", &hash[..20]),
        name: name.to_owned(),
        hash,
        permissions: permissions.to_string(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    NewKey { key, record }
}

fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}
