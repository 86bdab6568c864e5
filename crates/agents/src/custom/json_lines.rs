//! An agent that prints a JSON object a line, read by paths of the operator's.

use legwork_model::{EventBody, Failure, FailureReason, Usage, Verdict};
use serde_json::Value;

use super::path::{Condition, Path};
use super::settings::{JsonLines, UsageCount};
use crate::agent::{AgentReport, Decoded};
use crate::ending::{reported, without_result};
use crate::fields::message;
use crate::lines::{End, Lines, push};

/// The paths, ready to be followed.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    text: Path,
    text_if: Option<Condition>,
    session: Option<Path>,
    input_tokens: Option<Path>,
    output_tokens: Option<Path>,
    usage_count: UsageCount,
    error: Option<Path>,
    done_if: Option<Condition>,
}

impl Reader {
    /// Or the field that is wrong, and what is wrong with it.
    pub(super) fn new(lines: &JsonLines) -> Result<Self, (&'static str, String)> {
        let path = |field, text: &Option<String>| {
            text.as_deref().map(Path::parse).transpose().map_err(|problem| (field, problem))
        };
        let condition = |field, text: &Option<String>| {
            text.as_deref().map(Condition::parse).transpose().map_err(|problem| (field, problem))
        };
        Ok(Self {
            text: path("output.text", &lines.text)?.ok_or(("output.text", "is missing".to_owned()))?,
            text_if: condition("output.textIf", &lines.text_if)?,
            session: path("output.session", &lines.session)?,
            input_tokens: path("output.inputTokens", &lines.input_tokens)?,
            output_tokens: path("output.outputTokens", &lines.output_tokens)?,
            usage_count: lines.usage_count,
            error: path("output.error", &lines.error)?,
            done_if: condition("output.doneIf", &lines.done_if)?,
        })
    }

    /// Whether tokens are told.
    pub(super) fn counts(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }

    fn text(&self, line: &Value) -> Option<String> {
        let looked_at = self.text_if.as_ref().is_none_or(|condition| condition.holds(line));
        self.text.get(line)?.as_str().filter(|text| looked_at && !text.is_empty()).map(str::to_owned)
    }

    fn session(&self, line: &Value) -> Option<String> {
        self.session.as_ref()?.get(line)?.as_str().map(str::to_owned)
    }

    fn usage(&self, line: &Value) -> Option<Usage> {
        let count = |path: &Option<Path>| path.as_ref().and_then(|path| path.get(line)).and_then(Value::as_u64);
        let (input, output) = (count(&self.input_tokens), count(&self.output_tokens));
        input.or(output).map(|_| Usage {
            input_tokens: input.unwrap_or_default(),
            output_tokens: output.unwrap_or_default(),
            ..Usage::default()
        })
    }

    fn error(&self, line: &Value) -> Option<String> {
        match self.error.as_ref()?.get(line)? {
            Value::Bool(false) => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }
}

/// What is known of the run so far.
#[derive(Debug)]
pub(super) struct Run {
    agent: String,
    reader: Reader,
    begun: bool,
    session_id: Option<String>,
    usage: Option<Usage>,
    answer: Option<String>,
    error: Option<String>,
    done: bool,
}

impl Run {
    pub(super) fn new(agent: &str, reader: Reader) -> Self {
        Self {
            agent: agent.to_owned(),
            reader,
            begun: false,
            session_id: None,
            usage: None,
            answer: None,
            error: None,
            done: false,
        }
    }

    fn judge(&self, end: &End<'_>) -> Verdict {
        let ended_well = end.exit.code == Some(0) && (self.done || self.reader.done_if.is_none()) && !end.cut_line;
        match &self.error {
            Some(error) => Verdict::Failed(reported(&self.agent, error)),
            None if ended_well => Verdict::Succeeded,
            None if self.done => Verdict::Failed(Failure::new(
                FailureReason::ExitNonzero,
                format!("{} called itself done but did not end well{}", self.agent, saying(end)),
            )),
            None => Verdict::Failed(without_result(&self.agent, end)),
        }
    }
}

fn saying(end: &End<'_>) -> String {
    end.stderr.map_or_else(|| ".".to_owned(), |line| format!(": {line}"))
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        let value: Value = serde_json::from_slice(line).ok()?;
        let Value::Object(fields) = &value else { return None };
        if let Some(session) = self.reader.session(&value).filter(|session| Some(session) != self.session_id.as_ref()) {
            self.session_id = Some(session);
            self.begun = false;
        }
        if !self.begun {
            self.begun = true;
            let session_id = self.session_id.clone();
            push(decoded, EventBody::Started { session_id, model: None, tools: Vec::new(), version: None });
        }
        if let Some(text) = self.reader.text(&value) {
            self.answer = Some(text.clone());
            push(decoded, EventBody::Text { text, parent_tool_call_id: None });
        } else {
            let topic = fields.get("type").and_then(Value::as_str).unwrap_or("line");
            push(decoded, message(topic, fields.clone()));
        }
        if let Some(usage) = self.reader.usage(&value) {
            let sum = self.reader.usage_count == UsageCount::Sum;
            self.usage = Some(if sum { self.usage.unwrap_or_default() + usage } else { usage });
        }
        self.error = self.reader.error(&value).or(self.error.take());
        if !self.done && self.reader.done_if.as_ref().is_some_and(|condition| condition.holds(&value)) {
            self.done = true;
            decoded.push(Decoded::TurnEnded);
        }
        Some(())
    }

    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport {
        let verdict = self.judge(end);
        if let Some(usage) = self.usage {
            push(decoded, EventBody::Usage { model: None, usage, call: None });
        }
        let is_error = verdict != Verdict::Succeeded;
        push(decoded, EventBody::TurnEnded { result: self.answer.clone(), is_error });
        AgentReport {
            result: self.answer.clone(),
            session_id: self.session_id.clone(),
            usage: self.usage,
            ..AgentReport::bare(verdict)
        }
    }
}
