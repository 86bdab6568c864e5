//! One run from its submission to its end, as seen from outside.

use std::io::{self, IsTerminal};

use legwork_model::{ExecutionId, ExecutionState, Outcome};
use serde_json::Value;
use tokio::sync::watch;

use super::advice::advice;
use super::exit;
use crate::commands::client::{Answer, Client, ClientError, Next, StreamedEvent};
use crate::commands::terminal::{Line, Screen, Style, Transcript, one_line, plain, plain_json, summary};
use crate::commands::{Failure, UNAVAILABLE, print};

/// What goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// The agent's answer.
    Answer,
    /// Events and execution as lines of JSON.
    Json,
}

/// A run to be made and followed.
pub(super) struct Follow {
    pub(super) client: Client,
    pub(super) body: Value,
    pub(super) idempotency_key: String,
    pub(super) output: Output,
    pub(super) screen: Screen,
}

/// Where others learn that, and as what, the run was submitted.
pub(super) fn submitted() -> watch::Sender<Option<ExecutionId>> {
    watch::Sender::new(None)
}

impl Follow {
    /// Submits the job and follows it; gives the exit code that says how it went.
    pub(super) async fn carry_out(self, submitted: &watch::Sender<Option<ExecutionId>>) -> Result<u8, Failure> {
        let created = self.client.create(&self.body, &self.idempotency_key).await.map_err(not_started)?;
        let id = created.execution.id;
        submitted.send_replace(Some(id));
        let mut transcript = Transcript::without_result();
        self.events(id, &mut transcript).await.map_err(|error| self.out_of_sight(id, &error))?;
        let ended = self.client.execution(id).await.map_err(|error| self.out_of_sight(id, &error))?;
        self.screen.settle();
        self.conclude(&ended, &transcript)
    }

    async fn events(&self, id: ExecutionId, transcript: &mut Transcript) -> Result<(), ClientError> {
        let mut events = self.client.events(id);
        let mut reader_left = false;
        loop {
            match events.next().await? {
                Next::Event(event) => {
                    // What keeps it from being written is told at the end, where it does so again.
                    let is_read = self.show(&event, transcript).unwrap_or(false);
                    if !is_read && !reader_left {
                        reader_left = true;
                        // A run whose output nobody reads is not worth going on with, as with any program in a pipe.
                        let _ = self.client.cancel(id).await;
                    }
                }
                Next::Lost(error) => {
                    self.screen.notice(Style::Warning, format!("{error}; trying again for a minute"));
                }
                Next::End => return Ok(()),
            }
        }
    }

    fn show(&self, event: &StreamedEvent, transcript: &mut Transcript) -> Result<bool, Failure> {
        if let Some(event) = &event.event {
            self.screen.progress(&transcript.take(event));
            self.screen.status(transcript.status());
        }
        match self.output {
            Output::Json => print(&plain_json(&event.json)),
            Output::Answer => Ok(true),
        }
    }

    fn conclude(&self, ended: &Answer, transcript: &Transcript) -> Result<u8, Failure> {
        let execution = &ended.execution;
        let outcome = execution.outcome.as_ref().ok_or_else(|| Failure {
            message: format!("the execution has no outcome although it is {}", execution.state.as_str()),
            code: UNAVAILABLE,
        })?;
        let printed = match self.output {
            Output::Json => print(&plain_json(&ended.json)),
            Output::Answer => print_answer(outcome),
        };
        self.screen.progress(&conclusion(ended, outcome, transcript));
        if !self.screen.shows_progress()
            && self.output == Output::Answer
            && execution.state != ExecutionState::Succeeded
        {
            self.screen.notice(Style::Plain, format!("legwork: {}", summary(outcome).text));
            advice(outcome).into_iter().for_each(|advice| self.screen.notice(Style::Plain, advice));
        }
        // Nobody may be reading any more, and that changes nothing; but who wants the answer in a file has to know that
        // it is not there.
        printed.map_err(|failure| Failure { code: UNAVAILABLE, ..failure })?;
        Ok(exit::code_of(outcome))
    }

    fn out_of_sight(&self, id: ExecutionId, error: &ClientError) -> Failure {
        let message = format!("lost sight of {id}, which may go on: {error}");
        Failure { message, code: UNAVAILABLE }
    }
}

/// What is worth knowing once it is over.
fn conclusion(ended: &Answer, outcome: &Outcome, transcript: &Transcript) -> Vec<Line> {
    let execution = &ended.execution;
    let mut lines = vec![summary(outcome)];
    lines.extend(advice(outcome).map(|advice| Line::new(Style::Plain, advice)));
    lines.push(Line::new(Style::Dim, format!("execution  {}", execution.id)));
    // Only a directory of the run's own needs telling where it is.
    if let (None, Some(path)) = (&execution.workspace, transcript.workspace()) {
        lines.push(Line::new(Style::Dim, format!("workspace  {path}")));
    }
    if let Some(session) = &execution.session_id {
        lines.push(Line::new(Style::Dim, format!("session    {} (go on with --resume)", one_line(session))));
    }
    lines
}

fn not_started(error: ClientError) -> Failure {
    let mut failure = Failure::from(error);
    // The run did not fail: there is none.
    if failure.code == exit::FAILED {
        failure.code = UNAVAILABLE;
    }
    failure
}

fn print_answer(outcome: &Outcome) -> Result<bool, Failure> {
    let Some(answer) = &outcome.result else { return Ok(true) };
    // A file gets every byte; a terminal only what it can't be tricked with.
    if io::stdout().is_terminal() { print(&plain(answer)) } else { print(answer) }
}
