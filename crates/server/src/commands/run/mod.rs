//! `legwork run`

mod advice;
mod exit;
mod follow;
mod interrupts;
mod prompt;
mod request;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use legwork_model::Ids;

use super::client::{Client, ServerArgs};
use super::local::{self, Local};
use super::terminal::{Screen, Style};
use super::{Failure, load_config};
use crate::config::{Config, Environment};
use follow::{Follow, Output};
use interrupts::Interrupts;
use request::Job;

/// What stands below the options.
const AFTER_HELP: &str = "\
The agent's answer goes to standard output, progress to standard error.

Without --server the job runs in this process: the agent works in a fresh directory, or in the one that --workspace \
names, and everything about the run is kept in the data directory. With it, the server runs the job; directories and \
lanes are the server's.

Ctrl-C cancels the run and waits until its agent has ended. A second Ctrl-C leaves without waiting for that on a \
server; here it waits for the agent's end, at most some seconds.

Exit codes:
    0  the run succeeded
    1  the run failed
    2  wrong usage: options, settings, or a field that was refused
    3  the run could not be started or followed, or its answer not be written: no server, wrong key, data directory in
       use, disk full
  124  the run hit one of its time limits
  130  the run was cancelled

Examples:
  legwork run 'Explain what this repository does' --workspace .
  legwork run --quiet --timeout 600 < task.md > answer.md
  legwork run --repository https://github.com/octocat/Hello-World.git 'Fix the typos'
  legwork run --rehearse 'Write [[write: hello.txt | hi]] [[say: done]]'";

/// Runs one job and shows what the agent does.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Run {
    /// What the agent is to do; `-` reads it from standard input
    prompt: Option<String>,
    #[command(flatten)]
    job: Job,
    /// The agent talks to a scripted model inside Legwork: no key, no cost (see docs/rehearsal.md)
    #[arg(long, help_heading = "Where it runs")]
    rehearse: bool,
    #[command(flatten, next_help_heading = "Where it runs")]
    server: ServerArgs,
    /// Where a run without a server is kept [default: legwork-data]
    #[arg(long, value_name = "DIR", help_heading = "Where it runs")]
    data_dir: Option<PathBuf>,
    /// Settings of a run without a server [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE", help_heading = "Where it runs")]
    config: Option<PathBuf>,
    /// Print every event as a line of JSON, and the execution as the last one
    #[arg(long, conflicts_with = "quiet", help_heading = "What is shown")]
    json: bool,
    /// Show no progress, print only the answer
    #[arg(long, short, help_heading = "What is shown")]
    quiet: bool,
}

impl Run {
    /// Runs the job to its end; the exit code says how it went.
    ///
    /// # Errors
    /// Where it could not be started or followed.
    pub async fn run(self, environment: Environment) -> Result<ExitCode, Failure> {
        let named = self.server.named(&environment)?;
        self.refuse_contradictions(named.is_some())?;
        let prompt = prompt::read(self.prompt.as_deref())?;
        let screen = Screen::new(&environment, !self.quiet && !self.json);
        let mut interrupts = Interrupts::heed()?;
        let code = match named {
            Some(server) => {
                let client = self.server.client(server, &environment)?;
                let body = self.job.request(&prompt, self.job.workspace.as_deref(), None);
                follow(self.order(client, body, &screen), &mut interrupts).await
            }
            None => self.run_here(&prompt, environment, &screen, &mut interrupts).await,
        };
        screen.settle();
        code.map(ExitCode::from)
    }

    async fn run_here(
        &self,
        prompt: &str,
        environment: Environment,
        screen: &Screen,
        interrupts: &mut Interrupts,
    ) -> Result<u8, Failure> {
        let mut config = self.settings(&environment)?;
        let workspace = self.job.workspace.as_deref().map(|dir| local::allow(dir, &mut config)).transpose()?;
        screen.status("starting".into());
        let local = tokio::select! {
            local = Local::start(config, environment) => local?,
            () = interrupts.next() => return Ok(exit::CANCELLED),
        };
        let body = self.job.request(prompt, workspace.as_deref(), Some(local.lane()));
        let code = follow(self.order(local.client().clone(), body, screen), interrupts).await;
        if interrupts.count() > 1 {
            screen.notice(Style::Warning, "ending the agent (Ctrl-C again to leave at once)");
        }
        tokio::select! {
            () = local.end() => code,
            () = interrupts.next() => {
                screen.notice(Style::Bad, "left at once: what the agent left behind is ended by the next legwork here");
                Ok(exit::CANCELLED)
            }
        }
    }

    fn settings(&self, environment: &Environment) -> Result<Config, Failure> {
        let mut config = load_config(self.config.as_deref(), environment)?;
        config.data_dir = self.data_dir.clone().unwrap_or(config.data_dir);
        config.rehearsal.enabled |= self.rehearse;
        Ok(config)
    }

    fn order(&self, client: Client, body: serde_json::Value, screen: &Screen) -> Follow {
        let output = if self.json { Output::Json } else { Output::Answer };
        let random = Ids::from_system().secret();
        Follow { client, body, idempotency_key: crate::app::hex(&random), output, screen: screen.clone() }
    }

    /// Options that only one side can heed.
    fn refuse_contradictions(&self, with_server: bool) -> Result<(), Failure> {
        let here = [
            ("--rehearse", self.rehearse),
            ("--data-dir", self.data_dir.is_some()),
            ("--config", self.config.is_some()),
        ];
        let there = [("--lane", self.job.lane.is_some()), ("--priority", self.job.priority.is_some())];
        let (options, why) = if with_server {
            (&here[..], "is for runs without a server; leave it out, or --server (and LEGWORK_SERVER)")
        } else {
            (&there[..], "is for the queue of a server; name one with --server URL, or leave it out")
        };
        match options.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failure::usage(format!("{option} {why}"))),
            None => Ok(()),
        }
    }
}

/// Follows the run to its end, or until the person at the terminal does not want to wait for it any more.
async fn follow(order: Follow, interrupts: &mut Interrupts) -> Result<u8, Failure> {
    let (client, screen, submitted) = (order.client.clone(), order.screen.clone(), follow::submitted());
    tokio::select! {
        code = order.carry_out(&submitted) => code,
        () = interrupts::cancel_then_leave(interrupts, &client, submitted.subscribe(), &screen) => Ok(exit::CANCELLED),
    }
}

#[cfg(test)]
mod tests;
