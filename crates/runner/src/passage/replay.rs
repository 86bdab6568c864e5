//! Taking up a run that went on without its server: the dialogue is told again all that the program printed and all that
//! the program was told, so that it is where it was.

use std::time::Duration;

use legwork_model::EventBody;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Left, Passage};
use crate::attempt::Lines;
use crate::deadlines::Deadlines;
use crate::event_queue::EventQueue;
use crate::pipes::Stream;
use crate::stdin::{Muted, Stdin};
use crate::supervisor::History;

impl Passage {
    /// It was started so long ago.
    pub(crate) fn began(&mut self, elapsed: Duration) {
        let now = Instant::now();
        self.started = now.checked_sub(elapsed).unwrap_or(now);
        self.deadlines = Deadlines::new(self.limits.clone(), self.started);
    }

    /// Hears again what the program printed and was told so far. Gives the events that came of it, which may be on record; the
    /// program is told only what it would have been told next.
    pub(crate) async fn replay(&mut self, history: History) -> Vec<EventBody> {
        let History { notes, said, printed, complained, .. } = history;
        let input = std::mem::replace(&mut self.stdin, Stdin::Muted(Muted::new(said)));
        let events = std::mem::replace(&mut self.events, EventQueue::collecting());
        for note in notes {
            self.hear_until(note.after.min(printed)).await;
            self.give(note.order);
        }
        self.hear_until(printed).await;
        self.hear_complaints_until(complained).await;
        if let Stdin::Muted(Muted { rest, closed, .. }) = std::mem::replace(&mut self.stdin, input) {
            self.stdin.push(&rest);
            if closed {
                self.stdin.close();
            }
        }
        std::mem::replace(&mut self.events, events).collected()
    }

    async fn hear_until(&mut self, offset: u64) {
        while self.read < offset && (!self.unheard.is_empty() || self.fetch().await) {
            let wanted = usize::try_from(offset - self.read).unwrap_or(usize::MAX);
            let rest = self.unheard.split_off(wanted.min(self.unheard.len()));
            let heard = std::mem::replace(&mut self.unheard, rest);
            let before = self.read;
            self.hear(&heard);
            if self.read == before {
                // Nothing more is kept: the run is over its limit.
                return;
            }
        }
    }

    /// What comes meanwhile to standard output is heard later.
    async fn hear_complaints_until(&mut self, offset: u64) {
        while self.complained < offset && !self.pipes.ended() {
            match self.pipes.next().await {
                Stream::Stdout => self.unheard.extend_from_slice(self.pipes.bytes(Stream::Stdout)),
                Stream::Stderr => self.stderr(),
            }
        }
    }

    /// Waits for output; says whether there was any.
    async fn fetch(&mut self) -> bool {
        loop {
            match self.pipes.next().await {
                Stream::Stdout => {
                    self.unheard = self.pipes.bytes(Stream::Stdout).to_vec();
                    return !self.unheard.is_empty();
                }
                Stream::Stderr => self.stderr(),
            }
        }
    }

    /// Connects it with the outside.
    pub(crate) fn connect(&mut self, lines: Lines) {
        (self.stop, self.orders, self.events) = (lines.stop, lines.orders, EventQueue::new(lines.events));
        let unheard = std::mem::take(&mut self.unheard);
        if !unheard.is_empty() {
            self.hear(&unheard);
        }
        self.set_alarm();
    }

    /// Goes to the end of a program that has ended. It is not blamed for the time that has passed since, and is given nothing more
    /// to do.
    pub(crate) async fn end_of_ended(mut self, events: mpsc::Sender<EventBody>) -> Left {
        self.connect(Lines { stop: self.stop.clone(), orders: None, events });
        let status = self.process.wait().await;
        self.exited(status);
        self.run().await
    }
}
