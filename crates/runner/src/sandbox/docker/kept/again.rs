//! Goes on with a job in a container that an earlier server process kept. What it printed, the supervisor has.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use bollard::models::ContainerInspectResponse;

use super::job::{End, Job, Shared};
use super::{Holder, Kept, Place, Turn, Whereabouts};
use crate::sandbox::docker::belongings::Belongings;
use crate::sandbox::docker::container::{Room, Sought};
use crate::sandbox::docker::labels;
use crate::sandbox::{Again, Uplink};
use crate::starter::Started;

impl Kept {
    /// Takes the container over with its job, which may have ended meanwhile. `found` is what the engine says of it.
    pub(in super::super) async fn again(
        &self,
        room: Room,
        at: &Whereabouts,
        found: ContainerInspectResponse,
        belongings: Belongings,
        uplink: Option<Arc<dyn Uplink>>,
        again: Again,
    ) -> Again {
        let Again { started: Started { process, stdin, stdout, stderr, bridge }, printed, complained, tells } = again;
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let points = found.host_config.and_then(|config| config.tmpfs).unwrap_or_default();
        let mount_point = Some(self.runs.clone()).filter(|runs| points.keys().any(|point| runs == Path::new(point)));
        let inside = Arc::clone(&room.0);
        // Of this job or of those before, nobody knows.
        inside.forget_refusals();
        let mut turn = self.turn_of(&label(labels::KEEP)).await;
        *turn = Some(Holder { room, shape: label(labels::SHAPE), mount_point });
        let shared = Shared {
            inside,
            place: Arc::clone(&turn.place),
            uplink,
            turn: Mutex::new(Some(turn)),
            belongings: Mutex::new(belongings),
            exec: at.exec.clone(),
            sought: Sought::default(),
            sleep_after: self.sleep_after,
            failure: OnceLock::new(),
            gave_way: AtomicBool::new(false),
        };
        let process = Box::new(Job { shared: Arc::new(shared), end: End::Held(process) });
        let started = Started { process, stdin, stdout, stderr, bridge };
        Again { started, printed, complained, tells }
    }

    /// Where somebody else was faster, the container is kept for nobody.
    async fn turn_of(&self, name: &str) -> Turn {
        match self.place(name).turn_now() {
            Some(turn) if turn.is_none() => turn,
            _ => Arc::<Place>::default().turn().await,
        }
    }
}
