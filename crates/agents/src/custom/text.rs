//! An agent that prints its answer, and tells by its exit code alone how it went.

use legwork_model::{EventBody, Verdict};

use crate::agent::{AgentReport, Decoded};
use crate::ending::without_result;
use crate::lines::{End, Lines, push};
use crate::speech::Speech;

/// What it has said so far.
#[derive(Debug)]
pub(super) struct Run {
    agent: String,
    speech: Speech,
    begun: bool,
}

impl Run {
    pub(super) fn new(agent: &str) -> Self {
        Self { agent: agent.to_owned(), speech: Speech::default(), begun: false }
    }
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        if !self.begun {
            self.begun = true;
            push(decoded, EventBody::Started { session_id: None, model: None, tools: Vec::new(), version: None });
        }
        self.speech.say(&String::from_utf8_lossy(line), decoded);
        self.speech.say("\n", decoded);
        Some(())
    }

    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport {
        let answer = self.speech.ended(decoded).map(|answer| answer.text.trim_end().to_owned());
        let succeeded = end.exit.code == Some(0) && !end.cut_line;
        let verdict = if succeeded { Verdict::Succeeded } else { Verdict::Failed(without_result(&self.agent, end)) };
        push(decoded, EventBody::TurnEnded { result: answer.clone(), is_error: !succeeded });
        AgentReport { result: answer, ..AgentReport::bare(verdict) }
    }
}
