//! Watches that an agent continues the session it was told to continue. Some begin a new one instead, without a word and
//! with a success at the end.

use legwork_model::{EventBody, Exit, Failure, FailureReason, OnSessionLost};

use crate::agent::{AgentReport, Decoded, Dialogue, Order};

/// A dialogue that is to be about one session.
pub struct SessionGuard {
    dialogue: Box<dyn Dialogue>,
    expected: String,
    on_lost: OnSessionLost,
    /// Whether another session than the expected one began.
    lost: bool,
}

impl SessionGuard {
    /// Watches that `dialogue` is about the session `expected`.
    pub fn new(dialogue: Box<dyn Dialogue>, expected: String, on_lost: OnSessionLost) -> Self {
        Self { dialogue, expected, on_lost, lost: false }
    }

    /// Looks at what was decoded since there were `before`.
    fn watch(&mut self, before: usize, decoded: &mut Vec<Decoded>) {
        let other = |item: &Decoded| match item {
            Decoded::Event(EventBody::Started { session_id: Some(session), .. }) => *session != self.expected,
            _ => false,
        };
        if self.lost {
            return;
        }
        let Some(at) = decoded[before..].iter().position(other).map(|at| before + at) else { return };
        self.lost = true;
        let told = match self.on_lost {
            OnSessionLost::Fail => Decoded::GiveUp(failure()),
            OnSessionLost::Fresh => {
                let session_id = match &decoded[at] {
                    Decoded::Event(EventBody::Started { session_id, .. }) => session_id.clone(),
                    _ => None,
                };
                let lost_session_id = self.expected.clone();
                Decoded::Event(EventBody::SessionReplaced { lost_session_id, session_id })
            }
        };
        decoded.insert(at + 1, told);
    }
}

fn failure() -> Failure {
    let message = "The agent did not find the session to continue and began another one. Submit the job without \
                   `resumeSession`, or with `onSessionLost: \"fresh\"`.";
    Failure::new(FailureReason::SessionLost, message)
}

impl Dialogue for SessionGuard {
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        let before = decoded.len();
        self.dialogue.stdout(bytes, decoded);
        self.watch(before, decoded);
    }

    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        self.dialogue.stderr(bytes, decoded);
    }

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        self.dialogue.order(order, decoded);
    }

    fn finish(&mut self, exit: Exit, decoded: &mut Vec<Decoded>) -> AgentReport {
        let before = decoded.len();
        let mut report = self.dialogue.finish(exit, decoded);
        self.watch(before, decoded);
        if self.lost && self.on_lost == OnSessionLost::Fail {
            report.verdict = legwork_model::Verdict::Failed(failure());
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Setup, find_agent};
    use legwork_model::{Task, Verdict};

    fn run(on_lost: OnSessionLost, session: &str) -> (String, Verdict) {
        let agent = find_agent("claude-code").expect("the agent");
        let dialogue = agent.dialogue(&Task::default(), &Setup::default());
        let mut guard = SessionGuard::new(dialogue, "wanted".into(), on_lost);
        let mut decoded = Vec::new();
        let lines = format!(
            "{{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"{session}\"}}\n\
             {{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"hi\"}}\n"
        );
        guard.stdout(lines.as_bytes(), &mut decoded);
        let report = guard.finish(Exit { code: Some(0), signal: None }, &mut decoded);
        let kinds = decoded.iter().map(|item| match item {
            Decoded::Event(event) => event.kind(),
            Decoded::GiveUp(_) => "give_up",
            _ => "-",
        });
        (kinds.collect::<Vec<_>>().join(" "), report.verdict)
    }

    #[test]
    fn another_session_fails_the_run_unless_a_fresh_one_is_wanted() {
        let (said, verdict) = run(OnSessionLost::Fail, "other");
        assert_eq!(said, "started give_up turn_ended -");
        assert!(matches!(verdict, Verdict::Failed(failure) if failure.reason == FailureReason::SessionLost));
        let fresh = run(OnSessionLost::Fresh, "other");
        assert_eq!(fresh, ("started session_replaced turn_ended -".into(), Verdict::Succeeded));
        assert_eq!(run(OnSessionLost::Fail, "wanted"), ("started turn_ended -".into(), Verdict::Succeeded));
    }
}
