//! What happened in an execution, on standard output.

use std::io::{self, IsTerminal};

use legwork_model::{EventBody, ExecutionId};

use crate::commands::client::{Client, ClientError, Next, StreamedEvent};
use crate::commands::terminal::{Transcript, plain_json, summary};
use crate::commands::{self, Failure};

/// Prints what is on record and, to `follow`, what comes until the end.
pub(super) async fn print(client: &Client, id: ExecutionId, follow: bool, json: bool) -> Result<(), Failure> {
    let mut log = Log { transcript: Transcript::whole(), json };
    if !follow {
        let events = client.recorded_events(id).await?;
        for event in &events {
            if !log.show(event)? {
                break;
            }
        }
        return Ok(());
    }
    let mut events = client.events(id);
    loop {
        match events.next().await? {
            Next::Event(event) if log.show(&event)? => {}
            Next::Event(_) | Next::End => return Ok(()),
            Next::Lost(error) => lost(&error),
        }
    }
}

fn lost(error: &ClientError) {
    if io::stderr().is_terminal() {
        eprintln!("{error}; trying again for a minute");
    }
}

struct Log {
    transcript: Transcript,
    json: bool,
}

impl Log {
    /// Says whether anybody still reads.
    fn show(&mut self, event: &StreamedEvent) -> Result<bool, Failure> {
        if self.json {
            return commands::print(&plain_json(&event.json));
        }
        let Some(event) = &event.event else { return Ok(true) };
        let mut lines = self.transcript.take(event);
        if let EventBody::Finished { outcome } = &event.body {
            lines.push(summary(outcome));
        }
        if lines.is_empty() {
            return Ok(true);
        }
        commands::print(&lines.iter().map(|line| line.text.clone() + "\n").collect::<String>())
    }
}
