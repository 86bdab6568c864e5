//! One attempt of an agent, from its launch to its outcome, in one loop.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use legwork_agents::{AgentReport, Decoded, Dialogue, Launch, Opening, Order};
use legwork_model::{EventBody, Exit, FailureReason, Limits, Outcome, Verdict};
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::bridge::Bridge;
use crate::cookie::Cookie;
use crate::deadlines::Deadlines;
use crate::event_queue::EventQueue;
use crate::output::{Output, Recorder};
use crate::pipes::{Pipes, Stream};
use crate::process_tree::{Tree, exit_of};
use crate::runner::Graces;
use crate::sandbox::process::Running;
use crate::stdin_feed::StdinFeed;
use crate::stop::{StopReason, reason_of};

/// A run that takes longer has its output in a file as soon as it comes.
const SHORT: Duration = Duration::from_millis(100);

/// Looked at again when nothing else has a deadline.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// One attempt of an agent: what to start, where, and within which limits.
#[derive(Debug)]
pub struct Attempt {
    /// What to start.
    pub launch: Launch,
    /// A sentence that says how to get the program, for the error where it is missing.
    pub install_hint: String,
    /// Its working directory.
    pub workspace: PathBuf,
    /// When it is stopped.
    pub limits: Limits,
    /// How long it stays for a further message after a turn; it leaves after its turn where absent.
    pub idle: Option<Duration>,
    /// The mark of its processes.
    pub cookie: Cookie,
    /// Where its standard output goes as it comes, up to `limits.max_output_bytes`, unless the run is short and says
    /// little.
    pub stdout_path: PathBuf,
    /// What an earlier process of the same run printed; it goes on behind that.
    pub so_far: Option<Output>,
}

/// What an attempt talks to while it goes on.
pub struct Wires {
    /// The other end of the dialogue with the agent.
    pub dialogue: Box<dyn Dialogue>,
    /// The lines to the outside.
    pub lines: Lines,
}

/// What reaches an attempt from outside while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// For the agent.
    Order(Order),
    /// No further message will come: the agent leaves as soon as it has nothing to do.
    Leave,
}

/// What connects an attempt with the outside.
#[derive(Debug)]
pub struct Lines {
    /// Stops it.
    pub stop: watch::Receiver<Option<StopReason>>,
    /// What somebody wants of the agent while it runs.
    pub orders: Option<mpsc::Receiver<Instruction>>,
    /// Takes its events, in the order they happen.
    pub events: mpsc::Sender<EventBody>,
}

impl Wires {
    /// For a program that takes no orders.
    pub fn one_way(
        dialogue: Box<dyn Dialogue>,
        stop: watch::Receiver<Option<StopReason>>,
        events: mpsc::Sender<EventBody>,
    ) -> Self {
        Self { dialogue, lines: Lines { stop, orders: None, events } }
    }
}

/// The job of a program that was started ahead of it, with what it is to be connected to.
#[derive(Debug)]
pub(crate) struct Takeover {
    pub(crate) opening: Opening,
    pub(crate) limits: Limits,
    pub(crate) idle: Option<Duration>,
    pub(crate) output: Recorder,
    pub(crate) lines: Lines,
}

/// The terms of one passage.
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) idle: Option<Duration>,
    pub(crate) serves: bool,
}

/// A running agent. Its loop ends when its main process was waited for, none of its other processes is left, and its
/// pipes are read to the end (or long enough).
pub(crate) struct Passage {
    tree: Arc<Tree>,
    child: Child,
    pipes: Pipes,
    stdin: StdinFeed,
    /// Talks to the program where it serves HTTP; ends with this.
    _bridge: Option<Bridge>,
    dialogue: Box<dyn Dialogue>,
    decoded: Vec<Decoded>,
    output: Recorder,
    stderr_room: u64,
    max_output_bytes: u64,
    deadlines: Deadlines,
    /// The permission requests that wait for their answer.
    asked: BTreeSet<String>,
    idle: Option<Duration>,
    serves: bool,
    orders: Option<mpsc::Receiver<Instruction>>,
    /// Told when a program that was started ahead of its job is ready.
    ready: Option<watch::Sender<bool>>,
    alarm: Pin<Box<Sleep>>,
    stop: watch::Receiver<Option<StopReason>>,
    events: EventQueue,
    graces: Graces,
    started: Instant,
    stage: Stage,
    exit: Option<Exit>,
    stopped: Option<Verdict>,
    spilled: bool,
    left_others: bool,
}

