//! One attempt, from what has to be there before its processes to what they leave.

use legwork_model::EventBody;
use legwork_runner::StopReason;
use legwork_runner::workspace::PatchLimits;
use tokio::sync::{mpsc, watch};

use super::cached::found_by;
use super::confinement::{Recording, watch_disk};
use super::execute::{Done, Executor, Survivor};
use super::models::metered;
use super::processes::{Around, Ran};
use super::talk::Talk;
use crate::events::Barrier;
use crate::store::ExecutionRecord;
use crate::store::kept::Kept;

impl Executor {
    /// The run itself; nothing where it goes on without this server process. Dropping `events` at its end ends the recording.
    pub(super) async fn attempt(
        &self,
        record: &ExecutionRecord,
        survivor: Option<Survivor>,
        events: mpsc::Sender<EventBody>,
        barrier: &Barrier,
        stop: &watch::Sender<Option<StopReason>>,
        talk: &mut Talk<'_>,
    ) -> Option<Done> {
        let known = survivor.as_ref().map(|survivor| metered(&survivor.recorded));
        let so_far = match known {
            Some(known) => known,
            None => self.metered_before(record).await,
        };
        let ready = match survivor {
            Some(survivor) => {
                let taken = self.take_up(record, survivor).await;
                taken.map(|(prepared, resuming)| (prepared, Some(resuming)))
            }
            None => self.prepare(record, &events, stop.subscribe()).await.map(|prepared| (prepared, None)),
        };
        let (mut prepared, resuming) = match ready {
            Ok(ready) => ready,
            Err(verdict) => return Some(Done::without_run(verdict)),
        };
        if resuming.is_none()
            && let Some(done) = self.cached(record, &mut prepared, &events).await
        {
            return Some(done);
        }
        let access = self.open_models(record, &prepared, so_far, &events, stop);
        let uplink = prepared.confined.uplink.clone();
        let recording = uplink.map(|uplink| Recording::of(uplink, record.id, events.clone()));
        let _watched = prepared.task.sandbox.disk.map(|most| watch_disk(prepared.directories(), most, stop.clone()));
        let stopped = stop.subscribe();
        let around = Around { access: access.as_ref(), events: &events, barrier, stop: stopped };
        let ran = self.run_to_end(&mut prepared, resuming, record.orders > record.heard, around, talk).await?;
        let Ran { mut outcome, output, hold } = ran;
        let hindrance = match access {
            Some(access) => access.close(&mut outcome).await,
            None => None,
        };
        if let Some(recording) = recording {
            recording.finish().await;
        }
        self.blame_age(prepared.agent, &mut outcome).await;
        let patch = prepared.workspace.patch(&self.runner, &prepared.git, &prepared.dirs, PatchLimits::default()).await;
        let (diff, fingerprint) = match patch {
            Ok(patch) => {
                let found_by = found_by(prepared.fingerprint.as_ref(), &prepared.task, &outcome, &patch, talk.heard());
                (Some(patch.diff), found_by)
            }
            Err(error) => {
                let fields = [("error".to_owned(), error.to_string().into())].into();
                let _ = events.send(EventBody::Message { topic: "patch_unavailable".into(), fields }).await;
                (None, None)
            }
        };
        prepared.home.unplace(&prepared.placed);
        let kept = Kept { fingerprint, ..self.keep(record, prepared.dirs, output, diff).await };
        let waiting = self.waits(record, prepared.agent, &outcome, hindrance);
        Some(Done { outcome, kept, hold, waiting })
    }
}
