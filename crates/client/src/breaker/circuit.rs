//! The states of a circuit, without a clock or calls of its own.

use std::collections::VecDeque;
use std::time::Duration;

use legwork_model::Timestamp;

use super::{BreakerRules, Change};

/// A circuit and what it remembers.
pub(super) struct Circuit {
    rules: BreakerRules,
    state: State,
    /// Counts the changes, so that a call which began before one says nothing about what is now.
    era: u64,
}

enum State {
    Closed { ended: VecDeque<Ended> },
    Open { until: Timestamp },
    HalfOpen { trying: bool },
}

struct Ended {
    at: Timestamp,
    failed: bool,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    era: u64,
}

/// What a call says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Worked,
    Failed,
    Neither,
}

impl Circuit {
    pub(super) const fn new(rules: BreakerRules) -> Self {
        Self { rules, state: State::Closed { ended: VecDeque::new() }, era: 0 }
    }

    /// Lets a call through, or says how long calls are refused; `None` where a trial is under way.
    pub(super) fn enter(&mut self, now: Timestamp) -> Result<(Turn, Option<Change>), Option<Duration>> {
        let change = match &mut self.state {
            State::Closed { .. } => None,
            State::Open { until } => {
                // Where the clock went back, the rest of the wait is no longer than the whole.
                *until = (*until).min(now.plus_millis(millis(self.rules.open_for)));
                let rest = until.millis_since(now);
                if rest > 0 {
                    return Err(Some(Duration::from_millis(rest)));
                }
                Some(self.become_state(State::HalfOpen { trying: true }, Change::HalfOpened))
            }
            State::HalfOpen { trying: true } => return Err(None),
            State::HalfOpen { trying } => {
                *trying = true;
                None
            }
        };
        Ok((Turn { era: self.era }, change))
    }

    /// Hears how a call ended.
    pub(super) fn leave(&mut self, turn: Turn, verdict: Verdict, now: Timestamp) -> Option<Change> {
        if turn.era != self.era {
            return None;
        }
        match (&mut self.state, verdict) {
            (State::Closed { ended }, Verdict::Worked | Verdict::Failed) => {
                ended.push_back(Ended { at: now, failed: verdict == Verdict::Failed });
                forget(ended, now, self.rules.window);
                let opens = is_too_much(ended, &self.rules);
                opens.then(|| self.open(now))
            }
            (State::HalfOpen { .. }, Verdict::Worked) => {
                Some(self.become_state(State::Closed { ended: VecDeque::new() }, Change::Closed))
            }
            (State::HalfOpen { .. }, Verdict::Failed) => Some(self.open(now)),
            (State::HalfOpen { trying }, Verdict::Neither) => {
                *trying = false;
                None
            }
            (State::Closed { .. }, Verdict::Neither) | (State::Open { .. }, _) => None,
        }
    }

    fn open(&mut self, now: Timestamp) -> Change {
        let until = now.plus_millis(millis(self.rules.open_for));
        self.become_state(State::Open { until }, Change::Opened)
    }

    fn become_state(&mut self, state: State, change: Change) -> Change {
        self.state = state;
        self.era += 1;
        change
    }
}

fn forget(ended: &mut VecDeque<Ended>, now: Timestamp, window: Duration) {
    let begin = now.plus_millis(-millis(window));
    while ended.front().is_some_and(|oldest| oldest.at <= begin) {
        ended.pop_front();
    }
}

fn is_too_much(ended: &VecDeque<Ended>, rules: &BreakerRules) -> bool {
    let (calls, failed) = (ended.len() as u64, ended.iter().filter(|call| call.failed).count() as u64);
    calls >= u64::from(rules.minimum_calls) && failed > 0 && failed * 100 >= calls * u64::from(rules.error_percent)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + second * 1000)
    }

    /// Each letter is a call: `w` worked, `f` failed, `n` is neither, `.` is ten seconds without one.
    fn opens_after(calls: &str) -> Option<usize> {
        let mut circuit = Circuit::new(BreakerRules::default());
        let mut second = 0;
        calls.chars().position(|call| {
            let verdict = match call {
                'w' => Verdict::Worked,
                'f' => Verdict::Failed,
                'n' => Verdict::Neither,
                _ => {
                    second += 10;
                    return false;
                }
            };
            let (turn, _) = circuit.enter(at(second)).unwrap();
            circuit.leave(turn, verdict, at(second)) == Some(Change::Opened)
        })
    }

    #[test]
    fn half_of_ten_calls_within_a_minute_open_it() {
        for (calls, opened) in [
            ("fffffffff", None),
            ("ffffffffff", Some(9)),
            ("wwwwwfffff", Some(9)),
            ("wwwwwwffff", None),
            ("wwwwwwffffff", Some(11)),
            ("fffffnnnnnn", None),
            ("fffff......wwwwwfff", None),
            ("fffff.....wwwww", Some(14)),
        ] {
            assert_eq!(opens_after(calls), opened, "{calls}");
        }
    }

    #[test]
    fn what_began_before_the_change_says_nothing_after_it() {
        let mut circuit = Circuit::new(BreakerRules { minimum_calls: 1, ..BreakerRules::default() });
        let (early, _) = circuit.enter(at(0)).unwrap();
        let (failing, _) = circuit.enter(at(0)).unwrap();
        assert_eq!(circuit.leave(failing, Verdict::Failed, at(1)), Some(Change::Opened));
        let (trial, change) = circuit.enter(at(31)).unwrap();
        assert_eq!(change, Some(Change::HalfOpened));
        assert_eq!(circuit.leave(early, Verdict::Worked, at(32)), None);
        assert!(circuit.enter(at(32)).is_err(), "the trial goes on");
        assert_eq!(circuit.leave(trial, Verdict::Worked, at(33)), Some(Change::Closed));
    }

    #[test]
    fn a_clock_that_goes_back_keeps_it_open_no_longer_than_once_more() {
        let mut circuit = Circuit::new(BreakerRules { minimum_calls: 1, ..BreakerRules::default() });
        let (turn, _) = circuit.enter(at(0)).unwrap();
        circuit.leave(turn, Verdict::Failed, at(0));
        assert_eq!(circuit.enter(at(-500)).err(), Some(Some(Duration::from_secs(30))));
        assert!(circuit.enter(at(-470)).is_ok());
    }
}