enum Stage {
    /// The agent works.
    Working,
    /// Its processes are being ended: all of them, or those that its main process left behind.
    Ending(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// No process is left; what they printed last may still be in the pipes.
    Draining { until: Instant },
    /// Nothing more will come.
    Over,
}

enum Step {
    Stop(StopReason),
    Instruction(Option<Instruction>),
    Exited(io::Result<ExitStatus>),
    Output(Stream),
    Fed,
    Flushed,
    Alarm,
    TreeEnded,
}

/// How an attempt ended.
pub(crate) struct Left {
    pub(crate) outcome: Outcome,
    pub(crate) output: Output,
    /// Messages that came too late for it.
    pub(crate) undelivered: Vec<String>,
    /// Whether processes were left behind that may be nobody's now.
    pub(crate) left_others: bool,
}

impl Passage {
    /// Takes over a process that was just started.
    pub(crate) fn new(running: Running, terms: Terms, output: Recorder, wires: Wires, graces: Graces) -> Self {
        let Running { mut child, tree, stdin, stdout, bridge } = running;
        let Terms { limits, idle, serves } = terms;
        let started = Instant::now();
        let max_output_bytes = limits.max_output_bytes;
        let deadlines = Deadlines::new(limits, started);
        let alarm = Box::pin(sleep_until(started + SHORT));
        Self {
            tree,
            pipes: Pipes::new(stdout, child.stderr.take()),
            child,
            stdin,
            _bridge: bridge,
            dialogue: wires.dialogue,
            decoded: Vec::new(),
            output,
            stderr_room: max_output_bytes,
            max_output_bytes,
            deadlines,
            asked: BTreeSet::new(),
            idle,
            serves,
            orders: wires.lines.orders,
            ready: None,
            alarm,
            stop: wires.lines.stop,
            events: EventQueue::new(wires.lines.events),
            graces,
            started,
            stage: Stage::Working,
            exit: None,
            stopped: None,
            spilled: false,
            left_others: false,
        }
    }

    /// Goes through to the end.
    pub(crate) async fn run(mut self) -> Left {
        while !matches!(self.stage, Stage::Over) {
            let step = self.next().await;
            self.take(step);
        }
        self.finish().await
    }

    /// Waits for its job, then goes through to the end. Without one, it ends as soon as nobody can have one for it.
    pub(crate) async fn wait(mut self, mut job: oneshot::Receiver<Takeover>, ready: watch::Sender<bool>) -> Left {
        self.ready = Some(ready);
        while !matches!(self.stage, Stage::Over) {
            tokio::select! {
                biased;
                job = &mut job => {
                    match job {
                        Ok(job) => self.take_over(job),
                        Err(_) => self.leave(),
                    }
                    return self.run().await;
                }
                step = self.next() => self.take(step),
            }
        }
        self.finish().await
    }

    fn take_over(&mut self, job: Takeover) {
        let Takeover { opening, limits, idle, output, lines } = job;
        self.started = Instant::now();
        self.max_output_bytes = limits.max_output_bytes;
        self.stderr_room = limits.max_output_bytes;
        self.deadlines = Deadlines::new(limits, self.started);
        (self.output, self.spilled, self.idle) = (output, false, idle);
        (self.stop, self.orders, self.events) = (lines.stop, lines.orders, EventQueue::new(lines.events));
        self.dialogue.order(Order::Begin(Box::new(opening)), &mut self.decoded);
        self.act();
        self.set_alarm();
    }

