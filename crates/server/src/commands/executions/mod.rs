//! `legwork executions`

mod details;
mod log;
mod table;

use clap::{Args, Subcommand};
use legwork_model::{ExecutionId, ExecutionState};

use super::client::{Answer, ServerArgs};
use super::{Failure, print};
use crate::config::Environment;

const AFTER_HELP: &str = "\
The server is http://127.0.0.1:7070 where neither --server nor LEGWORK_SERVER names another.

Exit codes:
    0  done
    1  there is no such execution, or it has ended already
    2  wrong usage
    3  no server there, or it does not accept the key";

/// Lists, shows, follows and cancels executions of a server.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Executions {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists executions, newest first
    List(List),
    /// Shows one execution
    Show {
        /// Its id, exe_…
        id: ExecutionId,
        /// Print it as the server gives it, as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints what happened in an execution
    Logs {
        /// Its id, exe_…
        id: ExecutionId,
        /// Go on until it ends
        #[arg(long, short)]
        follow: bool,
        /// Print every event as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Cancels an execution that waits or runs
    Cancel {
        /// Its id, exe_…
        id: ExecutionId,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Only those in this state: queued, running, succeeded, failed, cancelled
    #[arg(long, value_parser = parse_state)]
    state: Option<ExecutionState>,
    /// Only those of this agent
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only those in this lane
    #[arg(long, value_name = "NAME")]
    lane: Option<String>,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: u16,
    /// Print each as the server gives it, as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Executions {
    /// Does it.
    ///
    /// # Errors
    /// Where the server can't be reached or refuses, or the answer can't be written.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        let client = self.server.connect(&environment)?;
        match self.action {
            Action::List(list) => {
                let found = client.executions(&list.filter(), list.limit.into()).await?;
                print(&if list.json { found.iter().map(json_line).collect() } else { table::of(&found) })?;
            }
            Action::Show { id, json } => {
                let answer = client.execution(id).await?;
                print(&if json { json_line(&answer) } else { details::of(&answer.execution) })?;
            }
            Action::Logs { id, follow, json } => log::print(&client, id, follow, json).await?,
            Action::Cancel { id } => {
                let state = client.cancel(id).await?.execution.state;
                let note = if state.is_finished() { "is cancelled" } else { "is being stopped" };
                print(&format!("{id} {note}"))?;
            }
        }
        Ok(())
    }
}

impl List {
    fn filter(&self) -> Vec<(&'static str, String)> {
        let state = self.state.map(|state| state.as_str().to_owned());
        let filters = [("state", state), ("agent", self.agent.clone()), ("lane", self.lane.clone())];
        filters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn parse_state(text: &str) -> Result<ExecutionState, String> {
    let states = ExecutionState::ALL.map(ExecutionState::as_str).join(", ");
    ExecutionState::parse(text).ok_or_else(|| format!("must be one of {states}"))
}

fn json_line(answer: &Answer) -> String {
    super::terminal::plain_json(&answer.json) + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn execution(id: char, extra: &serde_json::Value) -> Answer {
        let mut json = json!({
            "id": format!("exe_01m7y3mxd3zsnj8768wfpxha5{id}"), "state": "queued", "agent": "claude-code",
            "prompt": "Write a haiku\nabout queues\u{1b}[2J", "tools": {}, "metadata": {}, "lane": "default", "priority": 0,
            "attempt": 0, "createdAt": "2026-03-01T12:00:00.000Z", "lastSeq": 1,
            "limits": {
                "timeoutSeconds": 1, "startSeconds": 1, "firstEventSeconds": 1, "silenceSeconds": 1, "exitSeconds": 1,
                "maxOutputBytes": 1,
            },
        });
        let fields = json.as_object_mut().expect("an object");
        fields.extend(extra.as_object().expect("an object").clone());
        Answer { execution: serde_json::from_value(json.clone()).expect("an execution"), json: json.to_string() }
    }

    fn succeeded() -> Answer {
        let outcome = json!({
            "state": "succeeded", "result": "Queues\n\nwait\u{7}.", "durationMs": 3200, "turns": 2, "costUsd": 0.0074,
        });
        execution('a', &json!({ "state": "succeeded", "sessionId": "s-1", "outcome": outcome, "attempt": 1 }))
    }

    fn failed() -> Answer {
        let outcome = json!({ "state": "failed", "reason": "timeout", "message": "Stopped.", "durationMs": 1000 });
        execution('b', &json!({ "state": "failed", "outcome": outcome }))
    }

    #[test]
    fn a_list_is_an_aligned_table() {
        assert_eq!(table::of(&[]), "No executions.\n");
        insta::assert_snapshot!(table::of(&[execution('c', &json!({})), failed(), succeeded()]));
    }

    #[test]
    fn an_execution_is_shown_in_full_and_harmless() {
        insta::assert_snapshot!(details::of(&succeeded().execution));
        assert!(details::of(&failed().execution).contains("because   Stopped.\n"));
    }

    #[test]
    fn a_filter_is_what_was_given() {
        let list =
            List { state: parse_state("failed").ok(), agent: None, lane: Some("slow".into()), limit: 1, json: false };
        assert_eq!(list.filter(), [("state", "failed".to_owned()), ("lane", "slow".to_owned())]);
        assert!(parse_state("done").is_err_and(|error| error.contains("queued, running")));
    }
}
