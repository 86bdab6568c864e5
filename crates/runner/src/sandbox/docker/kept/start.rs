//! Begins a job in a kept container.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::job::{End, Job, Shared};
use super::program::{Program, Whereabouts};
use super::{Holder, Turn, put_away};
use crate::cookie::Cookie;
use crate::multiplex::divided;
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
}

/// Opens the way out, and starts the agent.
pub(super) async fn start(
    mut turn: Turn,
    prepared: Prepared,
    mut belongings: Belongings,
    sleep_after: Duration,
    starter: &Starter,
) -> Result<Running, DockerError> {
    match begin(&turn, &prepared, starter).await {
        Ok(begun) => Ok(running(turn, prepared, belongings, sleep_after, begun)),
        Err(error) => {
            put_away(&mut turn).await;
            belongings.put_back();
            Err(error)
        }
    }
}

async fn begin(turn: &Turn, prepared: &Prepared, starter: &Starter) -> Result<Begun, DockerError> {
    let gone = || DockerError::Engine("the kept container is gone".to_owned());
    if prepared.http.is_some() {
        return Err(DockerError::Refused("a program that serves HTTP and be kept".to_owned()));
    }
    let Holder { room, .. } = turn.as_ref().ok_or_else(gone)?;
    let inside = Arc::clone(&room.0);
    let pid = inside.pid().await.map_err(|error| DockerError::Engine(words(&error)))?.ok_or_else(gone)?;
    inside.forget_refusals();
    if let Some(uplink) = &prepared.uplink {
        uplink::open(pid, uplink).await.map_err(DockerError::Namespace)?;
    }
    let program = Program::start(&inside, &prepared.plan).await?;
    connected(inside, program, &prepared.cookie, starter).await
}

/// Leaves the program to the supervisor where it may outlive this process, unless it has ended already.
async fn connected(
    inside: Arc<Inside>,
    program: Program,
    cookie: &Cookie,
    starter: &Starter,
) -> Result<Begun, DockerError> {
    if let (Starter::Supervised(supervisor, most_output), Some(Ok(first))) = (starter, inside.first()) {
        let process = program.process(&inside.known).await;
        if let Some((pid, handle)) = process.map_err(|error| DockerError::Engine(words(&error)))? {
            let place = Whereabouts::of(&program, &inside).written();
            let connection = program.connection.into_std().map_err(DockerError::Files)?.into();
            let handed =
                HandedOver { pid, handle, first: Some(first), connection, most_output: Some(*most_output), place };
            let held = Link::hold(supervisor, cookie, handed).await.map_err(DockerError::Unheld)?;
            let Started { process, stdin, stdout, stderr } = held;
            return Ok(Begun { inside, exec: program.exec, end: End::Held(process), stdin, stdout, stderr });
        }
    }
    let (from, to) = program.connection.into_split();
    let (stdout, stderr, output) = divided(from);
    let (stdout, stderr) = (Some(stdout), Some(stderr));
    Ok(Begun { inside, exec: program.exec, end: End::Output(output), stdin: Stdin::passed_to(to), stdout, stderr })
}

fn running(turn: Turn, prepared: Prepared, belongings: Belongings, sleep_after: Duration, begun: Begun) -> Running {
    let Begun { inside, exec, end, mut stdin, stdout, stderr } = begun;
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
    Running { process, stdin, stdout, stderr, bridge: None }
}
