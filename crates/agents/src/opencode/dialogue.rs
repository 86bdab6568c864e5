//! The dialogue with the server: one session, and the turns in it.

use legwork_model::{EventBody, Failure, Task, Verdict};
use serde_json::Value;

use super::NAME;
use super::events::is_documented;
use super::parts::{Parts, Said};
use super::permissions::wanted;
use super::requests::{self, Manner, SESSION};
use super::verdict;
use super::wire::{
    Event, MessageInfo, MessageUpdated, NamedError, Part, PartUpdated, PermissionAsked, Session, SessionError, Status,
    StatusChanged, Told,
};
use crate::agent::{AgentReport, Decoded, Opening, Order, Setup};
use crate::ending::{late_variables, refused_tools, truncated, without_result};
use crate::environment::text;
use crate::fields::{self, Fields, parse};
use crate::lines::{End, Lines, input, push};
use crate::permissions::Permissions;

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    resume: Option<String>,
    workspace: String,
    fork: bool,
    manner: Manner,
    model: Option<String>,
    /// What the program asks; its own id says all that an answer needs.
    permissions: Permissions<()>,
    max_retries: u32,
    /// Whether the program waits for its job.
    warm: bool,
    connected: bool,
    session: Option<String>,
    /// Messages that could not be given to the program yet.
    waiting: Vec<String>,
    requests: u32,
    turn_open: bool,
    /// Whether a message was given that begins a turn.
    turn_wanted: bool,
    parts: Parts,
    error: Option<NamedError>,
    /// Why the turn is being ended by us.
    gave_up: Option<String>,
    answer: Option<String>,
    /// How the last turn ended, or why none could begin.
    last: Option<Result<(), Failure>>,
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        match serde_json::from_slice(line).ok()? {
            Told { event: Some(event), .. } => self.happened(event, decoded),
            Told { id: Some(id), status: Some(status), body, .. } => self.answered(&id, status, body, decoded),
            // Once nothing is expected any more, the program is being ended.
            Told { error: Some(_), id: None, .. } if self.settled() => Some(()),
            Told { error: Some(error), .. } => {
                self.over(verdict::lost(&error), decoded);
                Some(())
            }
            Told { line: Some(line), .. } => {
                push(decoded, fields::message("printed", [("line", line.into())]));
                Some(())
            }
            _ => None,
        }
    }

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        match order {
            Order::Message(text) => {
                self.waiting.push(text);
                self.send(decoded);
            }
            Order::Interrupt => self.abort(decoded),
            Order::Decide { id, allowed, reason } => {
                if self.permissions.close(&id).is_some() {
                    input(decoded, requests::reply(&id, allowed, &reason));
                }
            }
            Order::Begin(opening) => self.begin(*opening, decoded),
        }
    }

    fn report(&mut self, end: &End<'_>, _: &mut Vec<Decoded>) -> AgentReport {
        let verdict = match &self.last {
            Some(Ok(())) if self.settled() => Verdict::Succeeded,
            Some(Err(failure)) if self.settled() => Verdict::Failed(failure.clone()),
            _ => Verdict::Failed(without_result(NAME, end)),
        };
        AgentReport {
            result: self.answer.clone(),
            session_id: self.session.clone(),
            usage: self.parts.usage(),
            turns: self.parts.calls(),
            ..AgentReport::bare(verdict)
        }
    }
}

impl Run {
    pub(super) fn new(task: &Task, setup: &Setup) -> Self {
        Self {
            resume: task.resume_session.clone(),
            workspace: text(&setup.workspace),
            fork: task.fork_session,
            manner: Manner::of(task, setup),
            model: task.model.clone(),
            permissions: Permissions::new(task.permissions.clone()),
            max_retries: setup.max_retries,
            waiting: vec![task.prompt.clone()],
            ..Self::default()
        }
    }

    /// The same for a program that is started ahead of its job.
    pub(super) fn waiting(task: &Task, setup: &Setup) -> Self {
        Self { warm: true, waiting: Vec::new(), ..Self::new(task, setup) }
    }

