//! How Copilot CLI uses the Agent Client Protocol.

use legwork_model::Failure;

use super::risk::risk;
use super::verdict::api_failure;
use crate::acp::{Counting, Dialect, RpcError, ToolFields};
use crate::speech::Answer;

pub(super) static DIALECT: Dialect = Dialect {
    authenticate: None,
    late_credential: None,
    replay_ends_with: None,
    counting: Counting::BySession,
    // `…/session-modes#plan`; the flag of that name is for single runs alone.
    mode: |mode| (mode == "plan").then_some("#plan"),
    tool,
    command_is_title: false,
    risk,
    // Between the pieces of what its model says, as one of its own.
    notice: |piece| piece.starts_with("Info: "),
    hidden_failure,
    failure: |_, _| None,
    unknown_session: |error: &RpcError| error.code == RESOURCE_NOT_FOUND,
};

/// The code of the protocol for a session that is not known.
const RESOURCE_NOT_FOUND: i64 = -32002;

/// It only gives the kind of a call, and names MCP tools in the title. What people know are the words of `--allow-tool`.
fn tool(told: &ToolFields) -> String {
    match told.kind.as_deref() {
        Some("execute") => "shell".to_owned(),
        Some("edit" | "delete" | "move") => "write".to_owned(),
        Some("fetch") => "url".to_owned(),
        Some("other") | None => told.title.clone().unwrap_or_else(|| "tool".to_owned()),
        Some(kind) => kind.to_owned(),
    }
}

/// It tells an error of the model's API as if the model had said it, and calls that a success: as a piece of its own, which
/// begins with this word.
fn hidden_failure(_: &str, answer: &Answer) -> Option<Failure> {
    let said = answer.text.strip_prefix("Error: ").filter(|_| answer.pieces == 1)?;
    Some(api_failure(status_in(said), said))
}

/// The status that begins the text (`400 context window exceeded`) or the last error that it tells of (`retried 5 times …
/// Last error: 429 Rate limit reached`), or that ends its first line (`… (HTTP 401).`).
fn status_in(said: &str) -> Option<u16> {
    let last = said.rsplit_once("Last error: ").map_or(said, |(_, last)| last);
    let first = last.split_whitespace().next().unwrap_or_default();
    let named = said.split_once("(HTTP ").and_then(|(_, rest)| rest.split_once(')')).map(|(status, _)| status);
    named.unwrap_or(first).parse().ok().filter(|status| (400..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status of the failure that an answer hides: 0 where it names none, nothing where it hides none.
    fn check(text: &str, pieces: usize, expected: Option<u16>) {
        let failure = hidden_failure("", &Answer { text: text.to_owned(), pieces });
        assert_eq!(failure.map(|failure| failure.api_status.unwrap_or_default()), expected, "{text}");
    }

    #[test]
    fn an_error_is_told_in_the_words_of_an_answer() {
        check("Error: 400 context window exceeded", 1, Some(400));
        check("Error: Model 'x' not found on provider at http://a/v1 (HTTP 404).\n  Check that", 1, Some(404));
        check("Error: Authentication failed with provider at http://a (HTTP 401).\n  Check your", 1, Some(401));
        check("Error: No answer; retried 5 times (5.4 seconds) Last error: 429 Rate limit reached", 1, Some(429));
        check("Error: something", 1, Some(0));
        check("Error: 400 is what the server says.", 4, None);
        check("There was an Error: 400", 1, None);
        check("42", 1, None);
    }
}
