//! The processes of one run, from what has to be there before them to what they leave.

use legwork_model::{Cost, EventBody, Outcome, Task, Verdict};
use legwork_runner::supervisor::Hold;
use legwork_runner::workspace::PatchLimits;
use legwork_runner::{Ended, Lines, Output, StopReason, Wires};
use tokio::sync::{mpsc, watch};

use super::cached::found_by;
use super::confinement::{Recording, watch_disk};
use super::execute::{Done, EVENTS, Executor, Survivor};
use super::models::{Access, metered};
use super::prepared::Prepared;
use super::survival::Resuming;
use super::talk::{Overheard, Talk};
use crate::store::ExecutionRecord;
use crate::store::kept::Kept;

/// Orders that may wait for the agent.
const ORDERS: usize = 16;

/// What is around the processes of a run.
struct Around<'a> {
    access: Option<&'a Access>,
    events: &'a mpsc::Sender<EventBody>,
    stop: watch::Receiver<Option<StopReason>>,
}

/// What came of the processes of a run.
struct Ran {
    outcome: Outcome,
    output: Option<Output>,
    hold: Option<Hold>,
}

impl Executor {
    /// The run itself; nothing where it goes on without this server process. Dropping `events` at its end ends the recording.
    pub(super) async fn attempt(
        &self,
        record: &ExecutionRecord,
        survivor: Option<Survivor>,
        events: mpsc::Sender<EventBody>,
        stop: &watch::Sender<Option<StopReason>>,
        talk: &mut Talk<'_>,
    ) -> Option<Done> {
        let known = survivor.as_ref().map(|survivor| metered(&survivor.recorded));
        let so_far = match known {
            Some(known) => known,
            None => self.metered_before(record).await,
        };
        let ready = match survivor {
            Some(survivor) => {
                let taken = self.take_up(record, survivor).await;
                taken.map(|(prepared, resuming)| (prepared, Some(resuming)))
            }
            None => self.prepare(record, &events, stop.subscribe()).await.map(|prepared| (prepared, None)),
        };
        let (mut prepared, resuming) = match ready {
            Ok(ready) => ready,
            Err(verdict) => return Some(Done::without_run(verdict)),
        };
        if resuming.is_none()
            && let Some(done) = self.cached(record, &mut prepared, &events).await
        {
            return Some(done);
        }
        let access = self.open_models(record, &prepared, so_far, &events, stop);
        let uplink = prepared.confined.uplink.clone();
        let recording = uplink.map(|uplink| Recording::of(uplink, record.id, events.clone()));
        let _watched = prepared.task.sandbox.disk.map(|most| watch_disk(prepared.directories(), most, stop.clone()));
        let stopped = stop.subscribe();
        let around = Around { access: access.as_ref(), events: &events, stop: stopped };
        let ran = self.run_to_end(&mut prepared, resuming, record.orders > record.heard, around, talk).await?;
        let Ran { mut outcome, output, hold } = ran;
        let hindrance = match access {
            Some(access) => access.close(&mut outcome).await,
            None => None,
        };
        if let Some(recording) = recording {
            recording.finish().await;
        }
        self.blame_age(prepared.agent, &mut outcome).await;
        let patch = prepared.workspace.patch(&self.runner, &prepared.git, &prepared.dirs, PatchLimits::default()).await;
        let (diff, fingerprint) = match patch {
            Ok(patch) => {
                let found_by = found_by(prepared.fingerprint.as_ref(), &prepared.task, &outcome, &patch, talk.heard());
                (Some(patch.diff), found_by)
            }
            Err(error) => {
                let fields = [("error".to_owned(), error.to_string().into())].into();
                let _ = events.send(EventBody::Message { topic: "patch_unavailable".into(), fields }).await;
                (None, None)
            }
        };
        prepared.home.unplace(&prepared.placed);
        let kept = Kept { fingerprint, ..self.keep(record, prepared.dirs, output, diff).await };
        let waiting = self.waits(record, prepared.agent, &outcome, hindrance);
        Some(Done { outcome, kept, hold, waiting })
    }

    /// Starts the agent, or goes on with it, and starts it again for what came too late for the process before. Nothing
    /// where it goes on without this server process.
    async fn run_to_end(
        &self,
        prepared: &mut Prepared,
        resuming: Option<Resuming>,
        orders_wait: bool,
        around: Around<'_>,
        talk: &mut Talk<'_>,
    ) -> Option<Ran> {
        let Around { access, events, mut stop } = around;
        let (mut orders_wait, mut resuming) = (orders_wait, resuming);
        talk.keeps_session(prepared.agent, prepared.home.clone());
        if let Some(resuming) = &resuming {
            talk.catch_up(&resuming.known, &resuming.notes).await;
        }
        let mut before: Option<Outcome> = None;
        let mut so_far = None;
        loop {
            let (orders, heard) = mpsc::channel(ORDERS);
            let (said, overheard) = overheard(&prepared.task, events);
            let lines = Lines { stop: stop.clone(), orders: Some(heard), events: said };
            let resumes = resuming.take();
            if resumes.is_none() {
                talk.begins();
            }
            let run = async {
                match resumes {
                    Some(resuming) => Ok(self.go_on(resuming, lines).await),
                    None => self.run_once(prepared, so_far.take(), lines).await,
                }
            };
            let (ended, ()) = tokio::join!(run, talk.go_on(orders, overheard, orders_wait));
            let ended = match ended {
                Ok(ended) if ended.goes_on => return None,
                Ok(ended) => ended,
                Err(verdict) => {
                    let outcome = joined(before, Outcome::without_run(verdict));
                    return Some(Ran { outcome, output: None, hold: None });
                }
            };
            orders_wait = false;
            if prepared.begins_anew(&ended.outcome) {
                let lost_session_id = prepared.task.resume_session.take().unwrap_or_default();
                let _ = events.send(EventBody::SessionReplaced { lost_session_id, session_id: None }).await;
                so_far = ended.output;
                continue;
            }
            let mut outcome = joined(before, ended.outcome);
            if let Some(session) = &outcome.session_id {
                self.keep_session(prepared.agent, &prepared.home, session).await;
            }
            if let Some(way) = access.and_then(|access| access.other_way(prepared, &outcome, &self.config)) {
                let _ = events.send(way.event(&prepared.task)).await;
                prepared.goes_another_way(way, outcome.session_id.clone());
                (before, so_far) = (Some(outcome), ended.output);
                continue;
            }
            let next = talk.next_prompt(ended.undelivered, &outcome, prepared.patience(), &mut stop).await;
            let (Some(prompt), Some(session)) = (next, outcome.session_id.clone()) else {
                if let (Some(_), Some(StopReason::Cancelled { message })) = (prepared.patience(), &*stop.borrow()) {
                    outcome.verdict = Verdict::Cancelled { message: message.clone() };
                }
                return Some(Ran { outcome, output: ended.output, hold: ended.hold });
            };
            let _ = events.send(EventBody::UserMessage { text: prompt.clone(), delivered: true }).await;
            prepared.goes_on(prompt, session);
            (before, so_far) = (Some(outcome), ended.output);
        }
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
        Ok(self.runner.run(attempt, Wires { dialogue, lines }).await)
    }
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
