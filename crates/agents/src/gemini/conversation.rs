//! How Gemini CLI uses the Agent Client Protocol.

use legwork_model::{Failure, FailureReason};
use serde_json::{Value, json};

use super::risk::risk;
use super::verdict::api_failure;
use crate::acp::{Counting, Dialect, RpcError, ToolFields};
use crate::agent::{Credential, Opening};

pub(super) static DIALECT: Dialect = Dialect {
    // It logs in with what its settings and variables say.
    authenticate: None,
    late_credential: Some(late_credential),
    // It answers `session/load` before it has repeated the session, and ends that with its list of commands.
    replay_ends_with: Some("available_commands_update"),
    counting: Counting::ByPrompt,
    mode: |_| None,
    tool,
    command_is_title: true,
    risk,
    notice: |_| false,
    hidden_failure: |_, _| None,
    failure,
    unknown_session: |error| {
        error.text().contains("Invalid session identifier") || error.text().contains("No previous sessions")
    },
};

/// It takes the key and the address of the API with its login, beside the protocol's own fields. Other credentials need
/// variables, and so can't come later.
fn late_credential(opening: &Opening) -> Option<Value> {
    let Credential::ApiKey(secret) = opening.credential.as_ref()? else { return None };
    let mut meta = json!({"api-key": secret});
    if let Some(url) = &opening.base_url {
        meta["gateway"] = json!({"baseUrl": url});
    }
    Some(json!({"methodId": "gemini-api-key", "_meta": meta}))
}

/// It only gives the tool's name as the first part of the call's id: `read_file__read_file_1795280811863_0`.
fn tool(told: &ToolFields) -> String {
    let id = told.tool_call_id.as_str();
    id.split_once("__").map_or(id, |(name, _)| name).to_owned()
}

/// An error of the model's API comes with its HTTP status as the code.
fn failure(_: &str, error: &RpcError) -> Option<Failure> {
    let text = error.text();
    match u16::try_from(error.code) {
        Ok(status @ 400..600) => Some(api_failure(Some(status), &text)),
        _ if text.contains("must specify the GEMINI_API_KEY") || text.contains("API key is missing") => {
            Some(Failure::new(FailureReason::CredentialsMissing, format!("Gemini CLI has no credential: {text}")))
        }
        _ => None,
    }
}
