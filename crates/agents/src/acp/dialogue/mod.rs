//! The conversation itself: what is asked of the agent, in which order, and what its messages mean.

mod messages;

use std::collections::VecDeque;

use legwork_model::Verdict;
use serde_json::{Value, json};

use self::messages::fields_of;
use super::accounts::Accounts;
use super::calls::{self, Call, Calls};
use super::dialect::Dialect;
use super::job::Job;
use super::permission::Asked;
use super::tools::Tools;
use super::turn;
use super::wire::Incoming;
use crate::agent::{AgentReport, Decoded, Opening, Order};
use crate::ending::{late_variables, refused_tools, without_result};
use crate::fields::message;
use crate::lines::{End, Lines, push};
use crate::permissions::Permissions;
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
    permissions: Permissions<Asked>,
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
                push(decoded, message(method, fields_of(params)));
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
            Order::Decide { id, allowed, .. } => {
                decoded.extend(self.permissions.close(&id).map(|asked| asked.answer(allowed)));
            }
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
            permissions: Permissions::new(job.policy.clone()),
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
            return self.fail(late_variables(&self.job.agent), decoded);
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
                decoded.extend(self.permissions.close_all().iter().map(Asked::withdraw));
            }
            Stage::Idle | Stage::Failed => {}
            Stage::Starting | Stage::Waiting | Stage::Opening | Stage::Replaying => self.interrupted = true,
        }
    }
}
