//! Containers that are kept between jobs, by name. A shell that only waits is the first process; each job is a process
//! beside it, with its own input, output and environment, and alone: the next one waits for its end.
//!
//! What a job leaves in its home and its workspace stays, as elsewhere. What it leaves in `/tmp`, `/run` and `/dev/shm` is
//! removed, and so are its processes; where that can't be done the container is not kept. Where the root can be written,
//! what a job changes there is there for the next: that is what such a container is kept for.

mod start;

mod job;
mod program;

mod ending;

mod again;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::RenameContainerOptionsBuilder;
use legwork_model::Ids;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep;

pub(super) use program::Whereabouts;

use super::DockerError;
use super::belongings::Belongings;
use super::body::{Main, body};
use super::container::{Room, create};
use super::engine::Known;
use super::error::words;
use super::images::Images;
use super::labels;
use super::plan::Mounted;
use super::prepared::Prepared;
use crate::sandbox::Running;
use crate::starter::Starter;

/// The containers that this server keeps.
#[derive(Debug)]
pub(super) struct Kept {
    sleep_after: Duration,
    /// Tells them from those of an earlier server of this node.
    server: String,
    /// Those of an earlier server that are this one's now.
    taken_over: Mutex<BTreeSet<String>>,
    places: Mutex<BTreeMap<String, Place>>,
}

/// Where the container of one name is, if there is one; whoever has the lock works in it.
type Place = Arc<tokio::sync::Mutex<Option<Holder>>>;
type Turn = OwnedMutexGuard<Option<Holder>>;

/// A container that is kept.
#[derive(Debug)]
struct Holder {
    room: Room,
    /// What it was made of, to the last word, as a hash.
    shape: String,
    jobs: u64,
}

impl Kept {
    pub(super) fn new(sleep_after: Duration) -> Self {
        let server = Ids::from_system().secret().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { sleep_after, server, taken_over: Mutex::default(), places: Mutex::default() }
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
        let mut turn = self.place(name).lock_owned().await;
        self.settle(&mut turn, known, images, name, &mut prepared).await?;
        // Not before it is its turn: the former job may have the same directories.
        let belongings = prepared.belongings().await?;
        start::start(turn, prepared, belongings, self.sleep_after, starter).await
    }

    /// Removes all of them, each when its job is done.
    pub(super) async fn put_away(&self) {
        let places = std::mem::take(&mut *self.places.lock().unwrap_or_else(PoisonError::into_inner));
        for place in places.into_values() {
            if let Some(holder) = place.lock().await.take() {
                holder.room.0.remove().await;
            }
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
        let wanted = body(&prepared.plan, Main::Holder, HashMap::new(), known.is_podman);
        let shape = shape_of(&wanted, &prepared.plan.mounts);
        if let Some(holder) = turn.as_mut() {
            if holder.shape == shape && holder.is_ready_for(&prepared.name).await {
                holder.jobs += 1;
                return Ok(());
            }
            holder.room.0.remove().await;
            **turn = None;
        }
        let labels = self.labels(name, &shape, std::mem::take(&mut prepared.labels));
        let body = body(&prepared.plan, Main::Holder, labels, known.is_podman);
        let id = create(known, images, &prepared.name, &body).await?;
        let room = Room::new(known.clone(), id, prepared.plan.user, Belongings::default());
        if let Err(error) = known.docker.start_container(&room.0.id, None).await {
            room.0.remove().await;
            return Err(DockerError::Engine(words(&error)));
        }
        **turn = Some(Holder { room, shape, jobs: 1 });
        Ok(())
    }

    /// It outlives the run that it was made for.
    fn labels(&self, name: &str, shape: &str, mut labels: HashMap<String, String>) -> HashMap<String, String> {
        labels.remove(labels::RUN);
        labels.remove(labels::UNTIL);
        labels.insert(labels::KEEP.to_owned(), name.to_owned());
        labels.insert(labels::SERVER.to_owned(), self.server.clone());
        labels.insert(labels::SHAPE.to_owned(), shape.to_owned());
        labels
    }

    /// Forgets the names that have no container any more.
    fn place(&self, name: &str) -> Place {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let is_empty = |place: &Place| place.try_lock().is_ok_and(|holder| holder.is_none());
        places.retain(|_, place| Arc::strong_count(place) > 1 || !is_empty(place));
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

/// Lets the next one in; a container that nobody wants for a while is put away.
fn leave(turn: Turn, sleep_after: Duration) {
    let Some(jobs) = turn.as_ref().map(|holder| holder.jobs) else { return };
    let place = Arc::clone(OwnedMutexGuard::mutex(&turn));
    drop(turn);
    tokio::spawn(async move {
        sleep(sleep_after).await;
        let mut turn = place.lock().await;
        if let Some(holder) = turn.take_if(|holder| holder.jobs == jobs) {
            holder.room.0.remove().await;
        }
    });
}
