//! Begins a job in a kept container.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::job::{End, Job, Shared};
use super::program::{Program, Whereabouts};
use super::{Holder, Turn, put_away};
use crate::bridge::{Bridge, Bridged, Served};
use crate::cookie::Cookie;
use crate::multiplex::divided;
use crate::network::RunNetwork;
use crate::pipes::Source;
use crate::sandbox::Running;
use crate::sandbox::docker::DockerError;
use crate::sandbox::docker::belongings::Belongings;
use crate::sandbox::docker::container::{Inside, Sought};
use crate::sandbox::docker::error::words;
use crate::sandbox::docker::prepared::Prepared;
use crate::sandbox::docker::uplink;
use crate::starter::{Started, Starter};
use crate::stdin::Stdin;
use crate::supervisor::{HandedOver, Link};

/// A program that runs.
struct Begun {
    inside: Arc<Inside>,
    exec: String,
    end: End,
    stdin: Stdin,
    stdout: Option<Source>,
    stderr: Option<Source>,
    bridge: Option<Bridge>,
}

/// Opens the way out, and starts the agent.
pub(super) async fn start(
    mut turn: Turn,
    mut prepared: Prepared,
    mut belongings: Belongings,
    sleep_after: Duration,
    starter: &Starter,
) -> Result<Running, DockerError> {
    match begin(&turn, &mut prepared, starter).await {
        Ok(begun) => Ok(running(turn, prepared, belongings, sleep_after, begun)),
        Err(error) => {
            put_away(&mut turn).await;
            belongings.put_back();
            Err(error)
        }
    }
}

async fn begin(turn: &Turn, prepared: &mut Prepared, starter: &Starter) -> Result<Begun, DockerError> {
    let gone = || DockerError::Engine("the kept container is gone".to_owned());
    let Holder { room, .. } = turn.as_ref().ok_or_else(gone)?;
    let inside = Arc::clone(&room.0);
    let pid = inside.pid().await.map_err(|error| DockerError::Engine(words(&error)))?.ok_or_else(gone)?;
    inside.forget_refusals();
    let mut network = RunNetwork::Machine;
    if let Some(uplink) = &prepared.uplink {
        network = uplink::open(pid, uplink).await.map_err(DockerError::Namespace)?;
    }
    let served = prepared.served();
    let program = Program::start(&inside, &prepared.plan).await?;
    let mut begun = connected(inside, program, served, &prepared.cookie, starter).await?;
    if let Some(bridge) = &mut begun.bridge {
        bridge.leads_to(network);
    }
    Ok(begun)
}

/// Leaves the program to the supervisor where it may outlive this process, unless it has ended already.
async fn connected(
    inside: Arc<Inside>,
    program: Program,
    served: Option<Served>,
    cookie: &Cookie,
    starter: &Starter,
) -> Result<Begun, DockerError> {
    if let (Starter::Supervised(supervisor, most_output), Some(Ok(first))) = (starter, inside.first()) {
        let process = program.process(&inside.known).await;
        if let Some((pid, handle)) = process.map_err(|error| DockerError::Engine(words(&error)))? {
            let place = Whereabouts::of(&program, &inside).written();
            let connection = program.connection.into_std().map_err(DockerError::Files)?.into();
            let most_output = Some(*most_output);
            let handed = HandedOver { pid, handle, first: Some(first), connection, most_output, http: served, place };
            let held = Link::hold(supervisor, cookie, handed).await.map_err(DockerError::Unheld)?;
            let Started { process, stdin, stdout, stderr, bridge } = held;
            return Ok(Begun { inside, exec: program.exec, end: End::Held(process), stdin, stdout, stderr, bridge });
        }
    }
    let (from, to) = program.connection.into_split();
    let (stdout, stderr, output) = divided(from);
    let begun = |stdin, stdout, bridge| {
        let (stdout, stderr) = (Some(stdout), Some(stderr));
        Begun { inside, exec: program.exec, end: End::Output(output), stdin, stdout, stderr, bridge }
    };
    let Some(served) = served else { return Ok(begun(Stdin::passed_to(to), stdout, None)) };
    let Bridged { stdin, stdout, bridge } = served.bridge(stdout, Vec::new(), true).map_err(DockerError::Files)?;
    Ok(begun(stdin, stdout, Some(bridge)))
}

fn running(turn: Turn, prepared: Prepared, belongings: Belongings, sleep_after: Duration, begun: Begun) -> Running {
    let Begun { inside, exec, end, mut stdin, stdout, stderr, bridge } = begun;
    stdin.push(&prepared.stdin);
    if !prepared.stdin_stays_open {
        stdin.close();
    }
    let shared = Shared {
        inside,
        place: Arc::clone(&turn.place),
        uplink: prepared.uplink,
        turn: Mutex::new(Some(turn)),
        belongings: Mutex::new(belongings),
        exec,
        sought: Sought { program: prepared.plan.argv.first().cloned(), hint: prepared.install_hint },
        sleep_after,
        failure: OnceLock::new(),
        gave_way: AtomicBool::new(false),
    };
    let process = Box::new(Job { shared: Arc::new(shared), end });
    Running { process, stdin, stdout, stderr, bridge }
}
