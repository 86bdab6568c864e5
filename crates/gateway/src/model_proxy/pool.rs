//! The credentials of one agent, and which of them a run uses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork_model::Timestamp;

use super::breaker::{Answer, Breaker, Cause, Held};
use super::credential::Credential;

/// A credential as it is configured.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name in the ledger and the log.
    pub name: String,
    /// How often it is chosen, against the others.
    pub weight: u32,
    /// The credential.
    pub credential: Credential,
}

/// The credentials of one agent. A run stays with the one that it began with for as long as that may be used, for what it has in
/// the vendor's cache is of that account.
#[derive(Debug)]
pub struct Pool {
    accounts: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    account: Arc<Account>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    /// How far it is behind its share.
    credit: i64,
}

/// An account that a request goes by.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) account: Arc<Account>,
    index: usize,
}

impl Pool {
    /// A pool of these.
    pub fn new(accounts: Vec<Account>) -> Self {
        let entry = |account| Entry { account: Arc::new(account), state: Mutex::default() };
        Self { accounts: accounts.into_iter().map(entry).collect() }
    }

    /// Why none of them can be used now; until when, and why the one that is good again first can't.
    pub fn held(&self, now: Timestamp) -> Option<Held> {
        let mut first: Option<Held> = None;
        for entry in &self.accounts {
            let held = entry.lock().breaker.held(now)?;
            first = Some(first.filter(|other| other.until <= held.until).unwrap_or(held));
        }
        first
    }

    /// The account for the next request of a run that used `before`.
    pub(super) fn choose(&self, before: Option<&Chosen>, now: Timestamp) -> Result<Chosen, Held> {
        if let Some(before) = before
            && self.accounts[before.index].lock().breaker.admit(now).is_ok()
        {
            return Ok(before.clone());
        }
        let all: i64 = self.accounts.iter().map(|entry| i64::from(entry.account.weight)).sum();
        let mut held: Option<Held> = None;
        for index in self.by_share() {
            let entry = &self.accounts[index];
            let mut state = entry.lock();
            match state.breaker.admit(now) {
                Ok(()) => {
                    state.credit -= all;
                    return Ok(Chosen { account: Arc::clone(&entry.account), index });
                }
                Err(other) => held = Some(held.filter(|held| held.until <= other.until).unwrap_or(other)),
            }
        }
        // An empty pool has nothing that could become good again.
        Err(held.unwrap_or(Held { cause: Cause::Rejected, until: now }))
    }

    /// Takes what a request told of the account that it went by.
    pub(super) fn note(&self, chosen: &Chosen, answer: Answer, now: Timestamp) {
        let entry = &self.accounts[chosen.index];
        let mut state = entry.lock();
        let before = state.breaker.held(now);
        state.breaker.note(answer, now);
        if let (None, Some(held)) = (before, state.breaker.held(now)) {
            tracing::warn!(account = entry.account.name, cause = ?held.cause, until = %held.until, "a credential is not used for now");
        }
    }

    /// All of them, the one that is furthest behind its share first; each comes a weight nearer.
    fn by_share(&self) -> Vec<usize> {
        let mut order: Vec<(i64, usize)> = Vec::with_capacity(self.accounts.len());
        for (index, entry) in self.accounts.iter().enumerate() {
            let mut state = entry.lock();
            state.credit += i64::from(entry.account.weight);
            order.push((state.credit, index));
        }
        order.sort_by_key(|(credit, index)| (std::cmp::Reverse(*credit), *index));
        order.into_iter().map(|(_, index)| index).collect()
    }
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(weights: &[u32]) -> Pool {
        let account = |(index, weight): (usize, &u32)| Account {
            name: index.to_string(),
            weight: *weight,
            credential: Credential::ApiKey(index.to_string()),
        };
        Pool::new(weights.iter().enumerate().map(account).collect())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn runs_are_spread_by_weight() {
        let pool = pool(&[3, 1]);
        let names: Vec<String> = (0..8).map(|_| pool.choose(None, at(0)).expect("one").account.name.clone()).collect();
        assert_eq!(names.iter().filter(|name| *name == "0").count(), 6, "{names:?}");
    }

    #[test]
    fn a_run_stays_until_its_account_is_held() {
        let pool = pool(&[1, 1]);
        let first = pool.choose(None, at(0)).expect("one");
        for _ in 0..5 {
            assert_eq!(pool.choose(Some(&first), at(0)).expect("one").index, first.index);
        }
        pool.note(&first, Answer::Limited(Some(at(100))), at(0));
        assert_eq!(pool.held(at(0)), None);
        let other = pool.choose(Some(&first), at(0)).expect("the other");
        assert_ne!(other.index, first.index);
        pool.note(&other, Answer::Limited(Some(at(50))), at(0));
        let held = Held { cause: Cause::Limited, until: at(50) };
        assert_eq!((pool.held(at(0)), pool.choose(Some(&other), at(0)).err()), (Some(held), Some(held)));
        assert_eq!(pool.choose(Some(&first), at(50)).expect("the first that is good").index, other.index);
    }
}
