//! The credentials of one agent, and which of them a run uses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use legwork_model::Timestamp;

use super::breaker::{Answer, Breaker, Cause, Held};
use super::credential::Credential;

/// So many models are told apart at the most.
const MODELS: usize = 64;

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
    /// Of models that were asked for: one may be overloaded while others answer.
    models: HashMap<String, Breaker>,
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

    /// Whether there are several.
    pub fn has_others(&self) -> bool {
        self.accounts.len() > 1
    }

    /// Why none of them can be used now; until when, and why the one that is good again first can't.
    pub fn held(&self, now: Timestamp) -> Option<Held> {
        let mut first: Option<Held> = None;
        for entry in &self.accounts {
            let held = entry.lock().held(now)?;
            first = Some(first.filter(|other| other.until <= held.until).unwrap_or(held));
        }
        first
    }

    /// The account for the next request of a run that used `before`.
    pub(super) fn choose(&self, before: Option<&Chosen>, model: Option<&str>, now: Timestamp) -> Result<Chosen, Held> {
        if let Some(before) = before
            && self.accounts[before.index].lock().admit(model, now).is_ok()
        {
            return Ok(before.clone());
        }
        let all: i64 = self.accounts.iter().map(|entry| i64::from(entry.account.weight)).sum();
        let mut held: Option<Held> = None;
        for index in self.by_share() {
            let entry = &self.accounts[index];
            let mut state = entry.lock();
            match state.admit(model, now) {
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
    pub(super) fn note(&self, chosen: &Chosen, model: Option<&str>, answer: Answer, now: Timestamp) {
        let entry = &self.accounts[chosen.index];
        let mut state = entry.lock();
        let before = state.held(now);
        state.note(model, answer, now);
        if let (None, Some(held)) = (before, state.held(now)) {
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

impl State {
    /// Why nothing can be asked by it now: neither any model, nor one of those that were asked for.
    fn held(&self, now: Timestamp) -> Option<Held> {
        let of_models = || {
            let held: Option<Vec<Held>> = self.models.values().map(|model| model.held(now)).collect();
            held?.into_iter().min_by_key(|held| held.until)
        };
        self.breaker.held(now).or_else(of_models)
    }

    fn admit(&mut self, model: Option<&str>, now: Timestamp) -> Result<(), Held> {
        if let Some(breaker) = model.and_then(|model| self.models.get_mut(model)) {
            breaker.admit(now)?;
        }
        self.breaker.admit(now)
    }

    /// Limits and rejections are the account's; what fails may be the model alone.
    fn note(&mut self, model: Option<&str>, answer: Answer, now: Timestamp) {
        let known = self.models.len() < MODELS || model.is_some_and(|model| self.models.contains_key(model));
        let Some(model) = model.filter(|_| known) else { return self.breaker.note(answer, now) };
        let of_model = self.models.entry(model.to_owned()).or_default();
        match answer {
            Answer::Unavailable(_) => {
                of_model.note(answer, now);
                self.breaker.note(Answer::Good, now);
            }
            Answer::Good => {
                of_model.note(answer, now);
                self.breaker.note(answer, now);
            }
            Answer::Limited(_) | Answer::Rejected => self.breaker.note(answer, now),
        }
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
        let names: Vec<String> =
            (0..8).map(|_| pool.choose(None, None, at(0)).expect("one").account.name.clone()).collect();
        assert_eq!(names.iter().filter(|name| *name == "0").count(), 6, "{names:?}");
    }

    #[test]
    fn a_run_stays_until_its_account_is_held() {
        let pool = pool(&[1, 1]);
        let first = pool.choose(None, None, at(0)).expect("one");
        for _ in 0..5 {
            assert_eq!(pool.choose(Some(&first), None, at(0)).expect("one").index, first.index);
        }
        pool.note(&first, None, Answer::Limited(Some(at(100))), at(0));
        assert_eq!(pool.held(at(0)), None);
        let other = pool.choose(Some(&first), None, at(0)).expect("the other");
        assert_ne!(other.index, first.index);
        pool.note(&other, None, Answer::Limited(Some(at(50))), at(0));
        let held = Held { cause: Cause::Limited, until: at(50) };
        assert_eq!((pool.held(at(0)), pool.choose(Some(&other), None, at(0)).err()), (Some(held), Some(held)));
        assert_eq!(pool.choose(Some(&first), None, at(50)).expect("the first that is good").index, other.index);
    }

    #[test]
    fn a_model_that_is_overloaded_does_not_hold_the_others() {
        let pool = pool(&[1]);
        let one = pool.choose(None, Some("big"), at(0)).expect("one");
        let fails = || (0..3).for_each(|_| pool.note(&one, Some("big"), Answer::Unavailable(None), at(0)));
        fails();
        let held = Held { cause: Cause::Unavailable, until: at(5) };
        assert_eq!(pool.choose(Some(&one), Some("big"), at(0)).err(), Some(held));
        assert_eq!(pool.held(at(0)), Some(held), "nothing else was asked for");
        assert!(pool.choose(Some(&one), Some("small"), at(0)).is_ok());
        pool.note(&one, Some("small"), Answer::Good, at(0));
        assert_eq!(pool.held(at(0)), None);
        pool.note(&one, Some("small"), Answer::Limited(Some(at(9))), at(0));
        assert_eq!(pool.held(at(0)).map(|held| held.cause), Some(Cause::Limited));
    }
}
