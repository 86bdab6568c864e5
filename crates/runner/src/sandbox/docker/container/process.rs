//! An agent that is the first process of its container.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};

use super::{End, Room, Sought, exit_of};
use crate::sandbox::{Process, Uplink};
use crate::supervisor::{Hold, Keep, Note};

/// A run in a container of its own.
#[derive(Debug)]
pub(in super::super) struct Contained {
    pub(in super::super) room: Room,
    pub(in super::super) end: End,
    pub(in super::super) pid: Option<u32>,
    pub(in super::super) sought: Sought,
    pub(in super::super) failure: Arc<OnceLock<Failure>>,
    /// Its place with the supervisor, where it may outlive this process.
    pub(in super::super) held: Option<Box<dyn Process>>,
    /// Served for as long as the run takes.
    pub(in super::super) _uplink: Option<Arc<dyn Uplink>>,
}

impl Process for Contained {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        let wait = async {
            let known = self.end.wait_for(Option::is_some).await.map_err(io::Error::other)?;
            match &*known {
                Some(Ok(code)) => Ok(exit_of(*code)),
                Some(Err(message)) => Err(io::Error::other(format!("the container engine went away ({message})"))),
                None => Ok(Exit::default()),
            }
        };
        wait.boxed()
    }

    /// Its container has to be removed, also where nothing runs in it.
    fn may_have_left_others(&self) -> bool {
        true
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        let inside = Arc::clone(&self.room.0);
        inside.end(grace, self.end.clone(), self.sought.clone(), Arc::clone(&self.failure)).boxed()
    }

    fn pid(&self) -> Option<u32> {
        self.pid
    }

    fn limit_reached(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    fn keep(&self, keep: Keep) {
        if let Some(held) = &self.held {
            held.keep(keep);
        }
    }

    fn is_kept(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_kept())
    }

    fn note(&self, note: Note) {
        if let Some(held) = &self.held {
            held.note(note);
        }
    }

    /// What was not removed by now goes on without this server process.
    fn into_hold(self: Box<Self>) -> Option<Hold> {
        let Self { room, held, .. } = *self;
        let held = held?;
        if held.is_kept() {
            room.leave();
        }
        held.into_hold()
    }
}
