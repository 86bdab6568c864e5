//! Why somebody outside ends a run, and what its outcome then says.

use legwork_model::{Failure, FailureReason, Verdict};

/// Why somebody outside ends a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A person or a program asked for it.
    Cancelled {
        /// Who or what asked.
        message: String,
    },
    /// Another worker holds the run now; whatever this one still finds out is discarded.
    LeaseLost,
    /// The server ends and can't leave the agent running.
    Shutdown,
    /// The server ends and leaves the run to its supervisor; one that has none is ended.
    Leave,
    /// A limit that is watched outside the runner was reached.
    Failed(Failure),
}

impl StopReason {
    /// What the outcome says.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Cancelled { message } => Verdict::Cancelled { message },
            Self::LeaseLost => {
                Verdict::failed(FailureReason::Lost, "Another worker took the run over; this one ended its agent.")
            }
            Self::Shutdown | Self::Leave => {
                Verdict::failed(FailureReason::Lost, "The server was shut down while the agent worked.")
            }
            Self::Failed(failure) => Verdict::Failed(failure),
        }
    }
}

/// The reason as a `stopping` event tells it.
pub(crate) fn reason_of(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Failed(failure) => failure.reason.as_str().to_owned(),
        Verdict::Cancelled { .. } | Verdict::Succeeded => "cancelled".to_owned(),
    }
}
