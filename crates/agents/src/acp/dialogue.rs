//! The conversation itself: what is asked of the agent, in which order, and what its messages mean.

use std::collections::VecDeque;

use legwork_model::{EventBody, Failure, FailureReason, Verdict};
use serde_json::{Value, json};

use super::accounts::Accounts;
use super::calls::{self, Call, Calls};
use super::dialect::Dialect;
use super::job::Job;
use super::permission::{Asked, Permissions, Wanted};
use super::tools::{self, Tools};
use super::turn;
use super::wire::{
    Chunk, Fields, Incoming, Initialized, Opened, PermissionAsked, Prompted, RpcError, SessionUpdate, ToolFields, parse,
};
use crate::agent::{AgentReport, Decoded, Opening, Order};
use crate::ending::{refused_tools, without_result};
use crate::lines::{End, Lines};
use crate::speech::Speech;

/// A conversation with one process.
pub(super) struct Conversation {
    dialect: &'static Dialect,
    job: Job,
    calls: Calls,
    stage: Stage,
    /// Messages that the agent was not given yet.
    messages: VecDeque<String>,
    /// What a program that waits was told of its job.
    opening: Option<Opening>,
    /// Whether somebody interrupted it before it began.
    interrupted: bool,
    version: Option<String>,
    session_id: Option<String>,
    speech: Speech,
    tools: Tools,
    permissions: Permissions,
    accounts: Accounts,
    answer: Option<String>,
    /// How the last turn went; `None` while one goes on, and before the first.
    verdict: Option<Verdict>,
}

/// How far the conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The program loads.
    Starting,
    /// It is ready for a job.
    Waiting,
    /// Its session is being opened, and what it tells of that session is old.
    Opening,
    /// It repeats the old updates of its session.
    Replaying,
    /// It waits for a message.
    Idle,
    /// It works.
    Prompted,
    /// There is no session, and there will be none.
    Failed,
}

impl Lines for Conversation {
    fn read(&mut self, line: &[u8], decoded: &mut Vec<Decoded>) -> Option<()> {
        match Incoming::parse(line)? {
            Incoming::Response { id, result } => self.answered(id, result, decoded),
            Incoming::Request { id, method, params } => self.asked(id, &method, params, decoded),
            Incoming::Notification { method, params } if method == "session/update" => self.update(params, decoded),
            Incoming::Notification { method, params } => {
                push(decoded, message(method, params));
                Some(())
            }
        }
    }

    fn order(&mut self, order: Order, decoded: &mut Vec<Decoded>) {
        match order {
            Order::Begin(opening) => self.begin(*opening, decoded),
            Order::Message(text) => {
                self.messages.push_back(text);
                self.go_on(decoded);
            }
            Order::Interrupt => self.interrupt(decoded),
            Order::Decide { id, allowed, .. } => self.permissions.decided(&id, allowed, decoded),
        }
    }

    fn report(&mut self, end: &End<'_>, decoded: &mut Vec<Decoded>) -> AgentReport {
        self.speech.flush(decoded);
        let agent = &self.job.agent;
        let verdict = match self.verdict.take() {
            Some(Verdict::Succeeded) => {
                refused_tools(agent, self.permissions.refused()).map_or(Verdict::Succeeded, Verdict::Failed)
            }
            Some(verdict) => verdict,
            None => Verdict::Failed(without_result(agent, end)),
        };
        AgentReport {
            result: self.answer.clone(),
            session_id: self.session_id.clone(),
            usage: self.accounts.usage(),
            ..AgentReport::bare(verdict)
        }
    }
}

/// What is asked of the agent.
impl Conversation {
    pub(super) fn new(dialect: &'static Dialect, job: Job) -> Self {
        let permissions = Permissions::new(job.policy.clone(), job.mode.clone(), job.tools.clone());
        Self {
            dialect,
            calls: Calls::default(),
            stage: Stage::Starting,
            messages: job.prompt.clone().into_iter().collect(),
            opening: None,
            interrupted: false,
            version: None,
            session_id: None,
            speech: Speech::default(),
            tools: Tools::default(),
            permissions,
            accounts: Accounts::new(dialect.counting),
            answer: None,
            verdict: None,
            job,
        }
    }

    fn call(&mut self, call: Call, params: &Value, decoded: &mut Vec<Decoded>) {
        self.calls.call(call, params, decoded);
    }

    fn begin(&mut self, opening: Opening, decoded: &mut Vec<Decoded>) {
        self.messages.push_front(opening.prompt.clone());
        self.opening = Some(opening);
        if self.stage == Stage::Waiting {
            self.open(decoded);
        }
    }

    /// Logs in where that is needed, then opens the session.
    fn open(&mut self, decoded: &mut Vec<Decoded>) {
        self.stage = Stage::Opening;
        if self.opening.as_ref().is_some_and(|opening| !opening.env.is_empty()) {
            let message = format!("{} was started ahead of a job that brings variables of its own.", self.job.agent);
            return self.fail(Failure::new(FailureReason::Internal, message), decoded);
        }
        let late = self.opening.as_ref().zip(self.dialect.late_credential);
        let login = self.dialect.authenticate.map(|method| json!({"methodId": method}));
        match late.and_then(|(opening, params)| params(opening)).or(login) {
            Some(params) => self.call(Call::Authenticate, &params, decoded),
            None => self.open_session(decoded),
        }
    }