    fn answered(&mut self, id: &str, status: u16, body: Value, decoded: &mut Vec<Decoded>) -> Option<()> {
        let ok = (200..300).contains(&status);
        match id {
            SESSION if ok => self.opened(parse(body)?, decoded),
            SESSION => self.over(verdict::refused(status, &text_of(&body), self.resume.is_some()), decoded),
            prompt if !ok && prompt.starts_with("prompt") => {
                self.over(verdict::refused(status, &text_of(&body), false), decoded);
            }
            _ => {}
        }
        Some(())
    }

    fn opened(&mut self, session: Session, decoded: &mut Vec<Decoded>) {
        // The program takes a message for such a session, and nothing is ever heard of it.
        let elsewhere = session.directory.filter(|directory| self.resume.is_some() && *directory != self.workspace);
        if let Some(directory) = elsewhere {
            return self.over(verdict::elsewhere(&directory), decoded);
        }
        self.session = Some(session.id.clone());
        let (session_id, model) = (Some(session.id), self.model.clone());
        push(decoded, EventBody::Started { session_id, model, tools: Vec::new(), version: session.version });
        self.send(decoded);
    }

    /// Whether the last turn is over, and no message was given that begins another.
    fn settled(&self) -> bool {
        self.last.is_some() && !self.turn_open && !self.turn_wanted
    }

    /// Gives the messages that wait to the session; during a turn it takes them up in that.
    fn send(&mut self, decoded: &mut Vec<Decoded>) {
        let Some(session) = self.session.clone() else { return };
        for text in std::mem::take(&mut self.waiting) {
            self.requests += 1;
            let id = format!("prompt-{}", self.requests);
            input(decoded, requests::prompt(&id, &session, &text, &self.manner));
            self.turn_wanted |= !self.turn_open;
        }
    }

    /// No turn could begin, or it can't be followed any more.
    fn over(&mut self, failure: Failure, decoded: &mut Vec<Decoded>) {
        (self.turn_open, self.turn_wanted) = (false, false);
        push(decoded, EventBody::TurnEnded { result: Some(failure.message.clone()), is_error: true });
        decoded.push(Decoded::TurnEnded);
        self.last = Some(Err(failure));
    }

    fn happened(&mut self, Event { kind, properties }: Event, decoded: &mut Vec<Decoded>) -> Option<()> {
        let session = properties.get("sessionID").and_then(Value::as_str);
        let own = session.is_none() || session == self.session.as_deref();
        match kind.as_str() {
            "server.connected" => self.connected(decoded),
            "permission.asked" => self.permission_asked(parse(properties)?, decoded),
            "permission.replied" => self.replied(&properties),
            "message.part.updated" if !own => self.part_elsewhere(&parse::<PartUpdated>(properties)?.part),
            "message.part.updated" => self.part(parse::<PartUpdated>(properties)?.part, decoded),
            // A sub-agent, which has a session of its own.
            _ if !own => {}
            "message.updated" => self.spoke(parse::<MessageUpdated>(properties)?.info),
            "session.status" => self.status(&parse::<StatusChanged>(properties)?.status, decoded),
            "session.idle" => self.idle(decoded),
            "session.error" => {
                self.error = Some(parse::<SessionError>(properties.clone())?.error);
                push(decoded, message(kind, properties));
            }
            known if is_documented(known) => push(decoded, message(kind, properties)),
            _ => return None,
        }
        Some(())
    }

    fn connected(&mut self, decoded: &mut Vec<Decoded>) {
        match (std::mem::replace(&mut self.connected, true), self.warm) {
            (false, true) => decoded.push(Decoded::Ready),
            (false, false) => self.open(decoded),
            (true, _) => {}
        }
    }

    fn begin(&mut self, opening: Opening, decoded: &mut Vec<Decoded>) {
        if !std::mem::take(&mut self.warm) {
            return;
        }
        if !opening.env.is_empty() {
            return self.over(late_variables(NAME), decoded);
        }
        self.waiting.push(opening.prompt);
        if self.connected {
            self.open(decoded);
        }
    }

