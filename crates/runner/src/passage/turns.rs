//! The talk with the agent: what its dialogue said is done, and orders are given to it.

use legwork_agents::{Decoded, Order};
use legwork_model::{EventBody, Verdict};
use tokio::time::Instant;

use super::{FAR, Passage, Stage};
use crate::supervisor::Note;

impl Passage {
    /// Does what the dialogue said.
    pub(super) fn act(&mut self) {
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

    pub(super) fn is_ready(&mut self) {
        if let Some(ready) = &self.ready {
            ready.send_replace(true);
            // From now on it has nothing to do, for as long as it is kept.
            self.deadlines.idle(Instant::now(), FAR);
            self.set_alarm();
        }
    }

    pub(super) fn working(&mut self) {
        self.deadlines.working(Instant::now());
        self.set_alarm();
    }

    pub(super) fn event(&mut self, event: EventBody) {
        if let EventBody::PermissionRequest { id, .. } = &event {
            self.asked.insert(id.clone());
            self.deadlines.pause(Instant::now());
        }
        self.events.push(event);
    }

    pub(super) fn turn_ended(&mut self) {
        let now = Instant::now();
        self.asked.clear();
        match self.idle {
            Some(idle) if matches!(self.stage, Stage::Working) => self.deadlines.idle(now, idle),
            _ => {
                self.deadlines.turn_ended(now);
                self.stdin.close_when_written();
                if self.serves {
                    self.leave();
                }
            }
        }
        self.set_alarm();
    }

    /// What comes too late for this process is kept by whoever gave the order.
    pub(super) fn order(&mut self, order: Order) {
        self.process.note(Note { after: self.read, order: order.clone() });
        self.give(order);
    }

    pub(super) fn give(&mut self, order: Order) {
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
    pub(super) fn no_more_messages(&mut self) {
        let now = Instant::now();
        self.idle = None;
        if self.deadlines.is_idle() {
            self.deadlines.working(now);
            self.turn_ended();
        }
    }
}
