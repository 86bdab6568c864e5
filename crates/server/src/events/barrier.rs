//! Waiting until the log of a run has recorded what it was sent, for who does something next that must not come before.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long is waited for the database.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the log of a run to record what it was sent so far. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Barrier(mpsc::Sender<oneshot::Sender<u64>>);

/// The log's end of its barrier.
#[derive(Debug)]
pub struct Asked(mpsc::Receiver<oneshot::Sender<u64>>);

/// Why what a log was sent is not on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOnRecord {
    /// The log records nothing any more.
    #[error("the log of the run has ended")]
    Ended,
    /// The database was not there for too long.
    #[error("its events were not on record within {} s", PATIENCE.as_secs())]
    Late,
}

impl Barrier {
    /// Both ends.
    pub fn new() -> (Self, Asked) {
        let (asks, asked) = mpsc::channel(1);
        (Self(asks), Asked(asked))
    }

    /// Waits until all is on record that was sent to the log before this was called; gives the number of the last event.
    ///
    /// # Errors
    /// Where the log has ended, or the database could not be used for 10 s.
    pub async fn passed(&self) -> Result<u64, NotOnRecord> {
        let passed = async {
            let (answer, answered) = oneshot::channel();
            self.0.send(answer).await.map_err(|_| NotOnRecord::Ended)?;
            answered.await.map_err(|_| NotOnRecord::Ended)
        };
        timeout(PATIENCE, passed).await.unwrap_or(Err(NotOnRecord::Late))
    }
}

impl Asked {
    /// Whoever asks next, to be told the number of the last event; for ever where there is no one left to do so.
    pub(super) async fn next(&mut self) -> oneshot::Sender<u64> {
        match self.0.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_passed_once_the_log_says_so_and_never_once_that_has_ended() {
        let (barrier, mut asked) = Barrier::new();
        let log = async { asked.next().await.send(7).expect("it waits") };
        let (passed, ()) = tokio::join!(barrier.passed(), log);
        assert_eq!(passed, Ok(7));
        drop(asked);
        assert_eq!(barrier.passed().await, Err(NotOnRecord::Ended));
    }
}
