//! Whether a credential may be used now: one that was refused is left alone until its API said it is good again, or for
//! longer and longer, and then tried by one request alone.

use std::time::Duration;

use legwork_model::Timestamp;

/// How long a credential is left alone after the first failure; each further one doubles it.
const FIRST: Duration = Duration::from_secs(5);
/// The most that it is left alone where the API does not say for how long.
const LONGEST: Duration = Duration::from_secs(300);
/// How long one that was rejected is left alone: only somebody can mend it.
const REJECTED: Duration = Duration::from_secs(600);
/// So many failures of the API in a row open it. A refusal because of limits does so at once.
const FAILURES: u32 = 3;
/// How long one request may try before another may.
const PROBE: Duration = Duration::from_secs(60);

/// Why a credential is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its usage or rate limit is reached.
    Limited,
    /// The API rejects it.
    Rejected,
    /// The API fails, is overloaded, or can't be reached.
    Unavailable,
}

/// Since when and until when a credential is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub cause: Cause,
    /// Until then; it is tried again after.
    pub until: Timestamp,
}

/// What a request told of its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Good,
    Limited(Option<Timestamp>),
    Rejected,
    Unavailable(Option<Timestamp>),
}

/// The state of one credential.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    held: Option<Held>,
    failures: u32,
    /// When a request began to try a credential that was held.
    probed_at: Option<Timestamp>,
}

impl Breaker {
    /// Whether a request may be sent; else until when none is. A credential that was held is tried by one request.
    pub(super) fn admit(&mut self, now: Timestamp) -> Result<(), Held> {
        let Some(held) = self.held else { return Ok(()) };
        let probing = self.probed_at.map(|at| at.plus_millis(millis(PROBE))).filter(|until| *until > now);
        match probing {
            _ if held.until > now => Err(held),
            Some(_) => Err(Held { until: now.plus_millis(millis(FIRST) / 5), ..held }),
            None => {
                self.probed_at = Some(now);
                Ok(())
            }
        }
    }

    /// Why it is held now, without asking to send anything.
    pub(super) fn held(&self, now: Timestamp) -> Option<Held> {
        self.held.filter(|held| held.until > now)
    }

    /// Takes what a request told.
    pub(super) fn note(&mut self, answer: Answer, now: Timestamp) {
        self.probed_at = None;
        let (cause, told, pause) = match answer {
            Answer::Good => {
                *self = Self::default();
                return;
            }
            Answer::Limited(told) => (Cause::Limited, told, self.backoff(1)),
            Answer::Rejected => (Cause::Rejected, None, REJECTED),
            Answer::Unavailable(told) => (Cause::Unavailable, told, self.backoff(FAILURES)),
        };
        self.failures = self.failures.saturating_add(1);
        if cause == Cause::Unavailable && told.is_none() && self.failures < FAILURES && self.held.is_none() {
            return;
        }
        let until = told.filter(|told| *told > now).unwrap_or_else(|| now.plus_millis(millis(pause)));
        self.held = Some(Held { cause, until });
    }

    /// The next pause, where the failure with this number opens it.
    fn backoff(&self, opening: u32) -> Duration {
        let doublings = (self.failures + 1).saturating_sub(opening).min(10);
        LONGEST.min(FIRST * 2_u32.pow(doublings))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_limit_holds_until_the_api_says() {
        let mut breaker = Breaker::default();
        breaker.note(Answer::Limited(Some(at(3_600))), at(0));
        assert_eq!(breaker.admit(at(3_599)), Err(Held { cause: Cause::Limited, until: at(3_600) }));
        assert_eq!(breaker.admit(at(3_600)), Ok(()));
        assert!(breaker.admit(at(3_600)).is_err(), "one request tries it alone");
        breaker.note(Answer::Good, at(3_601));
        assert_eq!((breaker.admit(at(3_601)), breaker.admit(at(3_601))), (Ok(()), Ok(())));
    }

    #[test]
    fn without_a_word_it_is_held_longer_and_longer() {
        let mut breaker = Breaker::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            breaker.note(Answer::Limited(None), at(now));
            let held = breaker.held(at(now)).expect("held");
            pauses.push(held.until.millis_since(at(now)) / 1_000);
            now += 1_000;
            assert_eq!(breaker.admit(at(now)), Ok(()));
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn an_api_may_fail_twice() {
        let mut breaker = Breaker::default();
        breaker.note(Answer::Unavailable(None), at(0));
        breaker.note(Answer::Unavailable(None), at(0));
        assert_eq!(breaker.admit(at(0)), Ok(()));
        breaker.note(Answer::Unavailable(None), at(0));
        assert_eq!(breaker.admit(at(4)), Err(Held { cause: Cause::Unavailable, until: at(5) }));
        breaker.note(Answer::Good, at(5));
        breaker.note(Answer::Unavailable(None), at(6));
        assert_eq!(breaker.admit(at(6)), Ok(()), "the good answer counts");
        breaker.note(Answer::Unavailable(Some(at(30))), at(7));
        assert!(breaker.admit(at(29)).is_err(), "the API said so");
    }

    #[test]
    fn a_request_that_tries_and_is_never_heard_of_again_does_not_hold_it_for_ever() {
        let mut breaker = Breaker::default();
        breaker.note(Answer::Rejected, at(0));
        assert!(breaker.admit(at(599)).is_err());
        assert_eq!(breaker.admit(at(600)), Ok(()));
        assert!(breaker.admit(at(659)).is_err());
        assert_eq!(breaker.admit(at(660)), Ok(()));
    }
}