    /// The id of its main process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Stop(reason) => self.end_early(reason.verdict()),
            Step::Instruction(Some(Instruction::Order(order))) => self.order(order),
            Step::Instruction(Some(Instruction::Leave)) => self.no_more_messages(),
            Step::Instruction(None) => self.orders = None,
            Step::Exited(status) => self.exited(status),
            Step::Output(Stream::Stdout) => self.stdout(),
            Step::Output(Stream::Stderr) => self.stderr(),
            Step::Fed | Step::Flushed => {}
            Step::Alarm => self.alarm(),
            Step::TreeEnded => self.drain(),
        }
        self.over_if_drained();
    }

    /// Waits for whatever comes first. Being stopped comes before everything, so that no flood can hide it.
    async fn next(&mut self) -> Step {
        let working = matches!(self.stage, Stage::Working);
        tokio::select! {
            biased;
            reason = stop_requested(&mut self.stop), if working => Step::Stop(reason),
            told = next_instruction(&mut self.orders), if working && self.stdin.is_open() => Step::Instruction(told),
            status = self.child.wait(), if self.exit.is_none() => Step::Exited(status),
            () = ended(&mut self.stage) => Step::TreeEnded,
            () = &mut self.alarm => Step::Alarm,
            () = self.events.flush(), if !self.events.is_empty() => Step::Flushed,
            stream = self.pipes.next(), if self.events.has_room() => Step::Output(stream),
            () = self.stdin.write_some(), if self.stdin.has_more() => Step::Fed,
        }
    }

    fn stdout(&mut self) {
        let bytes = self.pipes.bytes(Stream::Stdout);
        let printed = bytes.len();
        match self.output.keep(bytes) {
            Ok(kept) => {
                self.dialogue.stdout(&bytes[..kept], &mut self.decoded);
                self.take_decoded();
                if kept < printed {
                    self.over_limit("standard output");
                }
            }
            Err(error) => self.not_kept(&error),
        }
    }

    fn stderr(&mut self) {
        let bytes = self.pipes.bytes(Stream::Stderr);
        let room = usize::try_from(self.stderr_room).unwrap_or(usize::MAX);
        let kept = bytes.len().min(room);
        let over = kept < bytes.len();
        self.stderr_room -= kept as u64;
        self.deadlines.output(Instant::now());
        self.dialogue.stderr(&bytes[..kept], &mut self.decoded);
        self.act();
        if over {
            self.over_limit("standard error");
        }
    }

    fn take_decoded(&mut self) {
        let now = Instant::now();
        self.deadlines.output(now);
        if !self.decoded.is_empty() {
            self.deadlines.decoded();
        }
        self.act();
    }

    /// Does what the dialogue said.
    fn act(&mut self) {
        let mut all = std::mem::take(&mut self.decoded);
        for decoded in all.drain(..) {
            match decoded {
                Decoded::Event(event) => self.event(event),
                Decoded::Input(bytes) => self.stdin.push(&bytes),
                Decoded::Ready => self.is_ready(),
                Decoded::GiveUp(failure) => self.end_early(Verdict::Failed(failure)),
                Decoded::TurnStarted => self.working(),
                Decoded::TurnEnded => self.turn_ended(),
            }
        }
        // Its room serves again.
        self.decoded = all;
    }

    fn is_ready(&mut self) {
        if let Some(ready) = &self.ready {
            ready.send_replace(true);
            // From now on it has nothing to do, for as long as it is kept.
            self.deadlines.idle(Instant::now(), FAR);
            self.set_alarm();
        }
    }

    fn working(&mut self) {
        self.deadlines.working(Instant::now());
        self.set_alarm();
    }

    fn event(&mut self, event: EventBody) {
        if let EventBody::PermissionRequest { id, .. } = &event {
            self.asked.insert(id.clone());
            self.deadlines.pause(Instant::now());
        }
        self.events.push(event);
    }

    fn turn_ended(&mut self) {
        let now = Instant::now();
        self.asked.clear();
        match self.idle {
            Some(idle) if matches!(self.stage, Stage::Working) => self.deadlines.idle(now, idle),
            _ => {
                self.deadlines.turn_ended(now);
                self.stdin.close();
                if self.serves {
                    self.leave();
                }
            }
        }
        self.set_alarm();
    }

    /// What comes too late for this process is kept by whoever gave the order.
    fn order(&mut self, order: Order) {
        let now = Instant::now();
        match &order {
            Order::Message(text) => {
                self.working();
                self.events.push(EventBody::UserMessage { text: text.clone(), delivered: true });
            }
            Order::Decide { id, .. } => {
                self.asked.remove(id);
                if self.asked.is_empty() {
                    self.deadlines.resume(now);
                    self.set_alarm();
                }
            }
            Order::Begin(_) | Order::Interrupt => {}
        }
        self.dialogue.order(order, &mut self.decoded);
        self.act();
    }

    /// Nobody will talk to the agent any more.
    fn no_more_messages(&mut self) {
        let now = Instant::now();
        self.idle = None;
        if self.deadlines.is_idle() {
            self.deadlines.working(now);
            self.turn_ended();
        }
    }

    /// Ends a server whose work is done; how that went it has said before.
    fn leave(&mut self) {
        if matches!(self.stage, Stage::Working) {
            self.left_others = true;
            self.end_tree(self.graces.leftovers);
        }
    }

    fn over_limit(&mut self, stream: &str) {
        let message = format!("The agent printed more than {} bytes to its {stream}.", self.max_output_bytes);
        self.output_lost(Verdict::failed(FailureReason::OutputLimit, message));
    }

    fn not_kept(&mut self, error: &io::Error) {
        let message = format!("The agent's output could not be kept: {error}.");
        self.output_lost(Verdict::failed(FailureReason::Internal, message));
    }

    /// Ends a run whose output is not whole. An agent that has left by then, and is only being read to the end, has
    /// failed as well: what it answered is not all that it said.
    fn output_lost(&mut self, verdict: Verdict) {
        if matches!(self.stage, Stage::Working) {
            self.end_early(verdict);
        } else {
            self.stopped.get_or_insert(verdict);
        }
    }

    /// Ends a run that works; whatever else comes to light while it is being ended changes nothing.
    fn end_early(&mut self, verdict: Verdict) {
        if !matches!(self.stage, Stage::Working) {
            return;
        }
        self.events.push(EventBody::Stopping { reason: reason_of(&verdict) });
        self.stopped = Some(verdict);
        self.left_others = true;
        self.end_tree(self.graces.terminate);
    }

    /// The main process has ended. What it left behind has no one to answer to, and may hold the pipes open.
    fn exited(&mut self, status: io::Result<ExitStatus>) {
        self.exit = Some(status.map(exit_of).unwrap_or_default());
        self.tree.main_ended();
        if !matches!(self.stage, Stage::Working) {
            return;
        }
        self.left_others = self.tree.may_have_left_others();
        if self.left_others {
            self.end_tree(self.graces.leftovers);
        } else {
            self.drain();
        }
    }

    fn end_tree(&mut self, grace: Duration) {
        self.stdin.close();
        let tree = Arc::clone(&self.tree);
        self.stage = Stage::Ending(Box::pin(async move { tree.terminate(grace).await }));
    }

    fn drain(&mut self) {
        let until = Instant::now() + self.graces.drain;
        self.stage = Stage::Draining { until };
        self.set_alarm();
    }

    fn over_if_drained(&mut self) {
        let draining = matches!(self.stage, Stage::Draining { .. });
        if draining && self.exit.is_some() && self.pipes.ended() {
            self.stage = Stage::Over;
        }
    }

    fn alarm(&mut self) {
        let now = Instant::now();
        self.spilled = true;
        if let Err(error) = self.output.spill() {
            self.not_kept(&error);
        }
        match self.stage {
            Stage::Draining { until } if until <= now => self.stage = Stage::Over,
            Stage::Working => {
                if !self.events.has_room() {
                    // Its output is left unread, so it can't be blamed for silence.
                    self.deadlines.output(now);
                }
                if self.deadlines.idled(now) {
                    self.idle = None;
                    self.turn_ended();
                } else if let Some(failure) = self.deadlines.passed(now) {
                    self.end_early(Verdict::Failed(failure));
                }
            }
            _ => {}
        }
        self.set_alarm();
    }

    /// Output only ever moves deadlines away, so the alarm is set anew where one may have come nearer, and otherwise
    /// when it goes off.
    fn set_alarm(&mut self) {
        let next = match self.stage {
            Stage::Working => self.deadlines.next(),
            Stage::Draining { until } => Some(until),
            Stage::Ending(_) | Stage::Over => None,
        };
        let spill = (!self.spilled).then_some(self.started + SHORT);
        let next = next.into_iter().chain(spill).min();
        self.alarm.as_mut().reset(next.unwrap_or_else(|| Instant::now() + FAR));
    }

    async fn finish(mut self) -> Left {
        let duration = self.started.elapsed();
        let exit = self.exit.unwrap_or_default();
        let report = self.dialogue.finish(exit, &mut self.decoded);
        self.act();
        self.events.flush().await;
        let outcome = outcome(report, self.stopped, self.exit, duration);
        let undelivered = self.orders.map(undelivered).unwrap_or_default();
        Left { outcome, output: self.output.finish(), undelivered, left_others: self.left_others }
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
        turns: report.turns,
        exit,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Waits for a request to stop; for ever where there is no one left to make one.
async fn stop_requested(stop: &mut watch::Receiver<Option<StopReason>>) -> StopReason {
    match stop.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
        Ok(Some(reason)) => reason,
        _ => std::future::pending().await,
    }
}

/// The next instruction; for ever where there is no one left to give one.
async fn next_instruction(orders: &mut Option<mpsc::Receiver<Instruction>>) -> Option<Instruction> {
    match orders {
        Some(orders) => orders.recv().await,
        None => std::future::pending().await,
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

async fn ended(stage: &mut Stage) {
    match stage {
        Stage::Ending(ending) => ending.await,
        _ => std::future::pending().await,
    }
}
