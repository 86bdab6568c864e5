//! Goes on with a job in a container that an earlier server process kept. What it printed, the supervisor has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::job::{End, Job, Shared};
use super::{Holder, Kept, Turn, Whereabouts};
use crate::sandbox::docker::belongings::Belongings;
use crate::sandbox::docker::container::{Room, Sought};
use crate::sandbox::docker::labels;
use crate::sandbox::{Again, Uplink};
use crate::starter::Started;

impl Kept {
    /// Takes the container over with its job, which may have ended meanwhile. `labels` are those of the container.
    pub(in super::super) async fn again(
        &self,
        room: Room,
        at: &Whereabouts,
        labels: &HashMap<String, String>,
        belongings: Belongings,
        uplink: Option<Arc<dyn Uplink>>,
        again: Again,
    ) -> Again {
        let Again { started: Started { process, stdin, stdout, stderr }, printed, complained } = again;
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        self.taken_over.lock().unwrap_or_else(PoisonError::into_inner).insert(room.0.id.clone());
        let inside = Arc::clone(&room.0);
        // Of this job or of those before, nobody knows.
        inside.forget_refusals();
        let mut turn = self.turn_of(&label(labels::KEEP)).await;
        *turn = Some(Holder { room, shape: label(labels::SHAPE), jobs: 1 });
        let shared = Shared {
            inside,
            turn: Mutex::new(Some(turn)),
            belongings: Mutex::new(belongings),
            exec: at.exec.clone(),
            sought: Sought::default(),
            sleep_after: self.sleep_after,
            failure: OnceLock::new(),
        };
        let process = Box::new(Job { shared: Arc::new(shared), end: End::Held(process), _uplink: uplink });
        let started = Started { process, stdin, stdout, stderr };
        Again { started, printed, complained }
    }

    /// Where somebody else was faster, the container is kept for nobody.
    async fn turn_of(&self, name: &str) -> Turn {
        match self.place(name).try_lock_owned() {
            Ok(turn) if turn.is_none() => turn,
            _ => Arc::new(tokio::sync::Mutex::new(None)).lock_owned().await,
        }
    }

    /// Whether this server keeps a container with that id, whose server is told by its label.
    pub(in super::super) fn has(&self, id: &str, server: Option<&str>) -> bool {
        let taken_over = self.taken_over.lock().unwrap_or_else(PoisonError::into_inner);
        server == Some(&self.server) || taken_over.contains(id)
    }
}
