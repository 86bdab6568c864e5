//! A process whose run has limits.

use std::io;
use std::time::Duration;

use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::Process;
use super::control_group::ControlGroup;
use crate::supervisor::{Hold, Keep, Note};

/// A process of one run may have no more files open than this; how many processes there are is limited elsewhere.
const MOST_OPEN_FILES: u64 = 16 * 1024;

/// A process in a control group, which goes with it.
#[derive(Debug)]
struct Limited {
    process: Box<dyn Process>,
    group: ControlGroup,
}

impl Process for Limited {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        self.process.wait()
    }

    fn may_have_left_others(&self) -> bool {
        self.process.may_have_left_others()
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        self.process.terminate(grace)
    }

    fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    fn limit_reached(&self) -> Option<Failure> {
        self.group.limit_reached().or_else(|| self.process.limit_reached())
    }

    fn keep(&self, keep: Keep) {
        self.process.keep(keep);
    }

    fn is_kept(&self) -> bool {
        self.process.is_kept()
    }

    fn note(&self, note: Note) {
        self.process.note(note);
    }

    fn replace(&self, ended: Hold) {
        self.process.replace(ended);
    }

    fn into_hold(self: Box<Self>) -> Option<Hold> {
        self.process.into_hold()
    }
}

/// The process in its group, where there is one.
pub(super) fn limited(process: Box<dyn Process>, group: Option<ControlGroup>) -> Box<dyn Process> {
    match group {
        Some(group) => Box::new(Limited { process, group }),
        None => process,
    }
}

/// Lets a process, and what it starts from now on, write no core dumps (they hold secrets, and nobody looks at them) and
/// open only so many files at once.
pub(super) fn curb(pid: i32) -> io::Result<()> {
    let pid = Pid::from_raw(pid);
    prlimit(pid, Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let open_files = rustix::process::getrlimit(Resource::Nofile);
    let capped = |limit: Option<u64>| Some(limit.map_or(MOST_OPEN_FILES, |limit| limit.min(MOST_OPEN_FILES)));
    let capped = Rlimit { current: capped(open_files.current), maximum: capped(open_files.maximum) };
    prlimit(pid, Resource::Nofile, capped)?;
    Ok(())
}
