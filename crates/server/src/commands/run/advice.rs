//! What to do about a run that hit one of its limits.

use legwork_model::{FailureReason, Outcome, Verdict};

/// The option or setting that would have let the run go on; `None` where none would.
pub(super) const fn advice(outcome: &Outcome) -> Option<&'static str> {
    let Verdict::Failed(failure) = &outcome.verdict else { return None };
    Some(match failure.reason {
        FailureReason::Timeout => "--timeout SECONDS gives it more time",
        FailureReason::MaxTurns => "--max-turns N gives it more turns",
        FailureReason::BudgetExceeded => {
            "--max-cost DOLLARS gives it more money, where it is not a budget that is used up"
        }
        FailureReason::PermissionDenied => "--allow TOOL lets it use a tool",
        FailureReason::StartTimeout => "start_seconds under [limits] in the settings gives it more time",
        FailureReason::FirstEventTimeout => "first_event_seconds under [limits] in the settings gives it more time",
        FailureReason::SilenceTimeout => "silence_seconds under [limits] in the settings gives it more time",
        FailureReason::ExitTimeout => "exit_seconds under [limits] in the settings gives it more time",
        FailureReason::OutputLimit => "max_output_bytes under [limits] in the settings lets it print more",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_limit_can_be_raised() {
        let advised = |reason| advice(&Outcome::without_run(Verdict::failed(reason, "")));
        assert!(advised(FailureReason::Timeout).is_some_and(|advice| advice.starts_with("--timeout ")));
        assert_eq!(advised(FailureReason::AgentError), None);
        assert_eq!(advice(&Outcome::without_run(Verdict::Succeeded)), None);
        for setting in ["start_seconds", "first_event_seconds", "silence_seconds", "exit_seconds", "max_output_bytes"] {
            let schema = crate::config::Config::schema();
            assert!(schema["$defs"]["LimitSettings"]["properties"][setting].is_object(), "{setting} is no setting");
        }
    }
}
