//! The dialogue with `codex exec --json`: one prompt, no orders.

use legwork_model::{EventBody, Exit, Failure, Task, Usage, Verdict};
use serde_json::Value;

use super::accounting::used;
use super::app_server::retrying;
use super::items::{Items, message};
use super::verdict;
use super::wire::{Fields, Tokens, TurnError, parse};
use crate::agent::{AgentReport, Decoded, Dialogue};
use crate::ending::without_result;
use crate::framing::{Line, LineSplitter};
use crate::lines::End;
use crate::stderr::StderrLines;

/// The dialogue with one process.
#[derive(Debug)]
pub(super) struct ExecDialogue {
    stdout: LineSplitter,
    stderr: StderrLines,
    run: Run,
}

#[derive(Debug, Default)]
struct Run {
    continues: bool,
    session_id: Option<String>,
    items: Items,
    failed_calls: u32,
    usage: Option<Usage>,
    answer: Option<String>,
    ended: Option<Result<(), Failure>>,
    cut_line: bool,
}

impl ExecDialogue {
    pub(super) fn new(task: &Task) -> Self {
        let run = Run { continues: task.resume_session.is_some(), ..Run::default() };
        Self { stdout: LineSplitter::default(), stderr: StderrLines::default(), run }
    }
}

impl Dialogue for ExecDialogue {
    fn stdout(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        let Self { stdout, run, .. } = self;
        stdout.push(bytes, |line| run.line(line, decoded));
    }

    fn stderr(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        self.stderr.push(bytes, decoded);
    }

    fn finish(&mut self, exit: Exit, decoded: &mut Vec<Decoded>) -> AgentReport {
        let Self { stdout, stderr, run } = self;
        stdout.finish(|line| run.line(line, decoded));
        stderr.finish(decoded);
        run.report(stderr.last(), exit)
    }
}

impl Run {
    fn line(&mut self, line: Line<'_>, decoded: &mut Vec<Decoded>) {
        let mut events = Vec::new();
        let understood = !line.truncated && self.read(line.bytes, &mut events).is_some();
        if !understood {
            self.cut_line |= line.truncated;
            let text = String::from_utf8_lossy(line.bytes).into_owned();
            events = vec![EventBody::Unparsed { line: text, truncated: line.truncated }];
        }
        let ended = events.iter().any(|event| matches!(event, EventBody::TurnEnded { .. }));
        decoded.extend(events.into_iter().map(Decoded::Event));
        decoded.extend(ended.then_some(Decoded::TurnEnded));
    }

    /// `None` for a line that is not understood.
    fn read(&mut self, line: &[u8], events: &mut Vec<EventBody>) -> Option<()> {
        let mut fields: Fields = serde_json::from_slice(line).ok()?;
        let kind = fields.get("type")?.as_str()?.to_owned();
        match kind.as_str() {
            "thread.started" => {
                let session_id = Some(fields.get("thread_id")?.as_str()?.to_owned());
                self.session_id.clone_from(&session_id);
                events.push(EventBody::Started { session_id, model: None, tools: Vec::new(), version: None });
            }
            "turn.started" => {}
            "item.started" => self.items.started(&as_of_the_server(fields.remove("item")?)?, events)?,
            "item.completed" => {
                self.items.completed(as_of_the_server(fields.remove("item")?)?, events)?;
                self.failed_calls = 0;
            }
            "item.updated" => events.push(message(kind, fields)),
            "error" => self.error(fields.get("message")?.as_str()?, events),
            "turn.completed" => self.completed(fields.remove("usage"), events),
            "turn.failed" => self.failed(&parse(fields.remove("error")?.as_object()?.clone())?, events),
            _ => return None,
        }
        Some(())
    }

    /// A retry, `Reconnecting... 1/5 (why)`, or what the end of the turn says again.
    fn error(&mut self, text: &str, events: &mut Vec<EventBody>) {
        let Some(retry) = text.strip_prefix("Reconnecting... ") else {
            let fields = [("message".to_owned(), Value::from(text))];
            return events.push(message("error".to_owned(), fields.into_iter().collect()));
        };
        let (count, why) = retry.split_once(" (").unwrap_or((retry, retry));
        self.failed_calls += 1;
        let why = why.strip_suffix(')').unwrap_or(why).to_owned();
        let error = TurnError { message: count.to_owned(), additional_details: Some(why), ..TurnError::default() };
        events.push(retrying(self.failed_calls, &error));
    }

    fn completed(&mut self, usage: Option<Value>, events: &mut Vec<EventBody>) {
        self.answer = self.items.answer.take();
        // It is of the whole thread, with all that was used before a resume, which nobody knows here: better no count than
        // a wrong one.
        let usage = usage.filter(|_| !self.continues).and_then(|usage| serde_json::from_value::<Tokens>(usage).ok());
        self.usage = usage.map(used);
        events.extend(self.usage.map(|usage| EventBody::Usage { model: None, usage }));
        events.push(EventBody::TurnEnded { result: self.answer.clone(), is_error: false });
        self.ended = Some(Ok(()));
    }

    fn failed(&mut self, error: &TurnError, events: &mut Vec<EventBody>) {
        let failure = verdict::failed(error);
        events.push(EventBody::TurnEnded { result: Some(failure.message.clone()), is_error: true });
        self.ended = Some(Err(failure));
    }

    fn report(&self, stderr: Option<&str>, exit: Exit) -> AgentReport {
        let verdict = match &self.ended {
            Some(Ok(())) => Verdict::Succeeded,
            Some(Err(failure)) => Verdict::Failed(failure.clone()),
            None => Verdict::Failed(self.without_result(stderr, exit)),
        };
        AgentReport {
            verdict,
            result: self.answer.clone(),
            session_id: self.session_id.clone(),
            usage: self.usage,
            cost_usd: None,
            turns: None,
        }
    }

    /// Before its first line the program tells of what is wrong on its error output alone.
    fn without_result(&self, stderr: Option<&str>, exit: Exit) -> Failure {
        match stderr.filter(|line| self.session_id.is_none() && line.contains("no rollout found")) {
            Some(line) => verdict::refused(line, self.continues),
            None => without_result("Codex", &End { exit, stderr, cut_line: self.cut_line }),
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
