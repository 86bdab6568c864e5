//! The writing side of one run's log.

use std::sync::Arc;
use std::time::Duration;

use legwork_agents::Agent;
use legwork_model::{Clock, EventBody, Outcome, Timestamp, Waiting};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::barrier::Asked;
use super::hub::{Hub, Signal};
use super::redaction::Redaction;
use super::tool_uses::{OF_TOOLS, ToolUses};
use crate::mask::Mask;
use crate::store::append::{Append, Fenced, Lease};
use crate::store::finish::{Finish, finished_event};
use crate::store::kept::Kept;
use crate::store::park::Park;
use crate::store::tool_uses::ToolUseNews;
use crate::store::{ExecutionRecord, NewEvent, RecordedEvent, Store, StoreError};

/// Events of one append at the most.
const BATCH: usize = 256;
/// Bytes of one event's data at the most; longer data is cut and marked.
const LARGEST: usize = 1024 * 1024;
/// Events of an earlier server process whose text may go on.
const RECENT: usize = 16;
/// How long events of a run that nobody follows may wait for company.
const UNWATCHED: Duration = Duration::from_millis(20);
/// The same for the first ones: that an agent has begun is to be on record soon, for then the run is not repeated.
const FIRST: Duration = Duration::from_millis(5);
/// How long events wait for what tells whether their end is the beginning of a secret.
const UNDECIDED: Duration = Duration::from_millis(500);
/// How long a run goes on while its events can't be recorded.
const PATIENCE: Duration = Duration::from_secs(60);

/// The log of one run: numbers, masks, records and publishes its events. Holds the run's lease.
pub struct RunLog {
    store: Store,
    hub: Hub,
    clock: Arc<dyn Clock>,
    redaction: Redaction,
    lease: Lease,
    /// The number of the last event on record.
    last_seq: u64,
    /// Events that are not on record yet.
    pending: Vec<NewEvent>,
    session_id: Option<String>,
    turns: Turns,
    tool_uses: ToolUses,
    /// Whether the agent said something that is not known.
    has_drifted: bool,
}

/// The kinds of events that begin or end a turn.
const TURN_MARKS: [&str; 3] = ["started", "user_message", "turn_ended"];

/// Which turn of the agent goes on.
#[derive(Debug, Default)]
struct Turns {
    /// From 1; 0 before the agent began.
    number: u32,
    /// Whether its answer was given.
    ended: bool,
}

impl Turns {
    /// The turn that an event belongs to.
    fn of(&mut self, body: &EventBody) -> Option<u32> {
        match body {
            EventBody::Started { .. } | EventBody::UserMessage { .. } if self.number == 0 || self.ended => {
                self.number += 1;
                self.ended = false;
            }
            EventBody::TurnEnded { .. } => self.ended = true,
            EventBody::Finished { .. } => return None,
            _ => {}
        }
        (self.number > 0).then_some(self.number)
    }
}

/// How recording went on.
#[derive(Debug)]
#[must_use]
pub enum Appended {
    /// All is on record.
    Recorded,
    /// Another node owns the execution: stop the agent, write nothing more.
    LeaseLost,
    /// There are orders that were not heard, so the execution was not ended. What was to be recorded is still held.
    OrdersWait,
    /// The database could not be used for too long, or does not take this. What was to be recorded is still held.
    Failed(StoreError),
}

impl RunLog {
    /// The log of the run of `agent` that `record` is of.
    pub fn new(
        store: Store,
        hub: Hub,
        clock: Arc<dyn Clock>,
        mask: Mask,
        record: &ExecutionRecord,
        agent: Option<&'static dyn Agent>,
    ) -> Self {
        Self {
            store,
            hub,
            clock,
            redaction: Redaction::new(mask),
            lease: Lease { id: record.id, fence: record.fence },
            last_seq: record.last_seq,
            pending: Vec::new(),
            session_id: None,
            turns: Turns::default(),
            tool_uses: ToolUses::new(agent, record.task.permissions.is_some()),
            has_drifted: false,
        }
    }

