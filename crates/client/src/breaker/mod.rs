//! A circuit breaker: a service that fails is left alone for a while.

mod circuit;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use legwork_model::{Clock, SystemClock};
use tokio::sync::broadcast;

use crate::{Call, Error, Executing, Executor, Output};
use circuit::{Circuit, Turn, Verdict};

/// How many changes are kept for a subscriber that is slow.
const CHANGES_KEPT: usize = 64;

/// When the circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Opens when so many of a hundred calls failed. 50.
    pub error_percent: u32,
    /// Does not open before so many calls ended inside the window. 10.
    pub minimum_calls: u32,
    /// How far back calls count. A minute.
    pub window: Duration,
    /// How long the service is left alone before one call tries it. 30 seconds.
    pub open_for: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            error_percent: 50,
            minimum_calls: 10,
            window: Duration::from_secs(60),
            open_for: Duration::from_secs(30),
        }
    }
}

/// What became of the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Calls are refused from now on.
    Opened,
    /// One call tries the service; others are refused until it ended.
    HalfOpened,
    /// Calls go through again.
    Closed,
}

/// An executor that refuses calls while the service fails.
///
/// Which errors count is said by [`Error::is_failure_of_service`]; calls that end with another error, or are given up,
/// count neither way.
pub struct CircuitBreaker<E> {
    executor: E,
    circuit: Mutex<Circuit>,
    clock: Arc<dyn Clock>,
    changes: broadcast::Sender<Change>,
}

impl<E: Executor> CircuitBreaker<E> {
    /// A closed circuit around `executor`, by the usual rules and the machine's clock.
    pub fn around(executor: E) -> Self {
        Self::with(executor, BreakerRules::default(), Arc::new(SystemClock))
    }

    /// A closed circuit around `executor`.
    pub fn with(executor: E, rules: BreakerRules, clock: Arc<dyn Clock>) -> Self {
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        Self { executor, circuit: Mutex::new(Circuit::new(rules)), clock, changes }
    }

    /// What becomes of the circuit from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn enter(&self) -> Result<Underway<'_, E>, Error> {
        let mut circuit = self.circuit();
        let (turn, change) =
            circuit.enter(self.clock.now()).map_err(|retry_after| Error::CircuitOpen { retry_after })?;
        self.tell(change);
        Ok(Underway { breaker: self, turn, verdict: Verdict::Neither })
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // Nothing panics while it holds the lock.
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// With the lock held, so that changes are told in their order.
    fn tell(&self, change: Option<Change>) {
        if let Some(change) = change {
            // Nobody may listen.
            let _ = self.changes.send(change);
        }
    }
}

impl<E: Executor> Executor for CircuitBreaker<E> {
    fn execute<'a>(&'a self, call: &'a Call) -> Executing<'a> {
        Box::pin(async move {
            let mut underway = self.enter()?;
            let result = self.executor.execute(call).await;
            underway.verdict = verdict(&result);
            result
        })
    }
}

fn verdict(result: &Result<Output, Error>) -> Verdict {
    match result {
        Ok(_) => Verdict::Worked,
        Err(error) if error.is_failure_of_service() => Verdict::Failed,
        Err(_) => Verdict::Neither,
    }
}

/// A call that was let through. However it ends, also by being dropped, the circuit hears of it.
struct Underway<'a, E: Executor> {
    breaker: &'a CircuitBreaker<E>,
    turn: Turn,
    verdict: Verdict,
}

impl<E: Executor> Drop for Underway<'_, E> {
    fn drop(&mut self) {
        let mut circuit = self.breaker.circuit();
        let change = circuit.leave(self.turn, self.verdict, self.breaker.clock.now());
        self.breaker.tell(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use legwork_model::{TestClock, Timestamp};

    /// Gives what its prompt names.
    struct Scripted;

    impl Executor for Scripted {
        fn execute<'a>(&'a self, call: &'a Call) -> Executing<'a> {
            Box::pin(async move {
                match call.prompt.as_str() {
                    "works" => Ok(Output { text: String::new(), duration: None, execution_id: None }),
                    "fails" => Err(Error::Transport("refused".into())),
                    "wrong" => Err(Error::Invalid { field: None, code: None, message: String::new() }),
                    _ => std::future::pending().await,
                }
            })
        }
    }

    struct Lab {
        clock: Arc<TestClock>,
        breaker: CircuitBreaker<Scripted>,
        changes: broadcast::Receiver<Change>,
    }

    impl Lab {
        fn new() -> Self {
            let clock = Arc::new(TestClock::at(Timestamp::from_millis(1_000_000)));
            let breaker = CircuitBreaker::with(Scripted, BreakerRules::default(), clock.clone());
            let changes = breaker.changes();
            Self { clock, breaker, changes }
        }

        async fn call(&self, prompt: &str) -> Result<(), Error> {
            self.breaker.execute(&Call::new(prompt)).await.map(drop)
        }

        async fn fails(&self, times: usize) {
            for _ in 0..times {
                assert_eq!(self.call("fails").await, Err(Error::Transport("refused".into())));
            }
        }

        fn told(&mut self) -> Vec<Change> {
            std::iter::from_fn(|| self.changes.try_recv().ok()).collect()
        }
    }

    fn open(seconds: u64) -> Result<(), Error> {
        Err(Error::CircuitOpen { retry_after: Some(Duration::from_secs(seconds)) })
    }

    #[tokio::test]
    async fn it_opens_tries_once_and_closes() {
        let mut lab = Lab::new();
        lab.fails(10).await;
        lab.clock.advance_millis(10_000);
        assert_eq!(lab.call("works").await, open(20));
        lab.clock.advance_millis(20_000);
        let (trial, other) = (Call::new("hangs"), Call::new("works"));
        let mut trial = lab.breaker.execute(&trial);
        assert!((&mut trial).now_or_never().is_none(), "the trial is under way");
        assert_eq!(
            lab.breaker.execute(&other).await.map(drop),
            Err(Error::CircuitOpen { retry_after: None }),
            "one trial at a time"
        );
        drop(trial);
        assert_eq!(lab.call("works").await, Ok(()), "a trial that was given up tells nothing");
        assert_eq!(lab.told(), [Change::Opened, Change::HalfOpened, Change::Closed]);
    }

    #[tokio::test]
    async fn a_trial_that_fails_opens_it_again() {
        let mut lab = Lab::new();
        lab.fails(10).await;
        lab.clock.advance_millis(30_000);
        lab.fails(1).await;
        assert_eq!(lab.call("works").await, open(30));
        assert_eq!(lab.told(), [Change::Opened, Change::HalfOpened, Change::Opened]);
    }

    #[tokio::test]
    async fn what_the_caller_did_wrong_does_not_count() {
        let mut lab = Lab::new();
        for _ in 0..50 {
            assert!(matches!(lab.call("wrong").await, Err(Error::Invalid { .. })));
        }
        lab.fails(9).await;
        assert_eq!(lab.told(), []);
        lab.fails(1).await;
        assert_eq!(lab.told(), [Change::Opened]);
    }
}