    fn open_session(&mut self, decoded: &mut Vec<Decoded>) {
        let mut params = json!({"cwd": self.job.cwd, "mcpServers": self.job.mcp_servers});
        match self.job.resume.clone() {
            Some(session) => {
                params["sessionId"] = Value::from(session);
                self.call(Call::LoadSession, &params, decoded);
            }
            None => self.call(Call::NewSession, &params, decoded),
        }
    }

    /// Gives the agent the next message, where it has nothing else to do.
    fn go_on(&mut self, decoded: &mut Vec<Decoded>) {
        match self.stage {
            Stage::Idle => {}
            Stage::Failed => return self.fail_again(decoded),
            _ => return,
        }
        let Some(text) = self.messages.pop_front() else { return };
        if self.verdict.take().is_some() {
            decoded.push(Decoded::TurnStarted);
        }
        let prompt = json!({"sessionId": self.session_id, "prompt": [{"type": "text", "text": text}]});
        self.stage = Stage::Prompted;
        if std::mem::take(&mut self.interrupted) {
            self.end_turn(turn::judge(&self.job.agent, self.dialect, "cancelled", None), None, decoded);
        } else {
            self.call(Call::Prompt, &prompt, decoded);
        }
    }

    fn interrupt(&mut self, decoded: &mut Vec<Decoded>) {
        match self.stage {
            Stage::Prompted => {
                decoded.push(calls::notify("session/cancel", &json!({"sessionId": self.session_id})));
                self.permissions.withdraw(decoded);
            }
            Stage::Idle | Stage::Failed => {}
            Stage::Starting | Stage::Waiting | Stage::Opening | Stage::Replaying => self.interrupted = true,
        }
    }
}

/// What its messages mean.
impl Conversation {
    fn answered(&mut self, id: u64, result: Result<Value, RpcError>, decoded: &mut Vec<Decoded>) -> Option<()> {
        let call = self.calls.answered(id)?;
        match result {
            Err(error) => self.refused(call, &error, decoded),
            Ok(result) => match call {
                Call::Initialize => self.started(parse(result).unwrap_or_default(), decoded),
                Call::Authenticate => self.open_session(decoded),
                Call::NewSession | Call::LoadSession => self.opened(call, parse(result).unwrap_or_default(), decoded),
                Call::SetMode => self.ready(decoded),
                Call::Prompt => self.prompted(result, decoded),
            },
        }
        Some(())
    }

    fn refused(&mut self, call: Call, error: &RpcError, decoded: &mut Vec<Decoded>) {
        let unknown = call == Call::LoadSession && (self.dialect.unknown_session)(error);
        let failure = if unknown {
            turn::unknown_session(&self.job.agent)
        } else {
            turn::failure(&self.job.agent, self.dialect, error)
        };
        if call == Call::Prompt {
            self.speech.ended(decoded);
            self.end_turn(Verdict::Failed(failure), None, decoded);
        } else {
            self.fail(failure, decoded);
        }
    }

    fn started(&mut self, initialized: Initialized, decoded: &mut Vec<Decoded>) {
        self.version = initialized.agent_info.version;
        if self.job.prompt.is_none() && self.opening.is_none() {
            self.stage = Stage::Waiting;
            decoded.push(Decoded::Ready);
        } else {
            self.open(decoded);
        }
    }

    fn opened(&mut self, call: Call, opened: Opened, decoded: &mut Vec<Decoded>) {
        let loaded = self.job.resume.clone().filter(|_| call == Call::LoadSession);
        self.session_id = opened.session_id.or(loaded);
        let model = opened.models.current_model_id.or_else(|| self.job.model.clone());
        let started = EventBody::Started {
            session_id: self.session_id.clone(),
            model,
            tools: Vec::new(),
            version: self.version.clone(),
        };
        push(decoded, started);
        if call == Call::LoadSession && self.dialect.replay_ends_with.is_some() {
            self.stage = Stage::Replaying;
            return;
        }
        let wanted = self.job.mode.as_deref().and_then(self.dialect.mode);
        match wanted.and_then(|name| opened.modes.available_modes.into_iter().find(|mode| mode.id.ends_with(name))) {
            Some(mode) => {
                let params = json!({"sessionId": self.session_id, "modeId": mode.id});
                self.call(Call::SetMode, &params, decoded);
            }
            None => self.ready(decoded),
        }
    }

    fn ready(&mut self, decoded: &mut Vec<Decoded>) {
        self.stage = Stage::Idle;
        self.go_on(decoded);
    }

