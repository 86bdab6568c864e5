//! The dialogue with `codex exec --json`: one prompt, no orders.

use legwork_model::{EventBody, Failure, Task, Usage, Verdict};
use serde_json::Value;

use super::NAME;
use super::accounting::used;
use super::items::{Items, message};
use super::verdict;
use super::wire::{Tokens, TurnError};
use crate::agent::{AgentReport, Decoded};
use crate::ending::without_result;
use crate::fields::{self, Fields, parse};
use crate::lines::{End, Lines, push};

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    continues: bool,
    session_id: Option<String>,
    items: Items,
    failed_calls: u32,
    usage: Option<Usage>,
    answer: Option<String>,
    ended: Option<Result<(), Failure>>,
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        let mut fields: Fields = serde_json::from_slice(line).ok()?;
        let kind = fields.get("type")?.as_str()?.to_owned();
        match kind.as_str() {
            "thread.started" => {
                let session_id = Some(fields.get("thread_id")?.as_str()?.to_owned());
                self.session_id.clone_from(&session_id);
                let started = EventBody::Started { session_id, model: None, tools: Vec::new(), version: None };
                push(decoded, started);
            }
            "turn.started" => {}
            "item.started" => self.items.started(&as_of_the_server(fields.remove("item")?)?, decoded)?,
            "item.completed" => {
                self.items.completed(as_of_the_server(fields.remove("item")?)?, decoded)?;
                self.failed_calls = 0;
            }
            "item.updated" => push(decoded, message(kind, fields)),
            "error" => self.error(fields.get("message")?.as_str()?, decoded),
            "turn.completed" => self.completed(fields.remove("usage"), decoded),
            "turn.failed" => self.failed(&parse(fields.remove("error")?.as_object()?.clone())?, decoded),
            _ => return None,
        }
        Some(())
    }

    fn report(&mut self, end: &End<'_>, _: &mut Vec<Decoded>) -> AgentReport {
        let verdict = match &self.ended {
            Some(Ok(())) => Verdict::Succeeded,
            Some(Err(failure)) => Verdict::Failed(failure.clone()),
            None => Verdict::Failed(self.without_result(end)),
        };
        AgentReport {
            result: self.answer.clone(),
            session_id: self.session_id.clone(),
            usage: self.usage,
            ..AgentReport::bare(verdict)
        }
    }
}

impl Run {
    pub(super) fn new(task: &Task) -> Self {
        Self { continues: task.resume_session.is_some(), ..Self::default() }
    }

    /// A retry, `Reconnecting... 1/5 (why)`, or what the end of the turn says again.
    fn error(&mut self, text: &str, decoded: &mut Vec<Decoded>) {
        let Some(retry) = text.strip_prefix("Reconnecting... ") else {
            return push(decoded, fields::message("error", [("message", text.into())]));
        };
        let (count, why) = retry.split_once(" (").unwrap_or((retry, retry));
        self.failed_calls += 1;
        let why = why.strip_suffix(')').unwrap_or(why).to_owned();
        let error = TurnError { message: count.to_owned(), additional_details: Some(why), ..TurnError::default() };
        push(decoded, verdict::retrying(self.failed_calls, &error));
    }

    fn completed(&mut self, usage: Option<Value>, decoded: &mut Vec<Decoded>) {
        self.answer = self.items.answer.take();
        // It is of the whole thread, with all that was used before a resume, which nobody knows here: better no count than
        // a wrong one.
        let usage = usage.filter(|_| !self.continues).and_then(parse::<Tokens>);
        self.usage = usage.map(used);
        decoded.extend(self.usage.map(|usage| Decoded::Event(EventBody::Usage { model: None, usage, call: None })));
        push(decoded, EventBody::TurnEnded { result: self.answer.clone(), is_error: false });
        decoded.push(Decoded::TurnEnded);
        self.ended = Some(Ok(()));
    }

    fn failed(&mut self, error: &TurnError, decoded: &mut Vec<Decoded>) {
        let failure = verdict::failed(error);
        push(decoded, EventBody::TurnEnded { result: Some(failure.message.clone()), is_error: true });
        decoded.push(Decoded::TurnEnded);
        self.ended = Some(Err(failure));
    }

    /// Before its first line the program tells of what is wrong on its error output alone.
    fn without_result(&self, end: &End<'_>) -> Failure {
        match end.stderr.filter(|line| self.session_id.is_none() && line.contains("no rollout found")) {
            Some(line) => verdict::refused(line, self.continues),
            None => without_result(NAME, end),
        }
    }
}

/// The same item as the server would give it: its names in camel case.
fn as_of_the_server(item: Value) -> Option<Fields> {
    let Value::Object(item) = item else { return None };
    let mut item: Fields = item.into_iter().map(|(name, value)| (camel_case(&name), value)).collect();
    if let Some(Value::String(kind)) = item.get("type") {
        let kind = camel_case(kind);
        item.insert("type".to_owned(), kind.into());
    }
    Some(item)
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name + letters.as_str()
    })
}
