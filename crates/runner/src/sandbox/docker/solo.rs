//! Starts a run as the first process of a container of its own.

use std::io;
use std::sync::Arc;

use bollard::query_parameters::AttachContainerOptionsBuilder;
use tokio::net::UnixStream;

use super::DockerError;
use super::body::{Main, body};
use super::container::{Contained, Inside, Room, Sought, create, input, watched};
use super::engine::Known;
use super::error::words;
use super::images::Images;
use super::prepared::Prepared;
use super::streams::divided;
use super::uplink;
use crate::bridge::Plan as Bridging;
use crate::cookie::Cookie;
use crate::network::RunNetwork;
use crate::sandbox::{Process, Running};
use crate::starter::Starter;
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
    let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
    let attached = known.patient().attach_container(id, Some(options)).await.map_err(refused)?;
    let input = input(known, id).await?;
    known.docker.start_container(id, None).await.map_err(refused)?;
    let end = watched(known, id);
    let pid = room.0.pid().await.map_err(refused)?;
    let mut network = RunNetwork::Machine;
    if let Some(uplink) = &prepared.uplink {
        network = uplink::open(pid.unwrap_or_default(), uplink).await.map_err(DockerError::Namespace)?;
    }
    let (mut stdin, held) = fed(&room, &prepared.cookie, pid, input, starter).await.map_err(DockerError::Unheld)?;
    if prepared.uplink.is_some() {
        stdin.push(b"\n");
    }
    stdin.push(&prepared.stdin);
    if !prepared.stdin_stays_open {
        stdin.close();
    }
    let (stdout, stderr, _) = divided(attached.output);
    let sought = Sought { program: prepared.plan.argv.first().cloned(), hint: prepared.install_hint };
    let failure = Arc::default();
    let process = Box::new(Contained { room, end, pid, sought, failure, held, _uplink: prepared.uplink });
    Ok(match bridging {
        None => Running { process, stdin, stdout: Some(stdout), stderr: Some(stderr), bridge: None },
        Some((plan, feed)) => {
            let (lines, bridge) = plan.start(stdout, network);
            let stdin = Stdin::Pipe(feed);
            Running { process, stdin, stdout: Some(lines), stderr: Some(stderr), bridge: Some(bridge) }
        }
    })
}

/// Its input: held by the supervisor where the run may outlive this process, unless it has ended already.
async fn fed(
    room: &Room,
    cookie: &Cookie,
    pid: Option<u32>,
    input: UnixStream,
    starter: &Starter,
) -> io::Result<(Stdin, Option<Box<dyn Process>>)> {
    match (starter, pid, room.0.first()) {
        (Starter::Supervised(supervisor, _), Some(pid), Some(first)) => {
            let connection = input.into_std()?.into();
            // What it prints, the engine keeps.
            let handed = HandedOver { pid, handle: first?, first: None, connection, most_output: None, place: None };
            let held = Link::hold(supervisor, cookie, handed).await?;
            Ok((held.stdin, Some(held.process)))
        }
        _ => Ok((Stdin::passed_over(input), None)),
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
