//! Starts a run as the first process of a container of its own.

use std::io;
use std::sync::Arc;

use bollard::errors::Error;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use tokio::net::UnixStream;

use super::DockerError;
use super::body::{Main, body};
use super::container::{Contained, Inside, Room, Sought, create, input, watched};
use super::engine::Known;
use super::error::words;
use super::images::Images;
use super::prepared::Prepared;
use super::{streams, uplink};
use crate::bridge::Plan as Bridging;
use crate::cookie::Cookie;
use crate::multiplex;
use crate::network::RunNetwork;
use crate::pipes::Source;
use crate::sandbox::{Process, Running};
use crate::starter::{Started, Starter};
use crate::stdin::{Stdin, StdinFeed};
use crate::supervisor::{HandedOver, Link};

/// Creates it, listens, starts it, opens the way out, and lets the agent go.
pub(super) async fn start(
    known: &Known,
    images: &Images,
    mut prepared: Prepared,
    starter: &Starter,
) -> Result<Running, DockerError> {
    let main = if prepared.uplink.is_some() { Main::AgentWhenTold } else { Main::Agent };
    let bridging = bridging(&mut prepared)?;
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
    let started = started(room, prepared, bridging, starter).await;
    if started.is_err() {
        inside.remove().await;
    }
    started
}

async fn started(
    room: Room,
    prepared: Prepared,
    bridging: Option<(Bridging, StdinFeed)>,
    starter: &Starter,
) -> Result<Running, DockerError> {
    let refused = |error| DockerError::Engine(words(&error));
    let Inside { known, id, .. } = &*room.0;
    let output = if known.is_podman { None } else { Some(output(known, id).await.map_err(refused)?) };
    let input = input(known, id).await?;
    known.docker.start_container(id, None).await.map_err(refused)?;
    let end = watched(known, id);
    let pid = room.0.pid().await.map_err(refused)?;
    let mut network = RunNetwork::Machine;
    if let Some(uplink) = &prepared.uplink {
        network = uplink::open(pid.unwrap_or_default(), uplink).await.map_err(DockerError::Namespace)?;
    }
    let connected = connected(&room, &prepared.cookie, pid, input, starter).await.map_err(DockerError::Unheld)?;
    let Connected { mut stdin, held, output: beside } = connected;
    let (stdout, stderr) = output.unwrap_or(beside);
    if prepared.uplink.is_some() {
        stdin.push(b"\n");
    }
    stdin.push(&prepared.stdin);
    if !prepared.stdin_stays_open {
        stdin.close();
    }
    let sought = Sought { program: prepared.plan.argv.first().cloned(), hint: prepared.install_hint };
    let failure = Arc::default();
    let process = Box::new(Contained { room, end, pid, sought, failure, held, _uplink: prepared.uplink });
    Ok(match bridging {
        None => Running { process, stdin, stdout, stderr, bridge: None },
        Some((plan, feed)) => {
            let (lines, bridge) = plan.start(stdout.unwrap_or_else(|| Box::new(tokio::io::empty())), network);
            let stdin = Stdin::Pipe(feed);
            Running { process, stdin, stdout: Some(lines), stderr, bridge: Some(bridge) }
        }
    })
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

/// Its input, and the outputs that come over the same connection.
struct Connected {
    stdin: Stdin,
    held: Option<Box<dyn Process>>,
    output: Outputs,
}

/// The connection is held by the supervisor where the run may outlive this process, unless it has ended already.
async fn connected(
    room: &Room,
    cookie: &Cookie,
    pid: Option<u32>,
    connection: UnixStream,
    starter: &Starter,
) -> io::Result<Connected> {
    let has_output = room.0.known.is_podman;
    match (starter, pid, room.0.first()) {
        (Starter::Supervised(supervisor, most_output), Some(pid), Some(first)) => {
            let connection = connection.into_std()?.into();
            // What does not come along, the engine keeps.
            let most_output = has_output.then_some(*most_output);
            let handed = HandedOver { pid, handle: first?, first: None, connection, most_output, place: None };
            let Started { process, stdin, stdout, stderr } = Link::hold(supervisor, cookie, handed).await?;
            Ok(Connected { stdin, held: Some(process), output: (stdout, stderr) })
        }
        _ if has_output => {
            let (from, to) = connection.into_split();
            let (stdout, stderr, _) = multiplex::divided(from);
            Ok(Connected { stdin: Stdin::passed_to(to), held: None, output: (Some(stdout), Some(stderr)) })
        }
        _ => Ok(Connected { stdin: Stdin::passed_over(connection), held: None, output: (None, None) }),
    }
}

/// What comes between a program that serves HTTP and its run; what the run says goes there, and to the program nothing.
fn bridging(prepared: &mut Prepared) -> Result<Option<(Bridging, StdinFeed)>, DockerError> {
    let Some(server) = prepared.http else { return Ok(None) };
    let said = std::mem::take(&mut prepared.stdin);
    let stays_open = std::mem::take(&mut prepared.stdin_stays_open);
    let (feed, requests) = StdinFeed::new(said, stays_open).map_err(DockerError::Files)?;
    let plan = Bridging::new(server, requests).map_err(DockerError::Files)?;
    let (variable, password) = plan.password();
    prepared.plan.env.push(format!("{variable}={password}"));
    Ok(Some((plan, feed)))
}
