//! What is written to the server: requests and answers, a line of JSON each. They are JSON-RPC without its version field.

use std::collections::BTreeMap;

use legwork_model::Task;
use serde_json::{Map, Value, json};

use super::config::PROVIDER;
use super::methods::UNWANTED;
use super::stance::Stance;
use crate::agent::{Credential, Opening, Setup};

/// The ids of the requests that are made once.
pub(super) const HELLO: &str = "hello";
pub(super) const THREAD: &str = "thread";

/// Introduces us; the answer means that the program is ready.
pub(super) fn hello() -> String {
    let params = json!({
        "clientInfo": {"name": "legwork", "title": "Legwork", "version": env!("CARGO_PKG_VERSION")},
        "capabilities": {"optOutNotificationMethods": UNWANTED},
    });
    request(HELLO, "initialize", &params) + &line(&json!({"method": "initialized"}))
}

/// Asks for the thread of a run that knows all it needs.
pub(super) fn thread(task: &Task, setup: &Setup) -> String {
    ThreadRequest::of(task, setup).line(setup.credential.as_ref(), setup.base_url.as_deref(), &BTreeMap::new())
}

/// The request for a thread: a new one, one to continue, or a copy of one.
#[derive(Debug, Clone, Default)]
pub(super) struct ThreadRequest {
    method: &'static str,
    params: Map<String, Value>,
}

impl ThreadRequest {
    pub(super) fn of(task: &Task, setup: &Setup) -> Self {
        let stance = Stance::of(task, setup);
        let method = match (&task.resume_session, task.fork_session) {
            (None, _) => "thread/start",
            (Some(_), false) => "thread/resume",
            (Some(_), true) => "thread/fork",
        };
        let params = [
            ("cwd", Some(setup.workspace.to_string_lossy().into())),
            ("approvalPolicy", Some(stance.approval.into())),
            ("sandbox", Some(stance.sandbox.into())),
            ("model", task.model.clone().map(Value::from)),
            ("developerInstructions", task.system_prompt.clone().map(Value::from)),
            ("threadId", task.resume_session.clone().map(Value::from)),
            // Else the answer holds the whole conversation so far, in one line.
            ("excludeTurns", task.resume_session.is_some().then(|| true.into())),
        ];
        let params = params.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Self { method, params: params.collect() }
    }

    /// The request of a program that waited for its job.
    pub(super) fn begin(self, opening: &Opening) -> String {
        self.line(opening.credential.as_ref(), opening.base_url.as_deref(), &opening.env)
    }

    /// The key travels in the settings of the thread, so that it is in no file and no environment.
    fn line(
        mut self,
        credential: Option<&Credential>,
        base_url: Option<&str>,
        env: &BTreeMap<String, String>,
    ) -> String {
        let provider = |field: &str| format!("model_providers.{PROVIDER}.{field}");
        let key =
            credential.and_then(Credential::secret).map(|key| (provider("experimental_bearer_token"), key.into()));
        let url = base_url.map(|url| (provider("base_url"), url.into()));
        let env = (!env.is_empty()).then(|| ("shell_environment_policy.set".to_owned(), json!(env)));
        let settings: Map<String, Value> = key.into_iter().chain(url).chain(env).collect();
        if !settings.is_empty() {
            self.params.insert("config".to_owned(), settings.into());
        }
        request(THREAD, self.method, &Value::Object(self.params))
    }
}

/// Begins a turn with a message.
pub(super) fn turn(id: &str, thread: &str, text: &str) -> String {
    request(id, "turn/start", &json!({"threadId": thread, "input": input(text)}))
}

/// Puts a message into the turn that goes on.
pub(super) fn steer(id: &str, thread: &str, turn: &str, text: &str) -> String {
    request(id, "turn/steer", &json!({"threadId": thread, "expectedTurnId": turn, "input": input(text)}))
}

/// Ends the turn that goes on.
pub(super) fn interrupt(thread: &str, turn: &str) -> String {
    request(INTERRUPT, "turn/interrupt", &json!({"threadId": thread, "turnId": turn}))
}

/// The id of every request to end a turn.
pub(super) const INTERRUPT: &str = "interrupt";

/// Answers a request of the program.
pub(super) fn answer(id: &Value, result: &Value) -> String {
    line(&json!({"id": id, "result": result}))
}

/// Refuses a request that nobody here can answer, so that the program does not wait for it.
pub(super) fn refuse(id: &Value) -> String {
    line(&json!({"id": id, "error": {"code": -32601, "message": "Legwork does not answer such requests."}}))
}

fn input(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

fn request(id: &str, method: &str, params: &Value) -> String {
    line(&json!({"id": id, "method": method, "params": params}))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
