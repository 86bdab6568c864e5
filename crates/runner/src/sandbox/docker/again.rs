//! Finds the container of a run again that an earlier server process started.

use std::path::PathBuf;
use std::sync::Arc;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{ListContainersOptionsBuilder, LogsOptionsBuilder};
use futures::StreamExt;

use super::belongings::Belongings;
use super::container::{Contained, Inside, Room, Sought, watched};
use super::error::words;
use super::labels::{self, equal, filter};
use super::plan::User;
use super::streams::divided;
use super::{Docker, DockerError, uplink};
use crate::cookie::Cookie;
use crate::sandbox::{Network, Running};
use crate::stdin::Stdin;

impl Docker {
    /// The run with this cookie, with its output from the beginning on, if its container is there. It may have ended
    /// meanwhile. Its input has ended: that was closed with the earlier server.
    pub(crate) async fn attach_again(
        &self,
        cookie: &Cookie,
        network: &Network,
    ) -> Result<Option<Running>, DockerError> {
        let known = self.0.engine.known().await?;
        let refused = |error| DockerError::Engine(words(&error));
        let labelled = filter(&[equal(labels::RUN, cookie.as_str()), equal(labels::NODE, &self.0.settings.node)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&labelled).build();
        let found = known.docker.list_containers(Some(options)).await.map_err(refused)?;
        let Some(id) = found.into_iter().find_map(|container| container.id) else { return Ok(None) };
        let found = known.docker.inspect_container(&id, None).await.map_err(refused)?;
        let user = user_of(&found);
        let room = Room::new(known.clone(), id, user, self.belongings_of(&found, user));
        let pid = room.0.pid().await.map_err(refused)?;
        if let (Network::Own(uplink), Some(pid)) = (network, pid) {
            uplink::open(pid, uplink).await.map_err(DockerError::Namespace)?;
        }
        Ok(Some(going_on(room, pid, network)))
    }

    /// What was mounted so that it may be changed was handed over, and what is below our own directory is a copy.
    fn belongings_of(&self, found: &ContainerInspectResponse, user: User) -> Belongings {
        let mounts = found.host_config.iter().flat_map(|config| config.mounts.iter().flatten());
        let writable = mounts.filter(|mount| mount.read_only != Some(true));
        let sources = writable.filter_map(|mount| mount.source.as_deref().map(PathBuf::from));
        let (mut copies, directories): (Vec<_>, Vec<_>) =
            sources.partition(|source| source.starts_with(&self.0.settings.copies));
        Belongings::found(directories, user, copies.pop())
    }
}

fn going_on(room: Room, pid: Option<u32>, network: &Network) -> Running {
    let Inside { known, id, .. } = &*room.0;
    let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
    let output = known.patient().logs(id, Some(options)).boxed();
    let (stdout, stderr, _) = divided(output);
    let end = watched(known, id);
    let uplink = match network {
        Network::Own(uplink) => Some(Arc::clone(uplink)),
        Network::Machine => None,
    };
    let process =
        Box::new(Contained { room, end, pid, sought: Sought::default(), failure: Arc::default(), _uplink: uplink });
    Running { process, stdin: Stdin::Closed, stdout: Some(stdout), stderr: Some(stderr), bridge: None }
}

fn user_of(found: &ContainerInspectResponse) -> User {
    let user = found.config.as_ref().and_then(|config| config.user.as_deref()).unwrap_or_default();
    let mut ids = user.split(':').map(|id| id.parse().unwrap_or_default());
    let uid = ids.next().unwrap_or_default();
    User { uid, gid: ids.next().unwrap_or(uid) }
}
