//! The dialogue with the server: one thread, and the turns in it one after the other.

use std::collections::BTreeMap;

use legwork_model::{EventBody, Failure, Task, Verdict};
use serde_json::Value;

use super::NAME;
use super::accounting::Accounts;
use super::approvals::Approvals;
use super::items::{Items, message};
use super::methods::{UNWANTED, is_documented};
use super::requests::{self, HELLO, INTERRUPT, THREAD, ThreadRequest};
use super::stance::Stance;
use super::verdict;
use super::wire::{
    ErrorTold, ItemChanged, Line as Told, RequestError, ThreadOpened, Turn, TurnChanged, TurnError, UsageUpdated,
};
use crate::agent::{AgentReport, Decoded, Opening, Order, Setup};
use crate::ending::{interrupted, refused_tools, without_result};
use crate::fields::{Fields, parse};
use crate::lines::{End, Lines, input, push};

/// What is known of the run so far.
#[derive(Debug, Default)]
pub(super) struct Run {
    request: ThreadRequest,
    /// Whether an earlier thread is continued.
    continues: bool,
    /// Whether the program waits for its job.
    warm: bool,
    max_retries: u32,
    thread: Option<String>,
    model: Option<String>,
    turn: Phase,
    /// Messages that could not be given to the program yet.
    waiting: Vec<String>,
    /// Messages that were put into the turn, by the id of the request: it may have ended by then.
    steering: BTreeMap<String, String>,
    requests: u32,
    interrupt_wanted: bool,
    items: Items,
    approvals: Approvals,
    accounts: Accounts,
    /// Calls to the model that failed in a row.
    failed_calls: u32,
    /// Why the turn is being interrupted by us.
    gave_up: Option<TurnError>,
    /// Its last answer.
    answer: Option<String>,
    /// How the last turn ended, or why none could begin.
    last: Option<Result<(), Failure>>,
    /// Whether the end of the turn is still to be told of: a message for it may have come too late.
    unsettled: bool,
}

/// Where the turn stands.
#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    None,
    /// It was asked for.
    Starting,
    /// It goes on; it is named so.
    Running(String),
}

impl Lines for Run {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        match serde_json::from_slice(line).ok()? {
            Told { method: Some(method), id: None, params, .. } => self.notified(method, params, decoded),
            Told { method: Some(method), id: Some(id), params, .. } => {
                self.approvals.requested(method, id, params, decoded);
                Some(())
            }
            Told { id: Some(Value::String(id)), error: Some(error), .. } => self.refused(&id, &error, decoded),
            Told { id: Some(Value::String(id)), result: Some(result), .. } => self.answered(&id, result, decoded),
            _ => None,
        }
    }

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        match order {
            Order::Begin(opening) => self.begin(*opening, decoded),
            Order::Message(text) => self.message(text, decoded),
            Order::Interrupt => self.interrupt(decoded),
            Order::Decide { id, allowed, .. } => self.approvals.decided(&id, allowed, decoded),
        }
    }

    fn report(&mut self, end: &End<'_>, _: &mut Vec<Decoded>) -> AgentReport {
        let verdict = match (&self.last, &self.turn) {
            (Some(Ok(())), Phase::None) => Verdict::Succeeded,
            (Some(Err(failure)), Phase::None) => Verdict::Failed(failure.clone()),
            _ => Verdict::Failed(without_result(NAME, end)),
        };
        AgentReport {
            result: self.answer.clone(),
            session_id: self.thread.clone(),
            usage: self.accounts.usage(),
            turns: self.accounts.turns(),
            ..AgentReport::bare(verdict)
        }
    }
}

impl Run {
    /// `opening` is absent where the program waits for its job; else the thread was asked for already.
    pub(super) fn new(task: &Task, setup: &Setup, opening: Option<Opening>) -> Self {
        Self {
            request: ThreadRequest::of(task, setup),
            continues: task.resume_session.is_some(),
            approvals: Approvals::new(Stance::of(task, setup).policy),
            max_retries: setup.max_retries,
            warm: opening.is_none(),
            waiting: opening.into_iter().map(|opening| opening.prompt).collect(),
            ..Self::default()
        }
    }

