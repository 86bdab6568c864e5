//! Finds the container of a run again that an earlier server process started.

use std::path::PathBuf;
use std::sync::Arc;

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{ListContainersOptionsBuilder, LogsOptionsBuilder};
use futures::StreamExt;

use super::belongings::Belongings;
use super::container::{Contained, Inside, Room, Sought, watched};
use super::engine::Known;
use super::error::words;
use super::kept::Whereabouts;
use super::labels::{self, equal, filter};
use super::plan::User;
use super::streams::divided;
use super::{Docker, DockerError, uplink};
use crate::cookie::Cookie;
use crate::pipes::Source;
use crate::sandbox::{Adopted, Again, Confinement, Network, Uplink};
use crate::starter::Started;

impl Docker {
    /// Goes on with the run of a container that an earlier server process started. It may have ended meanwhile.
    pub(super) async fn attach_again(&self, adopted: Adopted<'_>) -> Result<Again, DockerError> {
        let Adopted { again, place, cookie, confinement } = adopted;
        let known = self.0.engine.known().await?;
        let uplink = match &confinement.network {
            Network::Own(uplink) => Some(Arc::clone(uplink)),
            Network::Machine => None,
        };
        match place {
            None => self.run_again(known, again, cookie, uplink).await,
            Some(place) => self.job_again(known, again, &Whereabouts::read(&place)?, confinement, uplink).await,
        }
    }

    /// A run that is a container, with its output from the beginning on, which the engine has where the supervisor does not.
    async fn run_again(
        &self,
        known: &Known,
        again: Again,
        cookie: &Cookie,
        uplink: Option<Arc<dyn Uplink>>,
    ) -> Result<Again, DockerError> {
        let refused = |error| DockerError::Engine(words(&error));
        let id = self.container_of(known, cookie).await?;
        let found = known.inspect(&id).await.map_err(refused)?;
        let user = user_of(&found);
        let room = Room::new(known.clone(), id, user, self.belongings_of(&found, user));
        let pid = opened_again(&room, uplink.as_ref()).await?;
        let Again {
            started: Started { process: held, stdin, mut stdout, mut stderr, .. },
            mut printed,
            mut complained,
            tells,
        } = again;
        if !tells {
            (printed, complained) = printed_by(&room.0).await.map_err(refused)?;
            let (out, err) = output(&room.0);
            (stdout, stderr) = (Some(out), Some(err));
        }
        let end = watched(known, &room.0.id);
        let (sought, failure, held) = (Sought::default(), Arc::default(), Some(held));
        let process = Box::new(Contained { room, end, pid, sought, failure, held, _uplink: uplink });
        let started = Started { process, stdin, stdout, stderr, bridge: None };
        Ok(Again { started, printed, complained, tells })
    }

    /// A job in a container that an earlier server kept.
    async fn job_again(
        &self,
        known: &Known,
        again: Again,
        at: &Whereabouts,
        confinement: &Confinement,
        uplink: Option<Arc<dyn Uplink>>,
    ) -> Result<Again, DockerError> {
        let found = known.inspect(&at.container).await.map_err(|error| DockerError::Engine(words(&error)))?;
        let belongings = Belongings::found(confinement.writable.clone(), at.user(), None);
        let room = Room::new(known.clone(), at.container.clone(), at.user(), Belongings::default());
        opened_again(&room, uplink.as_ref()).await?;
        Ok(self.0.kept.again(room, at, found, belongings, uplink, again).await)
    }

    async fn container_of(&self, known: &Known, cookie: &Cookie) -> Result<String, DockerError> {
        let labelled = filter(&[equal(labels::RUN, cookie.as_str()), equal(labels::NODE, &self.0.settings.node)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&labelled).build();
        let found = known.docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| DockerError::Engine(words(&error)))?;
        found.into_iter().find_map(|container| container.id).ok_or(DockerError::Gone)
    }

    /// What was mounted so that it may be changed was handed over, and what is below our own directory is a copy.
    fn belongings_of(&self, found: &ContainerInspectResponse, user: User) -> Belongings {
        let mounts = found.mounts.iter().flatten().filter(|mount| mount.typ.as_deref() == Some("bind"));
        let writable = mounts.filter(|mount| mount.rw == Some(true));
        let sources = writable.filter_map(|mount| mount.source.as_deref().map(PathBuf::from));
        let (mut copies, directories): (Vec<_>, Vec<_>) =
            sources.partition(|source| source.starts_with(&self.0.settings.copies));
        Belongings::found(directories, user, copies.pop())
    }
}

/// Opens the way out again, where the container still runs. Gives its first process.
async fn opened_again(room: &Room, uplink: Option<&Arc<dyn Uplink>>) -> Result<Option<u32>, DockerError> {
    let pid = room.0.pid().await.map_err(|error| DockerError::Engine(words(&error)))?;
    if let (Some(uplink), Some(pid)) = (uplink, pid) {
        uplink::open(pid, uplink).await.map_err(DockerError::Namespace)?;
    }
    Ok(pid)
}

/// How many bytes the engine has of its standard output, and of its standard error.
async fn printed_by(inside: &Inside) -> Result<(u64, u64), Error> {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
    let mut pieces = inside.known.patient().logs(&inside.id, Some(options));
    let (mut printed, mut complained) = (0, 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let count = if matches!(piece, LogOutput::StdOut { .. }) { &mut printed } else { &mut complained };
        *count += piece.as_ref().len() as u64;
    }
    Ok((printed, complained))
}

/// What it printed and will print.
fn output(inside: &Inside) -> (Source, Source) {
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let (stdout, stderr, _) = divided(inside.known.patient().logs(&inside.id, Some(options)).boxed());
    (stdout, stderr)
}

fn user_of(found: &ContainerInspectResponse) -> User {
    let user = found.config.as_ref().and_then(|config| config.user.as_deref()).unwrap_or_default();
    let mut ids = user.split(':').map(|id| id.parse().unwrap_or_default());
    let uid = ids.next().unwrap_or_default();
    User { uid, gid: ids.next().unwrap_or(uid) }
}