    /// Goes on after what an earlier server process recorded.
    pub fn goes_on_after(&mut self, recorded: &[RecordedEvent]) {
        self.last_seq = recorded.last().map_or(self.last_seq, |event| event.seq);
        self.turns.number = recorded.iter().filter_map(|event| event.turn).max().unwrap_or_default();
        let last = recorded.iter().rev().find(|event| TURN_MARKS.contains(&event.kind.as_str()));
        self.turns.ended = last.is_some_and(|event| event.kind == "turn_ended");
        // What was decided about their uses of tools is on record with them.
        let of_tools = recorded.iter().filter(|event| OF_TOOLS.contains(&event.kind.as_str()));
        for event in of_tools.filter_map(|event| event.decode().ok()) {
            self.tool_uses.told_by(event.seq, &event.body);
        }
        // A secret may have begun in what was told last.
        for event in recorded.iter().rev().take(RECENT).rev().filter_map(|event| event.decode().ok()) {
            self.redaction.take(event.at, event.body);
            self.redaction.release();
        }
    }

    /// Takes an event that is recorded together with the next one.
    pub fn hold(&mut self, body: EventBody) {
        if let EventBody::Unparsed { line, .. } = &body {
            self.notice_drift(line);
        }
        if let EventBody::Started { session_id: Some(session), .. } = &body {
            self.session_id = Some(session.clone());
        }
        let decided = self.redaction.take(self.clock.now(), body);
        self.put(decided);
    }

    /// What waits to be decided is recorded with the next events.
    fn release(&mut self) {
        let released = self.redaction.release();
        self.put(released);
    }

    fn put(&mut self, events: Vec<(Timestamp, EventBody)>) {
        for (at, body) in events {
            let mut event = NewEvent::new(at, &body);
            event.turn = self.turns.of(&body);
            event.tool_use = self.news_of_tool_use(&body);
            event.data = capped(self.redaction.mask().apply_to_json(event.data), &body);
            self.pending.push(event);
        }
    }

    fn news_of_tool_use(&mut self, body: &EventBody) -> Option<Box<ToolUseNews>> {
        let seq = self.last_seq + self.pending.len() as u64 + 1;
        let mut news = self.tool_uses.told_by(seq, body)?;
        if let ToolUseNews::Begun { tool, .. } = &mut news {
            *tool = self.redaction.mask().apply(std::mem::take(tool));
        }
        Some(Box::new(news))
    }

    /// The agent says something that its adapter does not know: a newer version may speak otherwise.
    fn notice_drift(&mut self, line: &str) {
        metrics::counter!("legwork_agent_unknown_output_total").increment(1);
        if !std::mem::replace(&mut self.has_drifted, true) {
            let line: String = self.redaction.mask().apply(line.to_owned()).chars().take(200).collect();
            tracing::warn!(execution = %self.lease.id, line, "the agent says what is not known; it is kept as it came");
        }
    }

    /// Records and publishes `events` as they come, until their sender is dropped. What came last is left for
    /// [`finish`](Self::finish), which needs a transaction anyway; who can't wait for that has [`asked`](super::Barrier).
    pub async fn record(&mut self, events: &mut mpsc::Receiver<EventBody>, asked: &mut Asked) -> Appended {
        let mut batch = Vec::new();
        let mut patience = FIRST;
        loop {
            tokio::select! {
                more = self.receive(events, &mut batch) => if !more { break },
                answer = asked.next() => match self.pass(events, answer).await {
                    Appended::Recorded => continue,
                    stopped => return stopped,
                },
            }
            if !self.hub.is_followed(self.lease.id) {
                // Nobody reads along, so what follows closely may share the commit.
                let gather = async { while batch.len() < BATCH && events.recv_many(&mut batch, BATCH).await > 0 {} };
                let _ = tokio::time::timeout(patience, gather).await;
                patience = UNWATCHED;
            }
            batch.drain(..).for_each(|body| self.hold(body));
            if events.is_closed() && events.is_empty() {
                break;
            }
            match self.append_decided().await {
                Appended::Recorded => {}
                stopped => return stopped,
            }
        }
        Appended::Recorded
    }

    /// Records all that was sent so far, and says so.
    async fn pass(&mut self, events: &mut mpsc::Receiver<EventBody>, answer: oneshot::Sender<u64>) -> Appended {
        while let Ok(body) = events.try_recv() {
            self.hold(body);
        }
        let appended = self.append().await;
        if matches!(appended, Appended::Recorded) {
            // Whoever asked may have given up.
            let _ = answer.send(self.last_seq);
        }
        appended
    }

    /// Waits for the next events; says whether there may be more of them. Where nothing comes for a while, there may be none.
    async fn receive(&mut self, events: &mut mpsc::Receiver<EventBody>, batch: &mut Vec<EventBody>) -> bool {
        let received = events.recv_many(batch, BATCH);
        if !self.redaction.is_undecided() {
            return received.await > 0;
        }
        if let Ok(count) = tokio::time::timeout(UNDECIDED, received).await {
            return count > 0;
        }
        self.release();
        true
    }

