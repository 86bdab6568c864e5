//! The processes of one run, one after the other: most runs have one, some need a further one for what came too late for the
//! one before, or because that could not do the job.

use std::io;

use legwork_model::{Cost, EventBody, Outcome, Task, Verdict};
use legwork_runner::supervisor::Hold;
use legwork_runner::{Ended, Lines, Output, StopReason, Wires};
use tokio::sync::{mpsc, watch};

use super::execute::{EVENTS, Executor};
use super::further::{Further, untold};
use super::models::Access;
use super::prepared::Prepared;
use super::survival::Resuming;
use super::talk::{Overheard, Talk};
use crate::events::{Barrier, NotOnRecord};

/// Orders that may wait for the agent.
const ORDERS: usize = 16;

/// What is around the processes of a run.
pub(super) struct Around<'a> {
    pub(super) access: Option<&'a Access>,
    /// The run's log.
    pub(super) events: &'a mpsc::Sender<EventBody>,
    /// Where it is waited for that log.
    pub(super) barrier: &'a Barrier,
    pub(super) stop: watch::Receiver<Option<StopReason>>,
}

/// What a process begins with.
#[derive(Default)]
struct Beginning {
    /// It has begun already, and goes on.
    resuming: Option<Resuming>,
    /// The one before, for the next server to take up while this one can't be.
    ended: Option<Hold>,
    /// What those before printed.
    so_far: Option<Output>,
    /// Whether orders may have come while nobody heard them.
    orders_wait: bool,
}

/// What came of the processes of a run.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    pub(super) output: Option<Output>,
    pub(super) hold: Option<Hold>,
}

