//! A running agent, from its start to its end, in one loop.

mod ending;
mod replay;
mod turns;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use legwork_agents::{Decoded, Dialogue, Opening, Order};
use legwork_model::{Exit, Limits, Outcome, Verdict};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::attempt::{Instruction, Lines, Wires};
use crate::bridge::Bridge;
use crate::deadlines::Deadlines;
use crate::event_queue::EventQueue;
use crate::output::{Output, Recorder};
use crate::pipes::{Pipes, Stream};
use crate::runner::Graces;
use crate::sandbox::{Process, Running};
use crate::stdin::Stdin;
use crate::stop::StopReason;
use crate::supervisor::{Hold, Keep};

/// A run that takes longer has its output in a file as soon as it comes.
const SHORT: Duration = Duration::from_millis(100);

/// Looked at again when nothing else has a deadline.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// The job of a program that was started ahead of it, with what it is to be connected to.
#[derive(Debug)]
pub(crate) struct Takeover {
    pub(crate) opening: Opening,
    pub(crate) limits: Limits,
    pub(crate) idle: Option<Duration>,
    pub(crate) output: Recorder,
    pub(crate) lines: Lines,
    pub(crate) keep: Option<Keep>,
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
    process: Box<dyn Process>,
    pipes: Pipes,
    stdin: Stdin,
    /// Talks to the program where it serves HTTP; ends with this.
    _bridge: Option<Bridge>,
    dialogue: Box<dyn Dialogue>,
    decoded: Vec<Decoded>,
    output: Recorder,
    /// Bytes of standard output that the dialogue was told.
    read: u64,
    /// What was read but is not to be heard yet.
    unheard: Vec<u8>,
    /// Bytes of standard error that came.
    complained: u64,
    stderr_room: u64,
    limits: Limits,
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
    /// Whether it is left to its supervisor.
    goes_on: bool,
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
    Exited(io::Result<Exit>),
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
    /// Whether it goes on; then the rest says nothing.
    pub(crate) goes_on: bool,
    pub(crate) process: Box<dyn Process>,
}

impl Passage {
    /// Takes over a process that was just started.
    pub(crate) fn new(running: Running, terms: Terms, output: Recorder, wires: Wires, graces: Graces) -> Self {
        let Running { process, stdin, stdout, stderr, bridge } = running;
        let Terms { limits, idle, serves } = terms;
        let started = Instant::now();
        stdin.has_begun();
        let deadlines = Deadlines::new(limits.clone(), started);
        let alarm = Box::pin(sleep_until(started + SHORT));
        Self {
            process,
            pipes: Pipes::new(stdout, stderr),
            stdin,
            _bridge: bridge,
            dialogue: wires.dialogue,
            decoded: Vec::new(),
            output,
            read: 0,
            unheard: Vec::new(),
            complained: 0,
            stderr_room: limits.max_output_bytes,
            limits,
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
            goes_on: false,
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

    /// Waits for its job, then goes through to the end. Without one, it ends as soon as nobody can have one for it, or it is in
    /// somebody's way.
    pub(crate) async fn wait(mut self, mut job: oneshot::Receiver<Takeover>, ready: watch::Sender<bool>) -> Left {
        self.ready = Some(ready);
        let mut in_the_way = self.process.is_in_the_way();
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
                () = &mut in_the_way => {
                    job.close();
                    match job.try_recv() {
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
        let Takeover { opening, limits, idle, output, lines, keep } = job;
        self.started = Instant::now();
        self.stderr_room = limits.max_output_bytes;
        self.deadlines = Deadlines::new(limits.clone(), self.started);
        self.limits = limits;
        (self.output, self.spilled, self.idle) = (output, false, idle);
        (self.stop, self.orders, self.events) = (lines.stop, lines.orders, EventQueue::new(lines.events));
        if let Some(keep) = keep {
            self.process.keep(keep);
        }
        self.order(Order::Begin(Box::new(opening)));
        self.set_alarm();
    }

    /// Takes the place of a process that has ended.
    pub(crate) fn replace(&self, ended: Option<Hold>) {
        if let Some(ended) = ended {
            self.process.replace(ended);
        }
    }

    /// The id of its main process.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Stop(StopReason::Leave) if self.process.is_kept() => {
                self.goes_on = true;
                self.stage = Stage::Over;
            }
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
            status = self.process.wait(), if self.exit.is_none() => Step::Exited(status),
            () = ended(&mut self.stage) => Step::TreeEnded,
            () = &mut self.alarm => Step::Alarm,
            () = self.events.flush(), if !self.events.is_empty() => Step::Flushed,
            stream = self.pipes.next(), if self.events.has_room() => Step::Output(stream),
            () = self.stdin.write_some(), if self.stdin.has_more() => Step::Fed,
        }
    }

    fn stdout(&mut self) {
        let bytes = self.pipes.take(Stream::Stdout);
        self.hear(&bytes);
        self.pipes.give_back(Stream::Stdout, bytes);
    }

    fn hear(&mut self, bytes: &[u8]) {
        let printed = bytes.len();
        match self.output.keep(bytes) {
            Ok(kept) => {
                self.read += kept as u64;
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
        self.complained += bytes.len() as u64;
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

async fn ended(stage: &mut Stage) {
    match stage {
        Stage::Ending(ending) => ending.await,
        _ => std::future::pending().await,
    }
}
