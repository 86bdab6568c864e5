//! Every wait of a run has a deadline; this says which comes next. No clock in here: moments come in.

use std::time::Duration;

use legwork_model::{Failure, FailureReason, Limits};
use tokio::time::Instant;

/// The deadlines of one run.
#[derive(Debug)]
pub(crate) struct Deadlines {
    limits: Limits,
    started: Instant,
    last_output: Instant,
    stage: Stage,
    /// Since when nobody is waited for but a person, who has a deadline elsewhere. Such time does not count.
    paused: Option<Instant>,
}

/// What the agent is expected to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To print its first line.
    Opening,
    /// To go on printing, or to say that it is finished.
    Working,
    /// Nothing, until it gets another message.
    Idle { since: Instant, until: Option<Instant> },
    /// To leave.
    Leaving { since: Instant },
}

impl Deadlines {
    /// Those of a process that was started at `started`.
    pub(crate) fn new(limits: Limits, started: Instant) -> Self {
        Self { limits, started, last_output: started, stage: Stage::Opening, paused: None }
    }

    /// The agent printed something.
    pub(crate) fn output(&mut self, now: Instant) {
        self.last_output = now;
    }

    /// What it printed made sense.
    pub(crate) fn decoded(&mut self) {
        if self.stage == Stage::Opening {
            self.stage = Stage::Working;
        }
    }

    /// The agent said that it is finished.
    pub(crate) fn turn_ended(&mut self, now: Instant) {
        self.resume(now);
        self.stage = Stage::Leaving { since: now };
    }

    /// The agent said that it is finished, and may get another message for `long`.
    pub(crate) fn idle(&mut self, now: Instant, long: Duration) {
        self.resume(now);
        self.stage = Stage::Idle { since: now, until: now.checked_add(long) };
    }

    /// The agent has something to do again. The time in which it had nothing does not count.
    pub(crate) fn working(&mut self, now: Instant) {
        if let Stage::Idle { since, .. } = self.stage {
            self.started += now - since;
        }
        if self.stage != Stage::Opening {
            self.stage = Stage::Working;
        }
        self.last_output = now;
    }

    /// Whether the agent has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle { .. })
    }

    /// Whether no message came while the agent had nothing to do.
    pub(crate) fn idled(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Idle { until: Some(until), .. } if until <= now)
    }

    /// A person is asked.
    pub(crate) fn pause(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// The person has answered.
    pub(crate) fn resume(&mut self, now: Instant) {
        if let Some(since) = self.paused.take() {
            self.started += now - since;
            self.last_output = now;
        }
    }

    /// When to look next; `None` where that is beyond what a clock can tell.
    pub(crate) fn next(&self) -> Option<Instant> {
        if let Stage::Idle { until, .. } = self.stage {
            return until;
        }
        self.all().into_iter().flatten().map(|(at, _)| at).min()
    }

    /// The deadline that has passed.
    pub(crate) fn passed(&self, now: Instant) -> Option<Failure> {
        let (_, reason) = self.all().into_iter().flatten().filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at)?;
        Some(Failure::new(reason, self.message(reason)))
    }

    fn all(&self) -> [Option<(Instant, FailureReason)>; 3] {
        if self.paused.is_some() || matches!(self.stage, Stage::Idle { .. }) {
            return [None; 3];
        }
        let limits = &self.limits;
        let opening = (self.stage == Stage::Opening)
            .then(|| after(self.started, limits.first_event_seconds, FailureReason::FirstEventTimeout))
            .flatten();
        let quiet = match self.stage {
            Stage::Leaving { since } => after(since, limits.exit_seconds, FailureReason::ExitTimeout),
            _ => after(self.last_output, limits.silence_seconds, FailureReason::SilenceTimeout),
        };
        [after(self.started, limits.timeout_seconds, FailureReason::Timeout), opening, quiet]
    }

    fn message(&self, reason: FailureReason) -> String {
        let limits = &self.limits;
        match reason {
            FailureReason::FirstEventTimeout => {
                format!("The agent was started but said nothing for {} s.", limits.first_event_seconds)
            }
            FailureReason::SilenceTimeout => format!("The agent fell silent for {} s.", limits.silence_seconds),
            FailureReason::ExitTimeout => {
                format!("The agent gave its answer but its process did not leave within {} s.", limits.exit_seconds)
            }
            _ => format!("The run took longer than its limit of {} s.", limits.timeout_seconds),
        }
    }
}

fn after(start: Instant, seconds: u64, reason: FailureReason) -> Option<(Instant, FailureReason)> {
    start.checked_add(Duration::from_secs(seconds)).map(|at| (at, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: [u64; 4] = [100, 10, 20, 5];

    fn limits([timeout, first, silence, exit]: [u64; 4]) -> Limits {
        Limits {
            timeout_seconds: timeout,
            first_event_seconds: first,
            silence_seconds: silence,
            exit_seconds: exit,
            ..Limits::default()
        }
    }

    /// Seconds after the start and what happens then.
    #[derive(Clone, Copy)]
    enum Step {
        Output(u64),
        Decoded(u64),
        Ended(u64),
    }

    #[test]
    fn each_wait_has_its_own_reason() {
        use FailureReason::{ExitTimeout, FirstEventTimeout, SilenceTimeout, Timeout};
        use Step::{Decoded, Ended, Output};
        let table: [(&[Step], u64, FailureReason); 6] = [
            (&[], 10, FirstEventTimeout),
            (&[Output(9)], 10, FirstEventTimeout),
            (&[Decoded(9)], 29, SilenceTimeout),
            (&[Decoded(9), Output(15)], 35, SilenceTimeout),
            (&[Decoded(9), Ended(15), Output(16)], 20, ExitTimeout),
            (&[Decoded(9), Output(85)], 100, Timeout),
        ];
        for (steps, due, reason) in table {
            let start = Instant::now();
            let at = |seconds| start + Duration::from_secs(seconds);
            let mut deadlines = Deadlines::new(limits(LIMITS), start);
            for step in steps {
                match *step {
                    Output(seconds) => deadlines.output(at(seconds)),
                    Decoded(seconds) => {
                        deadlines.output(at(seconds));
                        deadlines.decoded();
                    }
                    Ended(seconds) => deadlines.turn_ended(at(seconds)),
                }
            }
            assert_eq!(deadlines.next(), Some(at(due)), "{reason:?}");
            assert_eq!(deadlines.passed(at(due - 1)), None, "{reason:?}");
            assert_eq!(deadlines.passed(at(due)).map(|failure| failure.reason), Some(reason));
        }
    }

    #[test]
    fn a_limit_beyond_the_end_of_time_never_passes() {
        let start = Instant::now();
        let deadlines = Deadlines::new(limits([u64::MAX; 4]), start);
        assert_eq!(deadlines.next(), None);
    }
}
