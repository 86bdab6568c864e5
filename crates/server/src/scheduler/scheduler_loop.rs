//! The one owner of this node's running executions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use legwork_model::{Clock, ExecutionId, Timestamp, Waiting};
use legwork_runner::{StopReason, TakenUp};
use tokio::sync::{mpsc, watch};

use super::lanes::{Lanes, Slot};
use super::run_slot::RunSlot;
use crate::events::{Hub, Signal};
use crate::executor::Executor;
use crate::lifecycle::{Phase, Stage};
use crate::store::append::Lease;
use crate::store::claim::{Claim, Claimed};
use crate::store::lease::Held;
use crate::store::{ExecutionRecord, RecordedEvent, Store, StoreError};

/// How often the queue is looked at without being told: other nodes submit to a shared database, too.
const LOOK_SHARED: Duration = Duration::from_millis(500);
const LOOK_ALONE: Duration = Duration::from_secs(30);
/// How long to leave the database alone after it failed.
const PAUSE: Duration = Duration::from_millis(250);
/// A look that wakes somebody up comes no sooner than this after the one before.
const SOONEST: Duration = Duration::from_millis(20);
/// Messages taken from the inbox at once.
const BATCH: usize = 1024;

/// What the scheduler is told.
#[derive(Debug)]
pub enum Command {
    /// A job of this lane was put on record and waits.
    Waiting(String),
    /// Jobs may wait in any lane.
    Look,
    /// A run of this node needs its slot no more.
    SlotFree,
    /// A job was claimed when it was put on record.
    Run(Box<Claimed>, Slot),
    /// A run of an earlier server process was taken up.
    TakenUp(Box<ExecutionRecord>, Box<TakenUp>),
    /// Somebody wants an execution of this node stopped.
    Stop(ExecutionId, StopReason),
    /// What this node still owns, according to the database, at the start of this look.
    Held(Vec<Held>),
    /// There are orders for an execution, maybe of this node.
    Ordered(ExecutionId),
    /// Claim nothing more.
    Drain,
    /// Stop everything that runs.
    StopAll(StopReason),
    /// A run of this node has ended, or waits.
    Ended(ExecutionId, Option<Waiting>),
}

/// The way to the scheduler.
#[derive(Debug, Clone)]
pub struct SchedulerHandle {
    commands: mpsc::UnboundedSender<Command>,
    running: watch::Receiver<usize>,
    lanes: Lanes,
}

impl SchedulerHandle {
    /// Tells the scheduler something. It may have ended already, then nothing runs any more.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// The slots of this node.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// How many executions run on this node.
    pub fn running(&self) -> usize {
        *self.running.borrow()
    }

    /// Waits until nothing runs on this node.
    pub async fn idle(&self) {
        let mut running = self.running.clone();
        // An error means that the scheduler has ended.
        let _ = running.wait_for(|count| *count == 0).await;
    }
}

/// What the scheduler works with.
pub struct Schedule {
    /// The queue.
    pub store: Store,
    /// Where live readers are told.
    pub hub: Hub,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This node's name in leases.
    pub node: String,
    /// How long a lease holds, in milliseconds.
    pub lease_millis: i64,
    /// The slots of this node.
    pub lanes: Lanes,
    /// Runs what was claimed.
    pub executor: Arc<Executor>,
    /// What ends with the first run, on a node that does one job.
    pub ends_after_one: Option<Phase>,
}

/// Starts the scheduler. It ends when all handles are dropped and nothing runs any more.
pub fn schedule(schedule: Schedule) -> SchedulerHandle {
    let (commands, inbox) = mpsc::unbounded_channel();
    let (running_sender, running) = watch::channel(0);
    let lanes = schedule.lanes.clone();
    let scheduler = Scheduler {
        wake_at: None,
        waiting: BTreeSet::new(),
        runs: HashMap::new(),
        strays: HashSet::new(),
        draining: false,
        stopping: None,
        to_self: commands.clone(),
        running: running_sender,
        schedule,
    };
    tokio::spawn(scheduler.run(inbox));
    SchedulerHandle { commands, running, lanes }
}

struct Scheduler {
    schedule: Schedule,
    /// When the next job may go on that waits for more than a slot.
    wake_at: Option<Timestamp>,
    /// Lanes in which jobs may wait. A lane leaves when a claim found fewer jobs than there were slots.
    waiting: BTreeSet<String>,
    runs: HashMap<ExecutionId, Run>,
    /// What the last look found owned by this node but not running.
    strays: HashSet<Lease>,
    draining: bool,
    /// Why everything is being stopped, once it is.
    stopping: Option<StopReason>,
    to_self: mpsc::UnboundedSender<Command>,
    running: watch::Sender<usize>,
}

