//! The states of an execution and the only ways from one to the next.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::outcome::Verdict;

/// Where an execution stands. `queued -> running -> succeeded | failed | cancelled`; a queued one can be cancelled, and
/// a running one goes back to `queued` whose worker was lost before the agent did anything, or that waits for a limit to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Recorded, waits for a slot of its lane.
    Queued,
    /// Claimed by a worker that holds its lease.
    Running,
    /// The agent said so itself, in a run nobody stopped.
    Succeeded,
    /// Ended any other way; the outcome says why.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
}

/// Something that moves an execution from one state to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition<'a> {
    /// A worker takes it.
    Claim,
    /// The worker was lost before the agent had produced anything, or the run waits for more than a slot.
    Requeue,
    /// It ended.
    Finish(&'a Verdict),
}

/// A transition that the present state does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an execution that is {from:?} can't take this step")]
pub struct InvalidTransition {
    /// The state it is in.
    pub from: ExecutionState,
}

impl ExecutionState {
    /// All states, in the order of life.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether nothing can happen to it any more.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state named so; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state after `transition`.
    ///
    /// # Errors
    /// Where the present state does not have that transition.
    pub fn after(self, transition: Transition<'_>) -> Result<Self, InvalidTransition> {
        match (self, transition) {
            (Self::Queued, Transition::Claim) => Ok(Self::Running),
            (Self::Running, Transition::Requeue) => Ok(Self::Queued),
            (Self::Running, Transition::Finish(verdict)) => Ok(verdict.state()),
            // Nobody worked on it, so it can't have succeeded.
            (Self::Queued, Transition::Finish(verdict)) if !matches!(verdict, Verdict::Succeeded) => {
                Ok(verdict.state())
            }
            (from, _) => Err(InvalidTransition { from }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{Failure, FailureReason};

    fn verdicts() -> [Verdict; 3] {
        let failure = Failure::new(FailureReason::Timeout, "too slow");
        [Verdict::Succeeded, Verdict::Failed(failure), Verdict::Cancelled { message: "asked".into() }]
    }

    proptest! {
        #[test]
        fn whatever_happens_an_execution_ends_at_most_once(steps in prop::collection::vec(0..5usize, 0..40)) {
            let verdicts = verdicts();
            let mut state = ExecutionState::Queued;
            let mut ends = 0;
            for step in steps {
                let transition = match step {
                    0 => Transition::Claim,
                    1 => Transition::Requeue,
                    n => Transition::Finish(&verdicts[n - 2]),
                };
                let before = state;
                match state.after(transition) {
                    Ok(next) => state = next,
                    Err(refused) => prop_assert_eq!(refused.from, before),
                }
                ends += usize::from(!before.is_finished() && state.is_finished());
                prop_assert!(!before.is_finished() || state == before, "a finished execution moved");
            }
            prop_assert!(ends <= 1);
        }
    }

    #[test]
    fn names_read_back() {
        for state in ExecutionState::ALL {
            assert_eq!(ExecutionState::parse(state.as_str()), Some(state));
        }
        assert_eq!(ExecutionState::parse("done"), None);
    }
}
