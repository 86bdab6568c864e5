//! Containers that are kept between jobs, by name. A shell that only waits is the first process; each job is a process
//! beside it, with its own input, output and environment, and alone: the next one waits for its end. A program that was
//! started ahead of its job, and has none yet, gives way to it. The directories of the
//! job come and go with it, where this process is root on the engine's own machine; else whoever has other directories gets
//! another container.
//!
//! What a job leaves in its home and its workspace stays, as elsewhere. What it leaves in `/tmp`, `/run` and `/dev/shm` is
//! removed, and so are its processes; where that can't be done the container is not kept. Where the root can be written,
//! what a job changes there is there for the next: that is what such a container is kept for.

mod directories;
mod place;
mod start;

mod job;
mod program;

mod ending;

mod again;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::RenameContainerOptionsBuilder;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use place::{Place, Turn};
pub(super) use program::Whereabouts;

use super::belongings::Belongings;
use super::body::{Main, body};
use super::container::{Room, create};
use super::engine::Known;
use super::error::words;
use super::images::Images;
use super::labels;
use super::plan::{Mounted, Plan};
use super::prepared::Prepared;
use super::{DockerError, DockerSettings};
use crate::sandbox::Running;
use crate::starter::Starter;

/// The containers that this server keeps.
#[derive(Debug)]
pub(super) struct Kept {
    sleep_after: Duration,
    /// Below it are the directories that come and go with jobs.
    runs: PathBuf,
    /// Whether they can, as far as is known.
    can_bring_in: AtomicBool,
    places: Mutex<BTreeMap<String, Arc<Place>>>,
}

/// A container that is kept.
#[derive(Debug)]
struct Holder {
    room: Room,
    /// What it was made of, to the last word, as a hash.
    shape: String,
    /// Where the directories of jobs come and go; none where those of the first are all that it has.
    mount_point: Option<PathBuf>,
}

impl Kept {
    pub(super) fn new(settings: &DockerSettings) -> Self {
        Self {
            sleep_after: settings.sleep_after,
            runs: settings.runs.clone(),
            can_bring_in: AtomicBool::new(rustix::process::geteuid().is_root()),
            places: Mutex::default(),
        }
    }

    /// Runs a job in the container of this name, once it is the job's turn.
    pub(super) async fn start(
        &self,
        known: &Known,
        images: &Images,
        name: &str,
        mut prepared: Prepared,
        starter: &Starter,
    ) -> Result<Running, DockerError> {
        if name.is_empty() || name.len() > 200 || name.contains(char::is_control) {
            return Err(DockerError::Refused("such a name to be kept by".to_owned()));
        }
        let mut turn = self.place(name).turn().await;
        self.settle(&mut turn, known, images, name, &mut prepared).await?;
        // Not before it is its turn: the former job may have the same directories.
        match prepared.belongings().await {
            Ok(belongings) => start::start(turn, prepared, belongings, self.sleep_after, starter).await,
            Err(error) => {
                put_away(&mut turn).await;
                Err(error)
            }
        }
    }

    /// Whether a job could begin in the container of this name at once.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(name).is_none_or(|place| place.is_free())
    }

    /// Removes all of them, each when its job is done.
    pub(super) async fn put_away(&self) {
        let places = std::mem::take(&mut *self.places.lock().unwrap_or_else(PoisonError::into_inner));
        for place in places.into_values() {
            put_away(&mut place.turn().await).await;
        }
    }

    /// Sees to it that there is a container, and that it is as this job wants it.
    async fn settle(
        &self,
        turn: &mut Turn,
        known: &Known,
        images: &Images,
        name: &str,
        prepared: &mut Prepared,
    ) -> Result<(), DockerError> {
        // Not before it is its turn: the former job may have made a repository.
        prepared.guard()?;
        if self.can_bring_in.load(Ordering::Relaxed) {
            let (plan, brought) = parted(&prepared.plan, &self.runs);
            self.hold(turn, known, images, name, prepared, &plan).await?;
            let Err(error) = bring_in(turn, brought).await else { return Ok(()) };
            tracing::warn!(%error, "directories can't be brought into a container that runs, so one is made that has them");
            if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) {
                self.can_bring_in.store(false, Ordering::Relaxed);
            }
            put_away(turn).await;
        }
        let plan = prepared.plan.clone();
        self.hold(turn, known, images, name, prepared, &plan).await
    }

    /// Sees to it that there is a container of this plan.
    async fn hold(
        &self,
        turn: &mut Turn,
        known: &Known,
        images: &Images,
        name: &str,
        prepared: &Prepared,
        plan: &Plan,
    ) -> Result<(), DockerError> {
        let wanted = body(plan, Main::Holder, HashMap::new(), known.is_podman);
        let shape = shape_of(&wanted, &plan.mounts);
        if let Some(holder) = turn.as_ref() {
            if holder.shape == shape && holder.is_ready_for(&prepared.name).await {
                return Ok(());
            }
            put_away(turn).await;
        }
        let labels = kept_labels(name, &shape, prepared.labels.clone());
        let body = body(plan, Main::Holder, labels, known.is_podman);
        let id = create(known, images, &prepared.name, &body).await?;
        let room = Room::new(known.clone(), id, plan.user, Belongings::default());
        if let Err(error) = known.docker.start_container(&room.0.id, None).await {
            room.0.remove().await;
            return Err(DockerError::Engine(words(&error)));
        }
        let mount_point = plan.mount_point.clone().map(PathBuf::from);
        **turn = Some(Holder { room, shape, mount_point });
        Ok(())
    }

    /// Forgets the names that have no container any more.
    fn place(&self, name: &str) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| Arc::strong_count(place) > 1 || !place.is_empty());
        Arc::clone(places.entry(name.to_owned()).or_default())
    }
}