    fn answered(&mut self, id: &str, result: Value, decoded: &mut Vec<Decoded>) -> Option<()> {
        match id {
            HELLO if self.warm => decoded.push(Decoded::Ready),
            HELLO | INTERRUPT => {}
            THREAD => self.opened(parse(result)?, decoded),
            _ => {
                self.steering.remove(id);
                self.settle(decoded);
            }
        }
        Some(())
    }

    /// A turn is over for good once no message waits that was meant for it; else another begins.
    fn settle(&mut self, decoded: &mut Vec<Decoded>) {
        if !self.unsettled {
            return;
        }
        if !self.waiting.is_empty() {
            self.unsettled = false;
            self.start_turn(decoded);
        } else if self.steering.is_empty() {
            self.unsettled = false;
            decoded.push(Decoded::TurnEnded);
        }
    }

    fn opened(&mut self, ThreadOpened { thread, model }: ThreadOpened, decoded: &mut Vec<Decoded>) {
        self.thread = Some(thread.id.clone());
        self.model.clone_from(&model);
        let started =
            EventBody::Started { session_id: Some(thread.id), model, tools: Vec::new(), version: thread.cli_version };
        push(decoded, started);
        self.start_turn(decoded);
    }

    /// Begins a turn with the first of the messages that wait.
    fn start_turn(&mut self, decoded: &mut Vec<Decoded>) {
        let Some(thread) = self.thread.clone() else { return };
        if self.turn == Phase::None && !self.waiting.is_empty() {
            let (text, id) = (self.waiting.remove(0), self.request_id("turn"));
            input(decoded, requests::turn(&id, &thread, &text));
            self.turn = Phase::Starting;
        }
    }

    fn request_id(&mut self, kind: &str) -> String {
        self.requests += 1;
        format!("{kind}-{}", self.requests)
    }

    fn refused(&mut self, id: &str, error: &RequestError, decoded: &mut Vec<Decoded>) -> Option<()> {
        match id {
            HELLO | THREAD => self.over(verdict::refused(&error.message, self.continues), decoded),
            // The turn had ended by itself.
            INTERRUPT => {}
            _ => match self.steering.remove(id) {
                Some(text) => {
                    self.waiting.push(text);
                    self.settle(decoded);
                    self.start_turn(decoded);
                }
                None => self.over(verdict::refused(&error.message, false), decoded),
            },
        }
        Some(())
    }

    /// No turn could begin.
    fn over(&mut self, failure: Failure, decoded: &mut Vec<Decoded>) {
        self.turn = Phase::None;
        push(decoded, EventBody::TurnEnded { result: Some(failure.message.clone()), is_error: true });
        decoded.push(Decoded::TurnEnded);
        self.last = Some(Err(failure));
    }

    fn notified(&mut self, method: String, params: Fields, decoded: &mut Vec<Decoded>) -> Option<()> {
        if method == "thread/tokenUsage/updated" {
            self.used(&parse(params)?);
            return Some(());
        }
        // A sub-agent has a thread of its own. What it does is on record, but it is not the run.
        let thread = params.get("threadId").and_then(Value::as_str);
        let foreign = thread.is_some() && self.thread.is_some() && thread != self.thread.as_deref();
        match method.as_str() {
            unwanted if UNWANTED.contains(&unwanted) => {}
            "serverRequest/resolved" => self.approvals.resolved(&params),
            _ if foreign => push(decoded, message(method, params)),
            "turn/started" => self.turn_started(parse::<TurnChanged>(params)?.turn.id, decoded),
            "turn/completed" => self.turn_completed(&parse::<TurnChanged>(params)?.turn, decoded),
            "item/started" => self.item_started(&parse(params)?, decoded)?,
            "item/completed" => self.item_completed(parse(params)?, decoded)?,
            "error" => self.error(parse(params)?, decoded),
            known if is_documented(known) => push(decoded, message(method, params)),
            _ => return None,
        }
        Some(())
    }

    /// After a resume the program repeats what the last turn before that used. Sub-agents count as well.
    fn used(&mut self, update: &UsageUpdated) {
        let own = self.thread.as_deref() == Some(&update.thread_id);
        if !own || matches!(&self.turn, Phase::Running(turn) if *turn == update.turn_id) {
            self.accounts.call(update.token_usage.last);
        }
    }

