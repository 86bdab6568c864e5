//! How the process says how the run went.

use legwork_model::{FailureReason, Outcome, Verdict};

/// The run was cancelled: what a shell reports of a process that was interrupted.
pub(super) const CANCELLED: u8 = 130;
/// One of the run's time limits passed: what timeout(1) exits with.
const TIMED_OUT: u8 = 124;
/// The run failed.
pub(super) const FAILED: u8 = 1;

/// The exit code that goes with an outcome.
pub(super) const fn code_of(outcome: &Outcome) -> u8 {
    match &outcome.verdict {
        Verdict::Succeeded => 0,
        Verdict::Cancelled { .. } => CANCELLED,
        Verdict::Failed(failure) => match failure.reason {
            FailureReason::Timeout
            | FailureReason::StartTimeout
            | FailureReason::FirstEventTimeout
            | FailureReason::SilenceTimeout
            | FailureReason::ExitTimeout => TIMED_OUT,
            _ => FAILED,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_can_tell_how_it_went() {
        let failed = |reason| Verdict::failed(reason, "");
        for (verdict, code) in [
            (Verdict::Succeeded, 0),
            (Verdict::Cancelled { message: String::new() }, 130),
            (failed(FailureReason::ApiError), 1),
            (failed(FailureReason::BudgetExceeded), 1),
            (failed(FailureReason::Timeout), 124),
            (failed(FailureReason::StartTimeout), 124),
            (failed(FailureReason::FirstEventTimeout), 124),
            (failed(FailureReason::SilenceTimeout), 124),
            (failed(FailureReason::ExitTimeout), 124),
        ] {
            assert_eq!(code_of(&Outcome::without_run(verdict.clone())), code, "{verdict:?}");
        }
    }
}
