//! Starts a run as the first process of a container of its own.

use std::io;
use std::sync::Arc;

use bollard::errors::Error;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::DockerError;
use super::body::{Main, body};
use super::container::{Contained, Inside, Room, Sought, create, input, watched};
use super::engine::Known;
use super::error::words;
use super::images::Images;
use super::prepared::Prepared;
use super::{streams, uplink};
use crate::bridge::{Bridge, Bridged, Served};
use crate::cookie::Cookie;
use crate::multiplex;
use crate::network::RunNetwork;
use crate::pipes::Source;
use crate::sandbox::{Process, Running};
use crate::starter::{Started, Starter};
use crate::stdin::Stdin;
use crate::supervisor::{HandedOver, Link};

/// Creates it, listens, starts it, opens the way out, and lets the agent go.
pub(super) async fn start(
    known: &Known,
    images: &Images,
    mut prepared: Prepared,
    starter: &Starter,
) -> Result<Running, DockerError> {
    let main = if prepared.uplink.is_some() { Main::AgentWhenTold } else { Main::Agent };
    let served = prepared.served();
    prepared.guard()?;
    let body = body(&prepared.plan, main, std::mem::take(&mut prepared.labels), known.is_podman);
    let mut belongings = prepared.belongings().await?;
    let created = create(known, images, &prepared.name, &body).await;
    let room = match created {
        Ok(id) => Room::new(known.clone(), id, prepared.plan.user, belongings),
        Err(error) => {
            belongings.put_back();
            return Err(error);
        }
    };
    let inside = Arc::clone(&room.0);
    let started = started(room, prepared, served, starter).await;
    if started.is_err() {
        inside.remove().await;
    }
    started
}

async fn started(
    room: Room,
    prepared: Prepared,
    served: Option<Served>,
    starter: &Starter,
) -> Result<Running, DockerError> {
    let refused = |error| DockerError::Engine(words(&error));
    let Inside { known, id, .. } = &*room.0;
    let has_output = known.is_podman || served.is_some();
    let output = if has_output { None } else { Some(output(known, id).await.map_err(refused)?) };
    let mut input = input(known, id, has_output).await?;
    known.docker.start_container(id, None).await.map_err(refused)?;
    let end = watched(known, id);
    let pid = room.0.pid().await.map_err(refused)?;
    let mut network = RunNetwork::Machine;
    if let Some(uplink) = &prepared.uplink {
        network = uplink::open(pid.unwrap_or_default(), uplink).await.map_err(DockerError::Namespace)?;
    }
    if prepared.uplink.is_some() {
        input.write_all(b"\n").await.map_err(DockerError::Files)?;
    }
    let streams = Streams { connection: input, has_output, served };
    let connected = connected(&room, &prepared.cookie, pid, streams, starter).await.map_err(DockerError::Unheld)?;
    let Connected { mut stdin, held, output: beside, mut bridge } = connected;
    let (stdout, stderr) = output.unwrap_or(beside);
    if let Some(bridge) = &mut bridge {
        bridge.leads_to(network);
    }
    stdin.push(&prepared.stdin);
    if !prepared.stdin_stays_open {
        stdin.close();
    }
    let sought = Sought { program: prepared.plan.argv.first().cloned(), hint: prepared.install_hint };
    let failure = Arc::default();
    let process = Box::new(Contained { room, end, pid, sought, failure, held, _uplink: prepared.uplink });
    Ok(Running { process, stdin, stdout, stderr, bridge })
}

/// Standard output and standard error.
type Outputs = (Option<Source>, Option<Source>);

/// What the engine sends of it as it comes. Podman ends the input of a container when any connection with it ends, so there
/// must not be a second one.
async fn output(known: &Known, id: &str) -> Result<Outputs, Error> {
    let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
    let (stdout, stderr, _) = streams::divided(known.patient().attach_container(id, Some(options)).await?.output);
    Ok((Some(stdout), Some(stderr)))
}

/// The way to its input, and to its outputs where they come along.
struct Streams {
    connection: UnixStream,
    has_output: bool,
    /// What is to be between them and the run.
    served: Option<Served>,
}

/// Its input, and the outputs that come over the same connection.
struct Connected {
    stdin: Stdin,
    held: Option<Box<dyn Process>>,
    output: Outputs,
    bridge: Option<Bridge>,
}

/// The connection is held by the supervisor where the run may outlive this process, unless it has ended already.
async fn connected(
    room: &Room,
    cookie: &Cookie,
    pid: Option<u32>,
    streams: Streams,
    starter: &Starter,
) -> io::Result<Connected> {
    let Streams { connection, has_output, served } = streams;
    match (starter, pid, room.0.first()) {
        (Starter::Supervised(supervisor, most_output), Some(pid), Some(first)) => {
            let connection = connection.into_std()?.into();
            // What does not come along, the engine keeps.
            let most_output = has_output.then_some(*most_output);
            let handed =
                HandedOver { pid, handle: first?, first: None, connection, most_output, http: served, place: None };
            let Started { process, stdin, stdout, stderr, bridge } = Link::hold(supervisor, cookie, handed).await?;
            Ok(Connected { stdin, held: Some(process), output: (stdout, stderr), bridge })
        }
        _ if has_output => {
            let (from, to) = connection.into_split();
            let (stdout, stderr, _) = multiplex::divided(from);
            let Some(served) = served else {
                let (stdin, output) = (Stdin::passed_to(to), (Some(stdout), Some(stderr)));
                return Ok(Connected { stdin, held: None, output, bridge: None });
            };
            let Bridged { stdin, stdout, bridge } = served.bridge(stdout, Vec::new(), true)?;
            Ok(Connected { stdin, held: None, output: (Some(stdout), Some(stderr)), bridge: Some(bridge) })
        }
        _ => Ok(Connected { stdin: Stdin::passed_over(connection), held: None, output: (None, None), bridge: None }),
    }
}