/// Why a next server could not go on with a further process.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    #[error(transparent)]
    Record(#[from] NotOnRecord),
    #[error("what it printed can't be put into a file: {0}")]
    Output(#[from] io::Error),
}

impl Executor {
    /// Starts the agent, or goes on with it, and starts it again as long as there is a reason to. Nothing where it goes on without
    /// this server process.
    pub(super) async fn run_to_end(
        &self,
        prepared: &mut Prepared,
        resuming: Option<Resuming>,
        orders_wait: bool,
        mut around: Around<'_>,
        talk: &mut Talk<'_>,
    ) -> Option<Ran> {
        talk.keeps_session(prepared.agent, prepared.home.clone());
        let mut begun = None;
        let mut beginning = Beginning { resuming, orders_wait, ..Beginning::default() };
        if let Some(resuming) = &mut beginning.resuming {
            talk.catch_up(&prepared.before, &resuming.known, &resuming.notes).await;
            begun = resuming.begun.take();
        }
        loop {
            let ended = match self.process(prepared, std::mem::take(&mut beginning), &around, talk).await {
                Ok(ended) if ended.goes_on => return None,
                Ok(ended) => ended,
                Err(verdict) => {
                    let outcome = joined(prepared.before.outcome.take(), Outcome::without_run(verdict));
                    return Some(Ran { outcome, output: None, hold: None });
                }
            };
            let Ended { outcome, output, undelivered, hold, .. } = ended;
            talk.missed(undelivered);
            let mut outcome = joined(prepared.before.outcome.clone(), outcome);
            let Some(further) = self.further(prepared, &outcome, &mut around, talk).await else {
                if let (Some(_), Some(StopReason::Cancelled { message })) =
                    (prepared.patience(), &*around.stop.borrow())
                {
                    outcome.verdict = Verdict::Cancelled { message: message.clone() };
                }
                return Some(Ran { outcome, output, hold });
            };
            if let Some(event) = untold(further.event(&prepared.task), begun.take(), &self.mask_of(talk.id())) {
                // The log may have ended the run already; then nobody misses the event.
                let _ = around.events.send(event).await;
            }
            prepared.goes_further(further, outcome);
            beginning.so_far = output;
            self.leave_word(prepared, &mut beginning.so_far, around.barrier, talk).await;
            beginning.ended = hold.filter(|_| prepared.is_told_again());
            if beginning.ended.is_some() && matches!(*around.stop.borrow(), Some(StopReason::Leave)) {
                // The next server takes up the process that has ended, and starts the further one.
                return None;
            }
        }
    }

    /// One process, and the talk with it.
    async fn process(
        &self,
        prepared: &mut Prepared,
        beginning: Beginning,
        around: &Around<'_>,
        talk: &mut Talk<'_>,
    ) -> Result<Ended, Verdict> {
        let Beginning { resuming, ended, so_far, orders_wait } = beginning;
        let (orders, heard) = mpsc::channel(ORDERS);
        let (said, overheard) = overheard(&prepared.task, around.events);
        let lines = Lines { stop: around.stop.clone(), orders: Some(heard), events: said };
        if resuming.is_none() {
            talk.begins();
        }
        let run = async {
            match resuming {
                Some(resuming) => Ok(self.go_on(resuming, lines).await),
                None => self.run_once(prepared, ended, so_far, lines).await,
            }
        };
        let (ended, ()) = tokio::join!(run, talk.go_on(orders, overheard, orders_wait));
        ended
    }

    /// Goes on with a run that was taken up, and first tells what is not on record of it.
    async fn go_on(&self, resuming: Resuming, lines: Lines) -> Ended {
        for event in resuming.fresh {
            // The log may have ended the run already; then nobody misses the event.
            let _ = lines.events.send(event).await;
        }
        self.runner.go_on(resuming.resumed, lines).await
    }

    /// Gives the job to a program that waits for it, else starts one.
    async fn run_once(
        &self,
        prepared: &mut Prepared,
        ended: Option<Hold>,
        so_far: Option<Output>,
        mut lines: Lines,
    ) -> Result<Ended, Verdict> {
        if let Some((waiting, job)) = prepared.take_waiting() {
            match self.runner.run_waiting(waiting, job, lines).await {
                Ok(ended) => return Ok(ended),
                Err(back) => lines = back,
            }
        }
        if let Some(session) = &prepared.task.resume_session {
            self.settle_session(prepared.agent, &prepared.home, session).await;
        }
        let (attempt, dialogue) = prepared.start(so_far)?;
        Ok(self.runner.run_after(ended, attempt, Wires { dialogue, lines }).await)
    }

    /// Why the run needs a further process after those that came to `outcome`, if it does. A conversation waits for a message
    /// here.
    async fn further(
        &self,
        prepared: &Prepared,
        outcome: &Outcome,
        around: &mut Around<'_>,
        talk: &mut Talk<'_>,
    ) -> Option<Further> {
        if prepared.begins_anew(outcome) {
            return Some(Further::Anew);
        }
        if let Some(session) = &outcome.session_id {
            self.keep_session(prepared.agent, &prepared.home, session).await;
        }
        if let Some(way) = around.access.and_then(|access| access.other_way(prepared, outcome, &self.config)) {
            return Some(Further::OtherWay(way));
        }
        let text = talk.next_prompt(outcome, prepared.patience(), &mut around.stop).await?;
        Some(Further::Message { text, session: outcome.session_id.clone()? })
    }

    /// Lets a next server know what it has to, to go on with the process that is started next. Where that can't be done, the
    /// process ends with this server.
    async fn leave_word(
        &self,
        prepared: &mut Prepared,
        so_far: &mut Option<Output>,
        barrier: &Barrier,
        talk: &Talk<'_>,
    ) {
        if prepared.unattended.is_none() {
            return;
        }
        let on_record = put_on_record(prepared, so_far, barrier).await;
        let before = &mut prepared.before;
        match on_record {
            Ok((last_seq, printed)) => {
                (before.last_seq, before.printed) = (last_seq, printed);
                (before.heard, before.late) = (talk.heard(), talk.late());
            }
            Err(error) => {
                tracing::warn!(execution = %talk.id(), %error, "a further process of a run ends with this server");
                prepared.unattended = None;
            }
        }
    }
}

/// Puts what the processes so far said on record, and what they printed into a file. Gives the number of the last event, and the
/// length of the file.
async fn put_on_record(
    prepared: &Prepared,
    so_far: &mut Option<Output>,
    barrier: &Barrier,
) -> Result<(u64, u64), NotKept> {
    let last_seq = barrier.passed().await?;
    let printed = so_far.get_or_insert_default().put_down(&prepared.dirs.stdout())?;
    Ok((last_seq, printed))
}

/// Where the agent's events go. Those of a run that may ask or be idle pass through whoever talks with it.
fn overheard(task: &Task, events: &mpsc::Sender<EventBody>) -> (mpsc::Sender<EventBody>, Option<Overheard>) {
    if !task.is_conversation() {
        return (events.clone(), None);
    }
    let (sender, said) = mpsc::channel(EVENTS);
    (sender, Some(Overheard { said, log: events.clone() }))
}

/// One outcome of two processes that did one job, one after the other.
fn joined(before: Option<Outcome>, last: Outcome) -> Outcome {
    let Some(before) = before else { return last };
    let usage = match (before.usage, last.usage) {
        (Some(one), Some(other)) => Some(one + other),
        (one, other) => one.or(other),
    };
    let cost = |cost: Option<Cost>| cost.map_or(0, Cost::as_micros);
    let has_cost = before.cost_usd.is_some() || last.cost_usd.is_some();
    let turns = |turns: Option<u32>| turns.unwrap_or_default();
    let has_turns = before.turns.is_some() || last.turns.is_some();
    Outcome {
        result: last.result.or(before.result),
        session_id: last.session_id.or(before.session_id),
        usage,
        cost_usd: has_cost.then(|| Cost::from_micros(cost(before.cost_usd) + cost(last.cost_usd))),
        turns: has_turns.then(|| turns(before.turns).saturating_add(turns(last.turns))),
        duration_ms: before.duration_ms + last.duration_ms,
        ..last
    }
}
