//! Keeps what was decided, small: a program that knocks a million times at one door makes a few lines, and one that knocks at
//! a million doors makes no more than [`MOST_KINDS`].

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::decision::{Decision, Reason, Verdict};

/// So many hosts, ports and verdicts are told apart in one run.
const MOST_KINDS: usize = 1024;
/// What stands for the host of all further ones.
const FURTHER: &str = "*";

/// The decisions of one run, for whoever watches it. Need not be read: nobody waits for the reader, and what is kept for it
/// does not grow.
#[derive(Debug)]
pub struct Decisions(Arc<Shared>);

/// Where decisions are written down. The decisions end when it is dropped.
#[derive(Debug)]
pub(super) struct Ledger(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Book {
    kinds: HashMap<Kind, Totals>,
    /// What is to be told, each kind once.
    due: VecDeque<Kind>,
    is_closed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    host: Arc<str>,
    port: u16,
    verdict: Verdict,
}

#[derive(Debug, Default)]
struct Totals {
    count: u64,
    bytes_up: u64,
    bytes_down: u64,
    is_due: bool,
    /// Whether something was added since it was told.
    is_changed: bool,
}

/// What one connection carries. It is added to the totals of its decision when it is dropped, however the connection ended.
#[derive(Debug)]
pub(super) struct Tally {
    shared: Arc<Shared>,
    kind: Kind,
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

/// An empty ledger and its reader.
pub(super) fn ledger() -> (Ledger, Decisions) {
    let shared = Arc::new(Shared::default());
    (Ledger(Arc::clone(&shared)), Decisions(shared))
}

impl Ledger {
    /// Writes a decision down.
    pub(super) fn record(&self, host: &str, port: u16, verdict: Verdict) -> Tally {
        let kind = self.0.book().count(Kind { host: host.into(), port, verdict });
        self.0.news.notify_one();
        Tally { shared: Arc::clone(&self.0), kind, up: AtomicU64::new(0), down: AtomicU64::new(0) }
    }

    /// Writes down that something is denied.
    pub(super) fn deny(&self, host: &str, port: u16, reason: Reason) {
        drop(self.record(host, port, Verdict::Denied(reason)));
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.0.book().is_closed = true;
        self.0.news.notify_one();
    }
}

impl Decisions {
    /// The next decision: when it is first made, when it was made twice, four times, eight times and so on, and at the end of
    /// the run if anything was added since. `None` at the end. Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<Decision> {
        loop {
            {
                let mut book = self.0.book();
                if let Some(decision) = book.tell() {
                    return Some(decision);
                }
                if book.is_closed && !book.close_the_books() {
                    return None;
                }
                if !book.due.is_empty() {
                    continue;
                }
            }
            self.0.news.notified().await;
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let (up, down) = (*self.up.get_mut(), *self.down.get_mut());
        if let Some(totals) = self.shared.book().kinds.get_mut(&self.kind)
            && up + down > 0
        {
            totals.bytes_up += up;
            totals.bytes_down += down;
            totals.is_changed = true;
        }
    }
}

impl Tally {
    /// Counts what the client has sent before it was connected.
    pub(super) fn began_with(&self, bytes: usize) {
        self.up.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Bytes in both directions.
    pub(super) fn total(&self) -> u64 {
        self.up.load(Ordering::Relaxed) + self.down.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing that is done under the lock can stop half-way.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn count(&mut self, kind: Kind) -> Kind {
        let is_known = self.kinds.contains_key(&kind);
        let kind = if is_known || self.kinds.len() < MOST_KINDS { kind } else { Kind::further(kind.verdict) };
        let totals = self.kinds.entry(kind.clone()).or_default();
        totals.count += 1;
        totals.is_changed = true;
        if totals.count.is_power_of_two() && !totals.is_due {
            totals.is_due = true;
            self.due.push_back(kind.clone());
        }
        kind
    }

    fn tell(&mut self) -> Option<Decision> {
        let kind = self.due.pop_front()?;
        let totals = self.kinds.get_mut(&kind)?;
        (totals.is_due, totals.is_changed) = (false, false);
        let Totals { count, bytes_up, bytes_down, .. } = *totals;
        Some(Decision {
            host: kind.host.to_string(),
            port: kind.port,
            verdict: kind.verdict,
            count,
            bytes_up,
            bytes_down,
        })
    }

    /// Makes everything due that is not told yet; whether there is any.
    fn close_the_books(&mut self) -> bool {
        for (kind, totals) in self.kinds.iter_mut().filter(|(_, totals)| totals.is_changed && !totals.is_due) {
            totals.is_due = true;
            self.due.push_back(kind.clone());
        }
        !self.due.is_empty()
    }
}

impl Kind {
    fn further(verdict: Verdict) -> Self {
        Self { host: FURTHER.into(), port: 0, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(mut decisions: Decisions) -> Vec<Decision> {
        let mut told = Vec::new();
        while let Some(decision) = decisions.next().await {
            told.push(decision);
        }
        told
    }

    #[tokio::test]
    async fn a_million_denials_of_one_host_are_a_few_decisions() {
        let (ledger, mut decisions) = ledger();
        let mut counts = Vec::new();
        for _ in 0..1_000_000 {
            ledger.deny("evil.test", 443, Reason::NotListed);
            if decisions.0.book().due.len() == 1 {
                counts.push(decisions.next().await.unwrap().count);
            }
        }
        drop(ledger);
        counts.extend(all(decisions).await.iter().map(|decision| decision.count));
        assert_eq!(counts.len(), 21, "{counts:?}");
        assert_eq!(counts.last(), Some(&1_000_000));
    }

    #[tokio::test]
    async fn hosts_without_end_are_not_kept() {
        let (ledger, decisions) = ledger();
        for number in 0..100_000 {
            ledger.deny(&format!("{number}.evil.test"), 443, Reason::NotListed);
        }
        drop(ledger);
        let told = all(decisions).await;
        assert_eq!(told.len(), MOST_KINDS + 1);
        assert_eq!(told.iter().map(|decision| decision.count).sum::<u64>(), 100_000);
        let further = told.last().unwrap();
        assert_eq!((further.host.as_str(), further.port), (FURTHER, 0));
    }

    #[tokio::test]
    async fn bytes_are_told_at_the_end() {
        let (ledger, mut decisions) = ledger();
        let tally = ledger.record("example.com", 443, Verdict::Allowed);
        assert_eq!(decisions.next().await.unwrap().bytes_up, 0);
        tally.up.store(7, Ordering::Relaxed);
        tally.down.store(9, Ordering::Relaxed);
        drop((tally, ledger));
        let last = decisions.next().await.unwrap();
        assert_eq!((last.count, last.bytes_up, last.bytes_down), (1, 7, 9));
        assert_eq!(decisions.next().await, None);
        let json = serde_json::to_value(&last).unwrap();
        assert_eq!(json["verdict"], "allowed");
    }
}
