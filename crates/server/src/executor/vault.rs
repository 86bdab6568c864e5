//! What single runs authenticate with, beside the operator's own credentials. It is in memory alone: in no database, no
//! log and no other node, and gone with the run.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork_agents::Credential;
use legwork_model::ExecutionId;
use serde::{Deserialize, Serialize};

use crate::mask::Mask;

/// The credentials of one run.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSecrets {
    /// What the agent authenticates with at its model's API; the operator's where absent.
    pub credential: Option<Credential>,
    /// What git authenticates with at the repository's host.
    pub repository_token: Option<String>,
    /// What else must not be shown: tokens that are used for this run outside of it.
    pub others: Vec<String>,
    /// What the operator's secrets stood for when the run began, by their names.
    #[serde(default)]
    pub named: BTreeMap<String, String>,
}

impl fmt::Debug for RunSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "RunSecrets(none)" } else { "RunSecrets(***)" })
    }
}

impl RunSecrets {
    /// Whether the run has none of its own.
    pub fn is_empty(&self) -> bool {
        self.credential.is_none() && self.repository_token.is_none() && self.others.is_empty() && self.named.is_empty()
    }

    /// Each of them, to be kept out of what is shown.
    fn each(&self) -> impl Iterator<Item = &str> {
        let credential = self.credential.iter().flat_map(Credential::secrets);
        credential
            .chain(self.repository_token.as_deref())
            .chain(self.others.iter().chain(self.named.values()).map(String::as_str))
    }
}

/// The credentials of the runs that wait or go on here. They are masked for as long as they are kept. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Vault {
    kept: Arc<Mutex<HashMap<ExecutionId, Arc<RunSecrets>>>>,
    mask: Mask,
}

impl Vault {
    /// A vault whose contents `mask` keeps out of what is shown.
    pub fn new(mask: Mask) -> Self {
        Self { kept: Arc::default(), mask }
    }

    /// Keeps what there is until it is [forgotten](Self::forget).
    pub fn keep(&self, id: ExecutionId, secrets: RunSecrets) {
        if !secrets.is_empty() {
            self.mask.learn_of(id, secrets.each());
            self.lock().insert(id, Arc::new(secrets));
        }
    }

    /// Masks a secret that the server itself made for a run. It is none that the run brought along.
    pub fn mask(&self, id: ExecutionId, secret: &str) {
        self.mask.learn_of(id, [secret]);
    }

    /// What is kept for a run.
    pub fn of(&self, id: ExecutionId) -> Option<Arc<RunSecrets>> {
        self.lock().get(&id).cloned()
    }

    /// Forgets what was kept for a run.
    pub fn forget(&self, id: ExecutionId) {
        self.lock().remove(&id);
        self.mask.forget(id);
    }

    /// The runs that something is kept for.
    pub fn runs(&self) -> Vec<ExecutionId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<RunSecrets>>> {
        // Nothing panics while the lock is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
