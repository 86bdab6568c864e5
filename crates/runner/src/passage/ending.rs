//! How a passage ends: by itself, early, or because its output is not whole.

use std::io;
use std::time::Duration;

use legwork_agents::{AgentReport, Order};
use legwork_model::{EventBody, Exit, FailureReason, Outcome, Verdict};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Left, Passage, Stage};
use crate::attempt::Instruction;
use crate::stop::reason_of;

impl Passage {
    /// Ends a server whose work is done; how that went it has said before.
    pub(super) fn leave(&mut self) {
        if matches!(self.stage, Stage::Working) {
            self.left_others = true;
            self.end_tree(self.graces.leftovers);
        }
    }

    pub(super) fn over_limit(&mut self, stream: &str) {
        let message = format!("The agent printed more than {} bytes to its {stream}.", self.limits.max_output_bytes);
        self.output_lost(Verdict::failed(FailureReason::OutputLimit, message));
    }

    pub(super) fn not_kept(&mut self, error: &io::Error) {
        let message = format!("The agent's output could not be kept: {error}.");
        self.output_lost(Verdict::failed(FailureReason::Internal, message));
    }

    /// Ends a run whose output is not whole. An agent that has left by then, and is only being read to the end, has
    /// failed as well: what it answered is not all that it said.
    pub(super) fn output_lost(&mut self, verdict: Verdict) {
        if matches!(self.stage, Stage::Working) {
            self.end_early(verdict);
        } else {
            self.stopped.get_or_insert(verdict);
        }
    }

    /// Ends a run that works; whatever else comes to light while it is being ended changes nothing.
    pub(super) fn end_early(&mut self, verdict: Verdict) {
        if !matches!(self.stage, Stage::Working) {
            return;
        }
        self.events.push(EventBody::Stopping { reason: reason_of(&verdict) });
        self.stopped = Some(verdict);
        self.left_others = true;
        self.end_tree(self.graces.terminate);
    }

    /// The main process has ended. What it left behind has no one to answer to, and may hold the pipes open.
    pub(super) fn exited(&mut self, status: io::Result<Exit>) {
        self.exit = Some(status.unwrap_or_else(|error| {
            let message = format!("The agent's process was lost: {error}.");
            self.stopped.get_or_insert(Verdict::failed(FailureReason::Lost, message));
            Exit::default()
        }));
        if !matches!(self.stage, Stage::Working) {
            return;
        }
        self.left_others = self.process.may_have_left_others();
        if self.left_others {
            self.end_tree(self.graces.leftovers);
        } else {
            self.drain();
        }
    }

    pub(super) fn end_tree(&mut self, grace: Duration) {
        self.stdin.close();
        self.stage = Stage::Ending(self.process.terminate(grace));
    }

    pub(super) fn drain(&mut self) {
        let until = Instant::now() + self.graces.drain;
        self.stage = Stage::Draining { until };
        self.set_alarm();
    }

    pub(super) fn over_if_drained(&mut self) {
        let draining = matches!(self.stage, Stage::Draining { .. });
        if draining && self.exit.is_some() && self.pipes.ended() {
            self.stage = Stage::Over;
        }
    }

    pub(super) async fn finish(mut self) -> Left {
        let duration = self.started.elapsed();
        let exit = self.exit.unwrap_or_default();
        let report = self.dialogue.finish(exit, &mut self.decoded);
        self.act();
        self.events.flush().await;
        let failed = matches!(report.verdict, Verdict::Failed(_));
        let limit = self.process.limit_reached().filter(|_| failed).map(Verdict::Failed);
        let outcome = outcome(report, self.stopped.or(limit), self.exit, duration);
        let undelivered = self.orders.map(undelivered).unwrap_or_default();
        Left {
            outcome,
            output: self.output.finish(),
            undelivered,
            left_others: self.left_others,
            goes_on: self.goes_on,
            process: self.process,
        }
    }
}

impl Left {
    /// The same, which took none of the `orders`.
    pub(crate) fn without_orders(self, orders: Option<mpsc::Receiver<Instruction>>) -> Self {
        Self { undelivered: orders.map(undelivered).unwrap_or_default(), ..self }
    }
}

/// What the agent told, unless it was stopped: then the reason for that is the verdict.
fn outcome(report: AgentReport, stopped: Option<Verdict>, exit: Option<Exit>, duration: Duration) -> Outcome {
    Outcome {
        verdict: stopped.unwrap_or(report.verdict),
        result: report.result,
        session_id: report.session_id,
        usage: report.usage,
        cost_usd: report.cost_usd,
        metered: None,
        turns: report.turns,
        exit,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        cached: None,
    }
}

/// The messages that nobody took.
fn undelivered(mut orders: mpsc::Receiver<Instruction>) -> Vec<String> {
    orders.close();
    let messages = std::iter::from_fn(|| orders.try_recv().ok()).filter_map(|told| match told {
        Instruction::Order(Order::Message(text)) => Some(text),
        Instruction::Order(_) | Instruction::Leave => None,
    });
    messages.collect()
}
