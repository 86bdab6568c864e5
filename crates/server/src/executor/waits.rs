//! Whether a run that met a limit waits for its end instead of failing.

use legwork_agents::Agent;
use legwork_model::{Failure, FailureReason, OnLimit, Outcome, Task, Timestamp, Verdict, WaitReason, Waiting};

use super::execute::{Executor, Model};
use crate::store::ExecutionRecord;

/// What an agent is told that goes on where a limit had stopped it.
pub(super) const GO_ON: &str = "You were interrupted by a limit that is over now. Go on where you were.";

/// How long is waited at the least from the second time on; each further time doubles it.
const LEAST: i64 = 30_000;
const LEAST_AT_MOST: i64 = 60 * 60 * 1_000;
/// How long is waited where nobody says for how long.
const UNTOLD: i64 = 5 * 60 * 1_000;
const HOUR: u64 = 60 * 60 * 1_000;

impl Executor {
    /// What a run waits for that ended with `outcome`; nothing where it is over. `hindrance` is what keeps it from its models.
    pub(super) fn waits(
        &self,
        record: &ExecutionRecord,
        agent: &dyn Agent,
        outcome: &Outcome,
        hindrance: Option<Waiting>,
    ) -> Option<Waiting> {
        let Verdict::Failed(failure) = &outcome.verdict else { return None };
        let own =
            self.model != Model::Configured || self.vault.of(record.id).is_some_and(|own| own.credential.is_some());
        let asked = reason_to_wait(failure, hindrance, own)?;
        let can_go_on = agent.capabilities().resume && outcome.session_id.is_some();
        let has_done_nothing = outcome.metered.is_none() && outcome.usage.is_none_or(|usage| usage.output_tokens == 0);
        if record.task.on_limit == OnLimit::Fail || !(can_go_on || has_done_nothing) {
            return None;
        }
        let now = self.clock.now();
        let until = match (asked.reason, asked.until) {
            (WaitReason::Budget, until) => until,
            (_, until) => Some(at_least(until, record.parks, now)),
        };
        let most = i64::try_from(self.config.gateway.wait_hours.saturating_mul(HOUR)).unwrap_or(i64::MAX);
        let last = record.created_at.plus_millis(most);
        (now < last && until.is_none_or(|until| until < last)).then_some(Waiting { until, ..asked })
    }
}

/// `own` is whether the run pays with what is its alone: nobody but its caller can mend that, and what is rehearsed is to be seen.
fn reason_to_wait(failure: &Failure, hindrance: Option<Waiting>, own: bool) -> Option<Waiting> {
    match (failure.reason, hindrance) {
        (FailureReason::BudgetExceeded, Some(waiting)) if waiting.reason == WaitReason::Budget => Some(waiting),
        _ if own => None,
        (FailureReason::UsageLimit, Some(waiting)) if waiting.reason != WaitReason::Budget => Some(waiting),
        (FailureReason::UsageLimit, _) => {
            Some(Waiting { reason: WaitReason::UsageLimit, until: told_in(&failure.message) })
        }
        (FailureReason::ApiError | FailureReason::CredentialsRejected, Some(waiting))
            if waiting.reason != WaitReason::Budget =>
        {
            Some(waiting)
        }
        _ => None,
    }
}

/// The moment that the program's own message names: `…limit reached|1760000000`.
fn told_in(message: &str) -> Option<Timestamp> {
    let digits: String = message.split('|').nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    let seconds: i64 = digits.parse().ok().filter(|_| digits.len() == 10)?;
    Some(Timestamp::from_millis(seconds * 1_000))
}

/// When it is tried again that has waited `parks` times: what is met again and again is tried less and less often.
fn at_least(until: Option<Timestamp>, parks: u32, now: Timestamp) -> Timestamp {
    let until = until.unwrap_or_else(|| now.plus_millis(UNTOLD));
    let least = match parks {
        0 => 0,
        again => LEAST.saturating_mul(1 << (again - 1).min(10)).min(LEAST_AT_MOST),
    };
    until.max(now.plus_millis(least))
}

/// What an execution does now: its task, or what is left of it where it has waited and has a session.
pub(super) fn task_of(record: &ExecutionRecord) -> Task {
    let task = record.task.clone();
    match &record.session_id {
        Some(session) if record.parks > 0 => {
            Task { prompt: GO_ON.to_owned(), resume_session: Some(session.clone()), fork_session: false, ..task }
        }
        _ => task,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_again_is_tried_less_often() {
        let now = Timestamp::from_millis(1_000_000);
        let waits = |until: Option<i64>, parks| {
            at_least(until.map(|until| now.plus_millis(until)), parks, now).millis_since(now) / 1_000
        };
        assert_eq!((waits(Some(1_000), 0), waits(Some(-5_000), 0), waits(None, 0)), (1, 0, 300));
        assert_eq!((waits(Some(1_000), 1), waits(Some(1_000), 3), waits(Some(1_000), 40)), (30, 120, 3_600));
        assert_eq!(waits(Some(7_200_000), 40), 7_200);
    }

    #[test]
    fn a_program_may_name_the_moment_itself() {
        let told = |message| told_in(message).map(|told| told.as_millis() / 1_000);
        assert_eq!(told("Claude AI usage limit reached|1760000000"), Some(1_760_000_000));
        assert_eq!(told("reached|1760000000 seconds"), Some(1_760_000_000));
        for none in ["usage limit reached", "a|b", "a|17600000001", "a|"] {
            assert_eq!(told(none), None, "{none}");
        }
    }
}