    /// Records what is held.
    pub async fn append(&mut self) -> Appended {
        self.release();
        self.append_decided().await
    }

    async fn append_decided(&mut self) -> Appended {
        if self.pending.is_empty() {
            return Appended::Recorded;
        }
        let append = || Append {
            lease: self.lease,
            after: self.last_seq,
            events: self.pending.clone(),
            session_id: self.session_id.clone(),
        };
        let written = patiently(|| self.store.write(append())).await;
        self.settle(written)
    }

    /// Ends the execution: records what is held, the outcome and the last event, together. `record` is the execution as
    /// it was claimed; `orders` is how many orders were heard.
    pub async fn finish(
        &mut self,
        record: &ExecutionRecord,
        mut outcome: Outcome,
        kept: &Kept,
        orders: u64,
    ) -> Appended {
        self.release();
        let now = self.clock.now();
        outcome.session_id = outcome.session_id.or_else(|| self.session_id.clone());
        let mut last = finished_event(now, &outcome);
        last.data = self.redaction.mask().apply_to_json(last.data);
        self.pending.push(last);
        let finish = || Finish {
            lease: self.lease,
            after: self.last_seq,
            events: self.pending.clone(),
            outcome: outcome.clone(),
            kept: kept.clone(),
            orders,
            now,
        };
        let written = patiently(|| self.store.write(finish())).await;
        let appended = self.settle(written);
        match appended {
            Appended::Recorded => {
                let ended = || Signal::Ended(Arc::new(record.clone().ended(outcome, now, self.last_seq)));
                self.hub.publish(self.lease.id, ended);
            }
            Appended::LeaseLost => {}
            // The next try brings its own last event.
            Appended::Failed(_) | Appended::OrdersWait => drop(self.pending.pop()),
        }
        appended
    }

    /// Lets the execution wait: records what is held, and that it does, together.
    pub async fn park(
        &mut self,
        waiting: Waiting,
        session_id: Option<String>,
        heard: u64,
        node: &str,
        lease_until: Timestamp,
    ) -> Appended {
        self.release();
        let session_id = session_id.or_else(|| self.session_id.clone());
        let park = || Park {
            lease: self.lease,
            after: self.last_seq,
            events: self.pending.clone(),
            session_id: session_id.clone(),
            waiting,
            heard,
            node: node.to_owned(),
            lease_until,
        };
        let written = patiently(|| self.store.write(park())).await;
        let appended = self.settle(written);
        if matches!(appended, Appended::Recorded) {
            self.hub.publish(self.lease.id, || Signal::Changed);
        }
        appended
    }

    /// Lets go of what is held, for the database does not take it.
    pub fn discard(&mut self) {
        self.pending.clear();
    }

    fn settle(&mut self, written: Result<Fenced, StoreError>) -> Appended {
        match written {
            Ok(Fenced::Applied) => {
                let events = std::mem::take(&mut self.pending);
                self.publish(&events);
                self.last_seq += events.len() as u64;
                Appended::Recorded
            }
            Ok(Fenced::LeaseLost) => Appended::LeaseLost,
            Ok(Fenced::OrdersWait) => Appended::OrdersWait,
            Err(error) => Appended::Failed(error),
        }
    }

    fn publish(&self, events: &[NewEvent]) {
        self.hub.publish_events(self.lease.id, || {
            let numbered: Result<Arc<[RecordedEvent]>, StoreError> =
                (self.last_seq + 1..).zip(events).map(|(seq, event)| RecordedEvent::numbered(seq, event)).collect();
            numbered.map_or(Signal::Changed, Signal::Recorded)
        });
    }
}

/// Repeats a write while the database can't be used, up to a bound. The agent goes on meanwhile; what it prints waits in
/// bounded queues.
async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
    mut write: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(50);
    loop {
        match write().await {
            Err(StoreError::Unavailable(error)) if Instant::now() < deadline => {
                tracing::warn!(%error, "events can't be recorded right now; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            written => return written,
        }
    }
}

/// Cuts data that is too long for one row of the log. The whole is in the raw output.
fn capped(data: String, body: &EventBody) -> String {
    if data.len() <= LARGEST {
        return data;
    }
    let mut end = LARGEST;
    while !data.is_char_boundary(end) {
        end -= 1;
    }
    serde_json::json!({ "truncated": true, "bytes": data.len(), "kind": body.kind(), "json": &data[..end] }).to_string()
}