    fn turn_started(&mut self, turn: String, decoded: &mut Vec<Decoded>) {
        if self.last.is_some() {
            decoded.push(Decoded::TurnStarted);
        }
        self.turn = Phase::Running(turn);
        self.items.answer = None;
        if std::mem::take(&mut self.interrupt_wanted) {
            self.interrupt(decoded);
        }
        for text in std::mem::take(&mut self.waiting) {
            self.message(text, decoded);
        }
    }

    fn item_started(&mut self, ItemChanged { item }: &ItemChanged, decoded: &mut Vec<Decoded>) -> Option<()> {
        self.approvals.announced(item);
        self.items.started(item, decoded)
    }

    fn item_completed(&mut self, ItemChanged { item }: ItemChanged, decoded: &mut Vec<Decoded>) -> Option<()> {
        self.approvals.done(&item);
        let before = decoded.len();
        self.items.completed(item, decoded)?;
        if decoded.len() > before {
            self.failed_calls = 0;
        }
        Some(())
    }

    fn error(&mut self, told: ErrorTold, decoded: &mut Vec<Decoded>) {
        if !told.will_retry {
            // The end of the turn says it again.
            let fields =
                [("message".to_owned(), told.error.message.into()), ("info".to_owned(), told.error.codex_error_info)];
            return push(decoded, message("error".to_owned(), fields.into_iter().collect()));
        }
        self.failed_calls += 1;
        push(decoded, verdict::retrying(self.failed_calls, &told.error));
        // While it can't connect at all, the program tries again for ever.
        if self.failed_calls > self.max_retries && self.gave_up.is_none() {
            self.gave_up = Some(told.error);
            self.interrupt(decoded);
        }
    }

    fn turn_completed(&mut self, turn: &Turn, decoded: &mut Vec<Decoded>) {
        if let Some(usage) = self.accounts.end_turn() {
            push(decoded, EventBody::Usage { model: self.model.clone(), usage, call: None });
        }
        let outcome = self.outcome(turn);
        let completed = turn.status == "completed";
        if completed {
            self.answer = self.items.answer.take();
        }
        let result = match &outcome {
            Err(failure) if !completed => Some(failure.message.clone()),
            _ => self.answer.clone(),
        };
        push(decoded, EventBody::TurnEnded { result, is_error: !completed });
        self.last = Some(outcome);
        self.turn = Phase::None;
        self.interrupt_wanted = false;
        self.failed_calls = 0;
        self.unsettled = true;
        self.settle(decoded);
    }

    fn outcome(&mut self, turn: &Turn) -> Result<(), Failure> {
        let refused = self.approvals.end_turn();
        let gave_up = self.gave_up.take();
        match (turn.status.as_str(), &turn.error) {
            ("completed", _) => refused_tools(NAME, &refused).map_or(Ok(()), Err),
            ("interrupted", _) => Err(gave_up.map_or_else(|| interrupted(NAME), |error| verdict::failed(&error))),
            (_, Some(error)) => Err(verdict::failed(error)),
            (status, None) => Err(verdict::failed(&TurnError {
                message: format!("its turn ended as `{status}`"),
                ..TurnError::default()
            })),
        }
    }

    fn begin(&mut self, opening: Opening, decoded: &mut Vec<Decoded>) {
        if std::mem::take(&mut self.warm) {
            input(decoded, self.request.clone().begin(&opening));
            self.waiting.push(opening.prompt);
        }
    }

    fn message(&mut self, text: String, decoded: &mut Vec<Decoded>) {
        match (&self.turn, self.thread.clone()) {
            (Phase::Running(turn), Some(thread)) => {
                let turn = turn.clone();
                let id = self.request_id("steer");
                input(decoded, requests::steer(&id, &thread, &turn, &text));
                self.steering.insert(id, text);
            }
            _ => {
                self.waiting.push(text);
                self.start_turn(decoded);
            }
        }
    }

    fn interrupt(&mut self, decoded: &mut Vec<Decoded>) {
        match (&self.turn, &self.thread) {
            (Phase::Running(turn), Some(thread)) => input(decoded, requests::interrupt(thread, turn)),
            (Phase::Starting, _) => self.interrupt_wanted = true,
            _ => {}
        }
    }
}
