//! The talk with one running agent: orders from outside reach it, questions of the agent reach those who decide, and what
//! came too late for its process is told to the next one.

use std::collections::VecDeque;

use legwork_agents::{Agent, Order};
use legwork_model::{EventBody, ExecutionId, Outcome, Verdict};
use legwork_runner::supervisor::Note;
use legwork_runner::{Instruction, RunDirs, StopReason};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, Instant, sleep_until};

use super::approvals::{Approvals, Question};
use super::bells::Bell;
use super::execute::Executor;
use super::seat::Seat;
use super::survival::Before;
use crate::lifecycle::Stage;
use crate::store::orders::{OrderBody, OrderRecord};

/// Looked at again when nobody is asked anything.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

/// An agent takes up a message that waits so soon after its turn.
const SOON: Duration = Duration::from_millis(250);

/// Both ends of the events of a run whose talk has to be listened to.
pub(super) struct Overheard {
    /// What the agent says.
    pub(super) said: mpsc::Receiver<EventBody>,
    /// Where that goes on to.
    pub(super) log: mpsc::Sender<EventBody>,
}

/// The talk with one running agent.
pub(super) struct Talk<'a> {
    executor: &'a Executor,
    id: ExecutionId,
    seat: &'a dyn Seat,
    bell: Bell,
    /// The number of the last order that was heard.
    heard: u64,
    /// Whether the agent has nothing to do.
    idle: bool,
    /// When its slot is given back, unless it takes up another message before.
    rests_at: Option<Instant>,
    /// Messages that no process took.
    late: VecDeque<String>,
    approvals: Approvals,
    /// Whose session it is, and where its files are.
    home: Option<(&'static dyn Agent, RunDirs)>,
    session: Option<String>,
    /// Whether the agent was told that nobody will talk to it any more.
    leaving: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        executor: &'a Executor,
        id: ExecutionId,
        seat: &'a dyn Seat,
        bell: Bell,
        approvals: Approvals,
        heard: u64,
    ) -> Self {
        Self {
            executor,
            id,
            seat,
            bell,
            heard,
            idle: false,
            rests_at: None,
            late: VecDeque::new(),
            approvals,
            home: None,
            session: None,
            leaving: false,
        }
    }

    /// From now on the session is kept after each turn.
    pub(super) fn keeps_session(&mut self, agent: &'static dyn Agent, home: RunDirs) {
        self.home = Some((agent, home));
    }

    /// Is where it was when an earlier server process led it: `known` is what the present process said, `notes` what it was told.
    pub(super) async fn catch_up(&mut self, before: &Before, known: &[EventBody], notes: &[Note]) {
        self.heard = self.heard.max(before.heard);
        self.late.extend(before.late.iter().cloned());
        for event in known {
            match event {
                EventBody::Started { session_id, .. } => {
                    self.session = session_id.clone().or(self.session.take());
                    self.idle = false;
                }
                EventBody::UserMessage { .. } => self.idle = false,
                EventBody::TurnEnded { .. } => self.idle = true,
                _ => {}
            }
        }
        self.rests_at = self.idle.then(Instant::now);
        self.heard = self.heard_before(notes).await;
        for (request, tool) in undecided(known, notes) {
            self.approvals.ask_again(self.executor, self.id, &request, &tool).await;
        }
    }

    /// The number of the last order on record that the present process, or one before it, was told.
    async fn heard_before(&self, notes: &[Note]) -> u64 {
        let orders = self.fetch().await;
        let mut told =
            notes.iter().map(|note| &note.order).filter(|order| !matches!(order, Order::Begin(_))).peekable();
        let mut heard = self.heard;
        for OrderRecord { number, body } in orders {
            let was_told = match &body {
                OrderBody::Message { text } => {
                    told.next_if(|order| matches!(order, Order::Message(told) if told == text))
                }
                OrderBody::Interrupt => told.next_if(|order| matches!(order, Order::Interrupt)),
                OrderBody::Decide { request, .. } => {
                    // Those that nobody decided in time are told without being on record.
                    while told.next_if(|order| matches!(order, Order::Decide { id, .. } if id != request)).is_some() {}
                    told.next_if(|order| matches!(order, Order::Decide { .. }))
                }
            };
            if was_told.is_none() {
                break;
            }
            heard = number;
        }
        heard
    }

    /// Whose run it is.
    pub(super) fn id(&self) -> ExecutionId {
        self.id
    }

    /// These messages came too late for the process; the next one is told them.
    pub(super) fn missed(&mut self, messages: Vec<String>) {
        self.late.extend(messages);
    }

    /// The messages that no process took so far.
    pub(super) fn late(&self) -> Vec<String> {
        self.late.iter().cloned().collect()
    }

    /// How many orders were heard.
    pub(super) fn heard(&self) -> u64 {
        self.heard
    }

    /// A process is started, and has something to do.
    pub(super) fn begins(&mut self) {
        (self.idle, self.rests_at) = (false, None);
    }

    /// Goes on until the process takes no more orders. `overheard` where the agent may ask or be idle; `waiting` says whether
    /// orders may have come while nobody heard them.
    pub(super) async fn go_on(
        &mut self,
        orders: mpsc::Sender<Instruction>,
        overheard: Option<Overheard>,
        waiting: bool,
    ) {
        let mut overheard = overheard;
        if waiting {
            self.hear(&orders, overheard.as_ref()).await;
        }
        loop {
            let deadlines = self.approvals.next_deadline().into_iter().chain(self.rests_at);
            let alarm = deadlines.min().unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                said = next(&mut overheard) => match said {
                    Some(event) => self.said(event, &orders, overheard.as_ref()).await,
                    None => return,
                },
                () = self.bell.rings() => self.hear(&orders, overheard.as_ref()).await,
                () = orders.closed(), if overheard.is_none() => return,
                () = sleep_until(alarm) => {
                    self.rest().await;
                    self.expire(&orders, overheard.as_ref()).await;
                }
                () = self.executor.phase.reached(Stage::Draining), if !self.leaving => {
                    self.leaving = true;
                    // Where it has left already there is nothing to do.
                    let _ = orders.send(Instruction::Leave).await;
                }
            }
        }
    }

    /// Passes on what the agent said.
    async fn said(&mut self, event: EventBody, orders: &mpsc::Sender<Instruction>, overheard: Option<&Overheard>) {
        if let EventBody::Started { session_id: Some(session), .. } = &event {
            self.session = Some(session.clone());
        }
        let event = match event {
            EventBody::PermissionRequest { id: request, tool, input, risk, tool_call_id } => {
                let question = Question { request, tool, input, risk, tool_call_id };
                match self.approvals.ask(self.executor, self.id, question).await {
                    Ok(asked) => asked,
                    Err(refused) => {
                        let _ = orders.send(Instruction::Order(refused)).await;
                        return;
                    }
                }
            }
            EventBody::TurnEnded { .. } => {
                self.idle = true;
                self.rests_at = Some(Instant::now() + SOON);
                self.approvals.forget();
                event
            }
            EventBody::Started { .. } | EventBody::UserMessage { .. } => {
                self.idle = false;
                self.rests_at = None;
                event
            }
            event => event,
        };
        log(overheard, event).await;
    }

    /// The agent has nothing to do for now: its slot is free for others, and its session is kept.
    async fn rest(&mut self) {
        if self.rests_at.take_if(|at| *at <= Instant::now()).is_none() {
            return;
        }
        self.seat.release();
        if let (Some((agent, home)), Some(session)) = (&self.home, &self.session) {
            self.executor.keep_session(*agent, home, session).await;
        }
    }

    /// Gives the agent the orders that came since the last look.
    async fn hear(&mut self, orders: &mpsc::Sender<Instruction>, overheard: Option<&Overheard>) {
        for OrderRecord { number, body } in self.fetch().await {
            self.heard = number;
            let order = match body {
                OrderBody::Message { text } => {
                    if self.idle {
                        tokio::select! {
                            () = self.seat.take() => {}
                            () = orders.closed() => {}
                        }
                        self.idle = false;
                        self.rests_at = None;
                    }
                    Order::Message(text)
                }
                OrderBody::Interrupt => Order::Interrupt,
                OrderBody::Decide { request, tool, allowed, reason, by } => {
                    let Some(id) = self.approvals.decided(&request) else { continue };
                    let event = EventBody::PermissionDecision { id, tool, allowed, by: Some(by) };
                    log(overheard, event).await;
                    Order::Decide { id: request, allowed, reason }
                }
            };
            let sent = orders.send(Instruction::Order(order)).await;
            if let Err(mpsc::error::SendError(Instruction::Order(Order::Message(text)))) = sent {
                self.late.push_back(text);
            }
        }
    }

    /// Refuses what nobody decided in time.
    async fn expire(&mut self, orders: &mpsc::Sender<Instruction>, overheard: Option<&Overheard>) {
        for expired in self.approvals.expire(self.executor).await {
            let (id, tool) = (expired.approval, expired.tool);
            log(overheard, EventBody::PermissionDecision { id, tool, allowed: false, by: Some("timeout".into()) })
                .await;
            let reason = "Nobody decided in time whether this may be done.".to_owned();
            let refusal = Order::Decide { id: expired.request, allowed: false, reason };
            let _ = orders.send(Instruction::Order(refusal)).await;
        }
    }

    async fn fetch(&self) -> Vec<OrderRecord> {
        match self.executor.store.orders_after(self.id, self.heard).await {
            Ok(orders) => orders,
            Err(error) => {
                tracing::warn!(execution = %self.id, %error, "orders for a run can't be read; the next look decides");
                Vec::new()
            }
        }
    }

    /// What the next process is to be told, once one has ended with `outcome`: messages that came too late for it, or, for
    /// up to `patience`, those that still come. `None` where there is nothing more to do.
    pub(super) async fn next_prompt(
        &mut self,
        outcome: &Outcome,
        patience: Option<Duration>,
        stop: &mut watch::Receiver<Option<StopReason>>,
    ) -> Option<String> {
        // Most runs get no order, and need no look into the database to know that.
        if self.bell.has_rung() {
            self.collect().await;
        }
        if outcome.verdict != Verdict::Succeeded || outcome.session_id.is_none() {
            return None;
        }
        if let (true, Some(patience)) = (self.late.is_empty(), patience) {
            self.seat.release();
            self.wait(Instant::now() + patience, stop).await;
        }
        if self.late.is_empty() {
            return None;
        }
        tokio::select! {
            () = self.seat.take() => {}
            () = stopped(stop) => return None,
        }
        Some(self.late.drain(..).collect::<Vec<_>>().join("\n\n"))
    }

    async fn wait(&mut self, until: Instant, stop: &mut watch::Receiver<Option<StopReason>>) {
        while self.late.is_empty() {
            tokio::select! {
                () = self.bell.rings() => self.collect().await,
                () = stopped(stop) => return,
                () = self.executor.phase.reached(Stage::Draining) => return,
                () = sleep_until(until) => return,
            }
        }
    }

    /// Hears orders while no process is there to take them; tells which messages were among them.
    async fn collect(&mut self) {
        for OrderRecord { number, body } in self.fetch().await {
            self.heard = number;
            if let OrderBody::Message { text } = body {
                self.late.push_back(text);
            }
        }
    }

    /// The messages that no agent will get any more.
    pub(super) async fn undelivered(&mut self) -> Vec<EventBody> {
        self.collect().await;
        self.late.drain(..).map(|text| EventBody::UserMessage { text, delivered: false }).collect()
    }
}

/// The requests, and their tools, that the agent still waits for an answer to.
fn undecided(known: &[EventBody], notes: &[Note]) -> Vec<(String, String)> {
    let is_decided =
        |request: &str| notes.iter().any(|note| matches!(&note.order, Order::Decide { id, .. } if id == request));
    let asked = known.iter().filter_map(|event| match event {
        EventBody::PermissionRequest { id, tool, .. } if !is_decided(id) => Some((id.clone(), tool.clone())),
        _ => None,
    });
    asked.collect()
}

/// The next event; for ever where nobody listens.
async fn next(overheard: &mut Option<Overheard>) -> Option<EventBody> {
    match overheard {
        Some(overheard) => overheard.said.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits until somebody stops the run; for ever where there is no one left to do so.
async fn stopped(stop: &mut watch::Receiver<Option<StopReason>>) {
    if stop.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn log(overheard: Option<&Overheard>, event: EventBody) {
    if let Some(overheard) = overheard {
        // The log may have ended the run already; then nobody misses the event.
        let _ = overheard.log.send(event).await;
    }
}