/// A running execution as its scheduler sees it.
struct Run {
    fence: i64,
    stop: watch::Sender<Option<StopReason>>,
    /// The last look did not find its lease. A run claimed during that look is not in it, so one look proves nothing.
    missed: bool,
    /// How many orders its agent was told of.
    orders: u64,
}

impl Scheduler {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let look = if self.schedule.store.is_shared() { LOOK_SHARED } else { LOOK_ALONE };
        let mut batch = Vec::new();
        self.hear(Command::Look);
        self.next_wake().await;
        loop {
            let pause = if self.fill_slots().await { look.min(self.sleeps()) } else { PAUSE };
            // Everything that was said meanwhile is heard before the next look into the queue.
            match tokio::time::timeout(pause, inbox.recv_many(&mut batch, BATCH)).await {
                Ok(0) => return,
                Ok(_) => batch.drain(..).for_each(|command| self.hear(command)),
                Err(_) => {
                    self.hear(Command::Look);
                    self.next_wake().await;
                }
            }
        }
    }

    /// Looks again at the latest at this moment.
    fn wake(&mut self, at: Option<Timestamp>) {
        self.wake_at = self.wake_at.into_iter().chain(at).min();
    }

    /// How long there is until somebody who waits may go on.
    fn sleeps(&self) -> Duration {
        let left = |at: Timestamp| Duration::from_millis(at.millis_since(self.schedule.clock.now()));
        self.wake_at.map_or(Duration::MAX, left).max(SOONEST)
    }

    /// Learns when the next one may go on: of those that wait on record, and of agents that are left alone.
    async fn next_wake(&mut self) {
        let now = self.schedule.clock.now();
        self.wake_at = match self.schedule.store.next_wait(now).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "failed to look for jobs that wait; trying again");
                None
            }
        };
        self.wake(self.schedule.executor.held_until(now));
    }

    fn hear(&mut self, command: Command) {
        match command {
            Command::Waiting(lane) => drop(self.waiting.insert(lane)),
            // What there is to do is done after every command.
            Command::SlotFree => {}
            Command::Look => self.waiting.extend(self.schedule.lanes.names().cloned()),
            Command::Run(claimed, slot) => self.start(*claimed, slot),
            Command::TakenUp(record, taken) => self.take_up(*record, *taken),
            Command::Stop(id, reason) => self.stop(id, reason),
            Command::Held(held) => self.compare(held),
            Command::Ordered(id) => self.schedule.executor.bells.ring(id),
            Command::Drain => self.draining = true,
            Command::StopAll(reason) => {
                self.draining = true;
                self.runs.values().for_each(|run| stop_run(run, reason.clone()));
                self.stopping = Some(reason);
            }
            Command::Ended(id, waiting) => {
                self.forget(id);
                self.wake(waiting.and_then(|waiting| waiting.until));
            }
        }
    }

    /// Claims jobs while there are free slots; tells whether the database could be used.
    async fn fill_slots(&mut self) -> bool {
        if self.draining {
            return true;
        }
        for lane in self.waiting.clone() {
            let mut slots: Vec<Slot> = std::iter::from_fn(|| self.schedule.lanes.take(&lane)).collect();
            if slots.is_empty() {
                continue;
            }
            match self.claim(&lane, slots.len()).await {
                Ok(claimed) => {
                    if claimed.len() < slots.len() {
                        self.waiting.remove(&lane);
                    }
                    claimed.into_iter().zip(slots.drain(..)).for_each(|(claimed, slot)| self.start(claimed, slot));
                }
                Err(error) => {
                    tracing::warn!(%error, lane, "failed to claim jobs; trying again");
                    return false;
                }
            }
        }
        true
    }

    async fn claim(&self, lane: &str, limit: usize) -> Result<Vec<Claimed>, StoreError> {
        let now = self.schedule.clock.now();
        let claim = Claim {
            lane: lane.to_owned(),
            limit: limit as u64,
            node: self.schedule.node.clone(),
            now,
            lease_until: now.plus_millis(self.schedule.lease_millis),
            held: self.schedule.executor.held_agents(now),
        };
        self.schedule.store.write(claim).await
    }

    fn start(&mut self, claimed: Claimed, mut slot: Slot) {
        slot.used();
        self.go(claimed.record, Some(claimed.event), Some(slot), None);
    }

    /// What runs already goes on, slot or not.
    fn take_up(&mut self, record: ExecutionRecord, taken: TakenUp) {
        let slot = self.schedule.lanes.take(&record.lane);
        self.go(record, None, slot, Some(taken));
    }

    fn go(
        &mut self,
        record: ExecutionRecord,
        event: Option<RecordedEvent>,
        slot: Option<Slot>,
        taken: Option<TakenUp>,
    ) {
        let cancelled = record.cancel_requested.clone().map(|message| StopReason::Cancelled { message });
        let stop = watch::Sender::new(cancelled.or_else(|| self.stopping.clone()));
        // Hung before anybody can learn that it runs, so that no order is given in vain.
        let bell = self.schedule.executor.bells.hang(record.id);
        let run = Run { fence: record.fence, stop: stop.clone(), missed: false, orders: record.orders };
        self.runs.insert(record.id, run);
        let slot = RunSlot::new(self.schedule.lanes.clone(), record.lane.clone(), slot, self.to_self.clone());
        self.running.send_replace(self.runs.len());
        if let Some(event) = event {
            self.schedule.hub.publish_events(record.id, || Signal::Recorded([event].into()));
        }
        let (executor, ended, id) = (Arc::clone(&self.schedule.executor), self.to_self.clone(), record.id);
        tokio::spawn(async move {
            // Told even when the run's task panics: the slot must come back.
            let mut ending = Ending { ended, id, waiting: None };
            // Given back before that is told.
            let slot = slot;
            // Boxed, for it is large, and a task is moved several times before it begins.
            ending.waiting = Box::pin(executor.execute(record, taken, stop, &slot, bell)).await;
        });
    }

    fn stop(&self, id: ExecutionId, reason: StopReason) {
        if let Some(run) = self.runs.get(&id) {
            stop_run(run, reason);
        }
    }

    /// Stops runs that somebody wants cancelled through another node, and runs that the database gives to somebody else.
    fn compare(&mut self, held: Vec<Held>) {
        let held: HashMap<Lease, Held> = held.into_iter().map(|held| (held.lease, held)).collect();
        for (id, run) in &mut self.runs {
            let found = held.get(&Lease { id: *id, fence: run.fence });
            match found {
                Some(Held { cancel_requested: Some(message), .. }) => {
                    stop_run(run, StopReason::Cancelled { message: message.clone() });
                }
                Some(held) if held.orders > run.orders => {
                    run.orders = held.orders;
                    self.schedule.executor.bells.ring(*id);
                }
                None if run.missed => stop_run(run, StopReason::LeaseLost),
                _ => {}
            }
            run.missed = found.is_none();
        }
        self.give_up_strays(held.into_keys().collect());
    }

    /// Gives up what this node owns but does not run: its task panicked, or could not record its end. What was claimed
    /// during a look is not running yet, so here, too, one look proves nothing.
    fn give_up_strays(&mut self, held: HashSet<Lease>) {
        let runs = |lease: &Lease| self.runs.get(&lease.id).is_some_and(|run| run.fence == lease.fence);
        let strays: HashSet<Lease> = held.into_iter().filter(|lease| !runs(lease)).collect();
        for lease in strays.intersection(&self.strays).copied() {
            let (executor, to_self) = (Arc::clone(&self.schedule.executor), self.to_self.clone());
            tokio::spawn(async move {
                executor.lose(lease, "The server stopped working on this job.", true).await;
                let _ = to_self.send(Command::Look);
            });
        }
        self.strays = strays;
    }

    fn forget(&mut self, id: ExecutionId) {
        if self.runs.remove(&id).is_some() {
            self.running.send_replace(self.runs.len());
            if let Some(phase) = &self.schedule.ends_after_one {
                phase.advance(Stage::Draining);
            }
        }
    }
}

/// The first reason to stop a run counts.
fn stop_run(run: &Run, reason: StopReason) {
    run.stop.send_if_modified(|stop| {
        let first = stop.is_none();
        if first {
            *stop = Some(reason);
        }
        first
    });
}

struct Ending {
    ended: mpsc::UnboundedSender<Command>,
    id: ExecutionId,
    waiting: Option<Waiting>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.ended.send(Command::Ended(self.id, self.waiting));
    }
}