    fn open(&self, decoded: &mut Vec<Decoded>) {
        input(decoded, requests::session(self.resume.as_deref(), self.fork));
    }

    fn spoke(&mut self, info: MessageInfo) {
        if info.role == "assistant" {
            self.parts.of_model(info.id);
            self.model = info.model.or(self.model.take());
        }
    }

    fn status(&mut self, status: &Status, decoded: &mut Vec<Decoded>) {
        match status.kind.as_str() {
            "busy" if !self.turn_open => {
                if self.last.is_some() {
                    decoded.push(Decoded::TurnStarted);
                }
                (self.turn_open, self.turn_wanted) = (true, false);
            }
            "retry" => {
                let (error, attempt) = (status.message.clone(), status.attempt);
                push(
                    decoded,
                    EventBody::Retrying { attempt, max_attempts: None, delay_ms: 0, api_status: None, error },
                );
                // The program itself knows no limit.
                if attempt > self.max_retries && self.gave_up.is_none() {
                    self.gave_up = Some(status.message.clone());
                    self.abort(decoded);
                }
            }
            _ => {}
        }
    }

    fn idle(&mut self, decoded: &mut Vec<Decoded>) {
        if !std::mem::take(&mut self.turn_open) {
            return;
        }
        let Said { words, cut_off } = self.parts.end_turn();
        let outcome = self.outcome(cut_off);
        let whole = self.error.is_none();
        if whole {
            self.answer.clone_from(&words);
        }
        let result = match &outcome {
            Err(failure) if !whole => Some(failure.message.clone()),
            _ => words,
        };
        push(decoded, EventBody::TurnEnded { result, is_error: !whole });
        decoded.push(Decoded::TurnEnded);
        self.last = Some(outcome);
        (self.error, self.gave_up) = (None, None);
    }

    fn outcome(&mut self, cut_off: bool) -> Result<(), Failure> {
        let refused = self.permissions.end_turn();
        let failure = match (&self.gave_up, &self.error) {
            (Some(text), _) => Some(verdict::gave_up(text)),
            (None, Some(error)) => Some(verdict::failed(error)),
            (None, None) if cut_off => Some(truncated()),
            (None, None) => refused_tools(NAME, &refused),
        };
        failure.map_or(Ok(()), Err)
    }

    fn part(&mut self, part: Part, decoded: &mut Vec<Decoded>) {
        // What was said before the session was copied is told of again.
        if self.last.is_some() || self.turn_open {
            self.parts.told(part, self.model.as_ref(), decoded);
        }
    }

    /// What sub-agents use counts as well. A session that is copied has its steps told of again, before a turn begins.
    fn part_elsewhere(&mut self, part: &Part) {
        if self.turn_open {
            self.parts.told_elsewhere(part);
        }
    }

    fn permission_asked(&mut self, asked: PermissionAsked, decoded: &mut Vec<Decoded>) {
        let id = asked.id.clone();
        let wanted = wanted(asked);
        match self.permissions.decide(&wanted, false) {
            Some(decision) => {
                decoded.extend(decision.event(id.clone(), wanted).map(Decoded::Event));
                input(decoded, requests::reply(&id, decision.allowed, ""));
            }
            None => push(decoded, self.permissions.ask(id, wanted, ())),
        }
    }

    fn replied(&mut self, properties: &Fields) {
        if let Some(id) = properties.get("requestID").and_then(Value::as_str) {
            self.permissions.close(id);
        }
    }

    fn abort(&mut self, decoded: &mut Vec<Decoded>) {
        if let Some(session) = self.session.as_ref().filter(|_| self.turn_open) {
            input(decoded, requests::abort(session));
        }
    }
}

/// The message in the body of an answer that is an error.
fn text_of(body: &Value) -> String {
    body["data"]["message"].as_str().map_or_else(|| body.to_string(), str::to_owned)
}

fn message(topic: String, fields: Fields) -> EventBody {
    fields::message(topic, fields::without(fields, &["sessionID"]))
}