impl Holder {
    /// Whether it still runs. From now on it has the name of a run, so that whoever knows the run knows that it is needed.
    async fn is_ready_for(&self, name: &str) -> bool {
        let inside = &self.room.0;
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        matches!(inside.pid().await, Ok(Some(_)))
            && inside.known.docker.rename_container(&inside.id, options).await.is_ok()
    }
}

/// It outlives the run that it was made for.
fn kept_labels(name: &str, shape: &str, mut labels: HashMap<String, String>) -> HashMap<String, String> {
    labels.remove(labels::RUN);
    labels.remove(labels::UNTIL);
    labels.insert(labels::KEEP.to_owned(), name.to_owned());
    labels.insert(labels::SHAPE.to_owned(), shape.to_owned());
    labels
}

/// Removes it.
async fn put_away(turn: &mut Turn) {
    if let Some(holder) = turn.take() {
        holder.room.0.remove().await;
    }
}

/// What a container is that has the directories of its jobs brought in, and those of this job. Its own are those that are not
/// below `runs`.
fn parted(plan: &Plan, runs: &Path) -> (Plan, Vec<Mounted>) {
    let comes = |mounted: &Mounted| Path::new(&mounted.target).starts_with(runs);
    let (brought, mounts) = plan.mounts.iter().cloned().partition(comes);
    (Plan { mounts, mount_point: runs.to_str().map(str::to_owned), ..plan.clone() }, brought)
}

async fn bring_in(turn: &Turn, mounts: Vec<Mounted>) -> io::Result<()> {
    let gone = || io::Error::other("the container is gone");
    let holder = turn.as_ref().ok_or_else(gone)?;
    let pid = holder.room.0.pid().await.map_err(io::Error::other)?.ok_or_else(gone)?;
    let Some(mount_point) = &holder.mount_point else { return Ok(()) };
    directories::bring_in(pid, mount_point.clone(), mounts).await
}

/// All that makes a container another one.
fn shape_of(wanted: &ContainerCreateBody, mounts: &[Mounted]) -> String {
    // Sorted, as the fields of the engine's own types are not.
    let words = serde_json::to_value(wanted).map(|shape| shape.to_string()).unwrap_or_default();
    let digest = Sha256::new().chain_update(words).chain_update(identities(mounts)).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the mounts of a container are of. What was replaced since outside, as git does with its settings, is not mounted any more.
fn identities(mounts: &[Mounted]) -> String {
    let identity = |mounted: &Mounted| {
        let found = std::fs::metadata(&mounted.source);
        found.map_or_else(|_| " gone".to_owned(), |found| format!(" {}:{}", found.dev(), found.ino()))
    };
    mounts.iter().map(identity).collect()
}

/// Lets the next one in after a job, or a program that had none; a container in which nothing was done for a while is put away,
/// also where a program waits in it.
fn leave(turn: Turn, had_job: bool, sleep_after: Duration) {
    if turn.is_none() {
        return;
    }
    let place = Arc::clone(&turn.place);
    let jobs = if had_job { place.job_done() } else { place.jobs() };
    drop(turn);
    tokio::spawn(async move {
        sleep(sleep_after).await;
        // Where there were others meanwhile, it is not even asked for.
        if place.jobs() != jobs {
            return;
        }
        let mut turn = place.turn().await;
        if place.jobs() == jobs {
            put_away(&mut turn).await;
        }
    });
}