    fn prompted(&mut self, result: Value, decoded: &mut Vec<Decoded>) {
        let answer = self.speech.ended(decoded);
        let Some(turn) = parse::<Prompted>(result) else {
            let message = format!("{} ended its turn without a reason.", self.job.agent);
            return self.end_turn(Verdict::failed(FailureReason::AgentError, message), None, decoded);
        };
        for (model, usage) in self.accounts.add(&turn, self.job.model.as_ref()) {
            push(decoded, EventBody::Usage { model, usage });
        }
        let verdict = turn::judge(&self.job.agent, self.dialect, &turn.stop_reason, answer.as_ref());
        self.end_turn(verdict, answer.map(|answer| answer.text), decoded);
    }

    /// The turn is over. Only where no message waits is there nothing more to come.
    fn end_turn(&mut self, verdict: Verdict, result: Option<String>, decoded: &mut Vec<Decoded>) {
        let is_error = verdict != Verdict::Succeeded;
        if !is_error {
            self.answer.clone_from(&result);
        }
        push(decoded, EventBody::TurnEnded { result, is_error });
        self.permissions.forget();
        self.verdict = Some(verdict);
        self.stage = Stage::Idle;
        if self.messages.is_empty() {
            decoded.push(Decoded::TurnEnded);
        }
        self.go_on(decoded);
    }

    /// There will be no session.
    fn fail(&mut self, failure: Failure, decoded: &mut Vec<Decoded>) {
        self.stage = Stage::Failed;
        self.verdict = Some(Verdict::Failed(failure));
        self.messages.clear();
        push(decoded, EventBody::TurnEnded { result: None, is_error: true });
        decoded.push(Decoded::TurnEnded);
    }

    /// A further message changes nothing about that.
    fn fail_again(&mut self, decoded: &mut Vec<Decoded>) {
        self.messages.clear();
        decoded.push(Decoded::TurnStarted);
        push(decoded, EventBody::TurnEnded { result: None, is_error: true });
        decoded.push(Decoded::TurnEnded);
    }

    fn asked(&mut self, id: Value, method: &str, params: Value, decoded: &mut Vec<Decoded>) -> Option<()> {
        if method != "session/request_permission" {
            decoded.push(calls::refuse(&id, method));
            return Some(());
        }
        let PermissionAsked { tool_call, options } = parse(params)?;
        let told: ToolFields = parse(tool_call)?;
        // Some agents do not tell of a call before they ask whether they may make it.
        self.tools.introduce(&told, self.dialect, &mut self.speech, decoded);
        let tool = (self.dialect.tool)(&told);
        let input = tools::input(&told, self.dialect);
        let risk = (self.dialect.risk)(&tool, &input);
        let asked = Asked { id, options, tool: tool.clone() };
        self.permissions.decide(asked, Wanted { call_id: told.tool_call_id, tool, input, risk }, decoded);
        Some(())
    }

    fn update(&mut self, params: Value, decoded: &mut Vec<Decoded>) -> Option<()> {
        let SessionUpdate { mut update } = parse(params)?;
        let Value::String(kind) = update.remove("sessionUpdate")? else { return None };
        if self.is_old(&kind) {
            return Some(());
        }
        match kind.as_str() {
            "agent_message_chunk" => self.said(&text(update)?, decoded),
            "agent_thought_chunk" => self.speech.think(&text(update)?, decoded),
            "tool_call" | "tool_call_update" => {
                self.tools.told(&parse(update)?, self.dialect, &mut self.speech, decoded);
            }
            _ => {
                let ends_replay = self.dialect.replay_ends_with == Some(kind.as_str());
                push(decoded, message(kind, Value::Object(update)));
                if ends_replay && self.stage == Stage::Replaying {
                    self.ready(decoded);
                }
            }
        }
        Some(())
    }

    fn said(&mut self, piece: &str, decoded: &mut Vec<Decoded>) {
        if (self.dialect.notice)(piece) {
            self.speech.flush(decoded);
            push(decoded, message("notice".to_owned(), json!({"text": piece})));
        } else {
            self.speech.say(piece, decoded);
        }
    }

    /// What was said and done in a session that is being loaded was told when it happened.
    fn is_old(&self, kind: &str) -> bool {
        const TOLD: [&str; 6] = [
            "agent_message_chunk",
            "agent_thought_chunk",
            "plan",
            "tool_call",
            "tool_call_update",
            "user_message_chunk",
        ];
        matches!(self.stage, Stage::Opening | Stage::Replaying) && TOLD.contains(&kind)
    }
}

/// The text of a chunk; what is no text is only named (`[image]`).
fn text(update: Fields) -> Option<String> {
    let Chunk { mut content } = parse(update)?;
    match (content.remove("text"), content.remove("type")?) {
        (Some(Value::String(text)), _) => Some(text),
        (_, Value::String(kind)) => Some(format!("[{kind}]")),
        _ => None,
    }
}

fn message(topic: String, content: Value) -> EventBody {
    let fields = match content {
        Value::Object(fields) => fields.into_iter().collect(),
        Value::Null => Default::default(),
        other => [("params".to_owned(), other)].into_iter().collect(),
    };
    EventBody::Message { topic, fields }
}

fn push(decoded: &mut Vec<Decoded>, event: EventBody) {
    decoded.push(Decoded::Event(event));
}
