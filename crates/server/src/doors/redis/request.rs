//! Requests and answers as they go through Redis.

use legwork_model::{ExecutionId, Outcome, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::admission::Refusal;
use crate::doors::Problem;
use crate::doors::cli_call::{CANCELLED, CliCall, code};
use crate::parse::parse_json;

const LONGEST_ID: usize = 255;

/// A request. Unknown fields are ignored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ask {
    /// The caller's own name for it: the same one is the same request.
    id: Option<String>,
    prompt: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cwd: Option<String>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
}

/// A request that makes sense.
pub(super) struct Request {
    pub(super) id: String,
    pub(super) call: CliCall,
    /// What two requests with the same id have in common if they are the same.
    pub(super) canonical: Vec<u8>,
}

impl Request {
    pub(super) fn read(payload: &[u8], longest: usize) -> Result<Self, Problem> {
        if payload.len() > longest {
            return Err(Problem::too_large());
        }
        let ask: Ask = parse_json(payload)?;
        let canonical = serde_json::to_vec(&ask).unwrap_or_default();
        let invalid = |field, code, message: &str| Problem::from(Refusal::invalid(field, code, message));
        let id = ask.id.ok_or_else(|| invalid("id", "id_missing", "is missing; the answer carries it"))?;
        if !(1..=LONGEST_ID).contains(&id.len()) || id.chars().any(char::is_control) {
            return Err(invalid("id", "invalid_id", "must be 1 to 255 bytes without control characters"));
        }
        let missing = || invalid("prompt", "prompt_missing", "is missing; say what the agent is to do");
        let call =
            CliCall { prompt: ask.prompt.ok_or_else(missing)?, args: ask.args, cwd: ask.cwd, timeout: ask.timeout };
        Ok(Self { id, call, canonical })
    }
}

/// The id of a request that may make no sense otherwise, so that its caller can be told.
pub(super) fn id_of(payload: &[u8]) -> Value {
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
    }
    serde_json::from_slice::<Named>(payload).map_or(Value::Null, |named| named.id.into())
}

/// The answer to a request that was not taken.
pub(super) fn refused(id: &Value, problem: Problem) -> String {
    let mut body =
        json!({ "id": id, "success": false, "error": problem.detail, "code": problem.code.to_ascii_uppercase() });
    let more = [("field", problem.field.map(Value::from)), ("retryAfter", problem.retry_after.map(Value::from))];
    if let Some(body) = body.as_object_mut() {
        body.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
    body.to_string()
}

/// The answer to a job that ended. `output` is what the CLI would have printed.
pub(super) fn ended(id: &str, execution: ExecutionId, outcome: &Outcome, output: &str) -> String {
    let (code, message) = match &outcome.verdict {
        Verdict::Succeeded => {
            return json!({ "id": id, "success": true, "result": output, "executionId": execution }).to_string();
        }
        Verdict::Failed(failure) => (code(failure.reason), &failure.message),
        Verdict::Cancelled { message } => (CANCELLED, message),
    };
    json!({ "id": id, "success": false, "error": message, "code": code, "executionId": execution }).to_string()
}
