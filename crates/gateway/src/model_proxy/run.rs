//! What a run may do at its models, and the token that it shows for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures::future::BoxFuture;
use legwork_model::{Cost, ModelApi, Timestamp, Usage};
use sha2::{Digest, Sha256};
use url::Url;

use super::allowed::AllowedModels;
use super::breaker::Held;
use super::pool::{Chosen, Pool};
use super::refusal::Refusal;

/// What a run may do at its models.
#[derive(Clone)]
pub struct Pass {
    /// The API that its agent speaks.
    pub api: ModelApi,
    /// What follows the origin in the base URL that the agent is given, such as `/v1`.
    pub api_path: &'static str,
    /// The base URL of the API; what the agent asks for below its own stands below this.
    pub upstream: Url,
    /// Who pays.
    pub pool: Arc<Pool>,
    /// The models that it may use.
    pub models: AllowedModels,
    /// The price of a model that has none in the table: that of another, where a stand-in answers. Else such a model is
    /// refused.
    pub priced_as: Option<&'static str>,
    /// Until when the token is good.
    pub expires: Timestamp,
    /// Who keeps the books of the run.
    pub books: Arc<dyn Books>,
}

/// One request that an API answered, be it with a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The model that was asked for.
    pub model: String,
    /// Its tokens.
    pub usage: Usage,
    /// The API.
    pub api: ModelApi,
    /// The name of the credential that paid.
    pub credential: String,
    /// The HTTP status.
    pub status: u16,
    /// What it cost.
    pub cost: Cost,
    /// Whether tokens had to be estimated.
    pub estimated: bool,
    /// Whether a subscription paid.
    pub imputed: bool,
    /// Milliseconds to the first byte of the answer.
    pub first_byte_ms: u64,
    /// Milliseconds to its end.
    pub duration_ms: u64,
}

/// Keeps the books of a run. The calls of one run may overlap.
pub trait Books: Send + Sync {
    /// Whether another request may be made: asked before each that costs. Waits until what was answered before is on record.
    ///
    /// # Errors
    /// Why not, in a sentence for whoever reads the agent's output.
    fn permit(&self) -> BoxFuture<'_, Result<(), String>>;

    /// A request was answered, wholly or in part, or refused by the API.
    fn answered(&self, answered: Answered);

    /// No credential can be used until then; requests are refused meanwhile.
    fn held(&self, held: Held);

    /// A model was asked for that the run may not use.
    fn not_allowed(&self, model: &str, allowed: &[String]);

    /// A model was asked for that has no price.
    fn unpriced(&self, model: &str);
}

/// A run that is known.
pub(super) struct Run {
    pub(super) pass: Pass,
    /// The account that it used last.
    account: Mutex<Option<Chosen>>,
}

type Digested = [u8; 32];

/// All runs that are known, by the digest of their tokens: looking one up takes no longer for a token that is nearly right.
#[derive(Default)]
pub(super) struct Runs {
    known: RwLock<HashMap<Digested, Arc<Run>>>,
    /// Whether those of an earlier process are known, too.
    settled: AtomicBool,
}

/// A run's place at the gateway, until it is dropped.
#[must_use]
pub struct Admission {
    runs: Arc<Runs>,
    token: Digested,
}

impl Runs {
    pub(super) fn admit(self: &Arc<Self>, token: &str, pass: Pass) -> Admission {
        let token = digest(token);
        self.write().insert(token, Arc::new(Run { pass, account: Mutex::default() }));
        Admission { runs: Arc::clone(self), token }
    }

    /// The run that shows `token`.
    pub(super) fn find(&self, token: Option<&str>, now: Timestamp) -> Result<Arc<Run>, Refusal> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Err(Refusal::NoToken) };
        let unknown = || if self.settled.load(Ordering::Relaxed) { Refusal::Ended } else { Refusal::Settling };
        let run = self.read().get(&digest(token)).cloned().ok_or_else(unknown)?;
        if run.pass.expires > now { Ok(run) } else { Err(Refusal::Expired) }
    }

    /// From now on a run that is not known is none.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Digested, Arc<Run>>> {
        // Nothing panics while the lock is held.
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Digested, Arc<Run>>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.runs.write().remove(&self.token);
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admission")
    }
}

impl Run {
    /// The account for the next request.
    pub(super) fn choose(&self, model: Option<&str>, now: Timestamp) -> Result<Chosen, Held> {
        let mut account = self.account();
        let chosen = self.pass.pool.choose(account.as_ref(), model, now)?;
        *account = Some(chosen.clone());
        Ok(chosen)
    }

    fn account(&self) -> MutexGuard<'_, Option<Chosen>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(token: &str) -> Digested {
    Sha256::digest(token.as_bytes()).into()
}
