//! A plain process: a group, an environment and directories of its own, but no isolation from the machine.

use std::fs::File;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use legwork_agents::Launch;
use tokio::process::{Child, Command};

use super::SpawnError;
use crate::bridge::{Bridge, Plan};
use crate::cookie::{COOKIE_VARIABLE, Cookie};
use crate::pipes::Stdout;
use crate::process_tree::{Registry, Tree};
use crate::stdin_feed::StdinFeed;

/// A program that is being written can't be started; whoever writes it is done soon.
const BUSY_RETRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// A process that was started, with its ends of the pipes to it.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) tree: Arc<Tree>,
    pub(crate) stdin: StdinFeed,
    pub(crate) stdout: Option<Stdout>,
    /// What is between a program that serves HTTP and the rest of its run.
    pub(crate) bridge: Option<Bridge>,
}

/// What to start, and where.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) launch: Launch,
    pub(crate) directory: &'a Path,
    pub(crate) cookie: &'a Cookie,
    pub(crate) install_hint: &'a str,
    pub(crate) inherited: Inherited,
}

/// Open files that a process gets.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// Read as standard input instead of the launch's bytes.
    pub(crate) stdin: Option<File>,
    /// What the process may read as its descriptor [`SECRET_FD`].
    pub(crate) secret: Option<OwnedFd>,
}

/// The descriptor of a secret that is neither among the arguments nor in the environment of a process.
pub(crate) const SECRET_FD: RawFd = 3;

/// Starts a process.
pub(crate) async fn start(registry: &Arc<Registry>, start: Start<'_>) -> Result<Running, SpawnError> {
    let Start { mut launch, directory, cookie, install_hint, inherited } = start;
    let program = find(&launch, install_hint)?;
    let other = |source| SpawnError::Other { program: program.clone(), source };
    let (stdin, read_end) = match inherited.stdin {
        Some(file) => StdinFeed::from_file(file),
        None => {
            let bytes = std::mem::take(&mut launch.stdin.bytes);
            StdinFeed::new(bytes, launch.stdin.open_until_turn_ends).map_err(other)?
        }
    };
    let mut command = command(&program, &launch, directory, cookie);
    let plan = match launch.http {
        Some(server) => {
            let plan = Plan::new(server, read_end).map_err(other)?;
            let (variable, password) = plan.password();
            command.stdin(Stdio::null()).env(variable, password);
            Some(plan)
        }
        None => {
            command.stdin(Stdio::from(read_end));
            None
        }
    };
    if let Some(parent_fd) = inherited.secret {
        // One number for one file can't collide.
        let _ = command.fd_mappings(vec![FdMapping { parent_fd, child_fd: SECRET_FD }]);
    }
    let spawned = spawn(registry, cookie, &mut command).await;
    let (mut child, tree) =
        spawned.map_err(|source| SpawnError::diagnose(source, &program, directory, install_hint))?;
    let printed = child.stdout.take();
    let (stdout, bridge) = match (plan, printed) {
        (Some(plan), Some(printed)) => {
            let (stdout, bridge) = plan.start(printed);
            (Some(stdout), Some(bridge))
        }
        (_, printed) => (printed.map(|printed| Box::new(printed) as Stdout), None),
    };
    Ok(Running { child, tree: Arc::new(tree), stdin, stdout, bridge })
}

async fn spawn(registry: &Arc<Registry>, cookie: &Cookie, command: &mut Command) -> io::Result<(Child, Tree)> {
    let mut retries = 0;
    loop {
        let spawned = Tree::start(registry, cookie, || {
            let child = command.spawn()?;
            // The id is there until the child is waited for.
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
            Ok((child, pid))
        });
        match spawned {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && retries < BUSY_RETRIES => {
                retries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            spawned => return spawned,
        }
    }
}

/// Nothing in here needs code to run between fork and exec (but for the rare [`Inherited::secret`]), so the standard
/// library can use `posix_spawn`, which does not copy the server's page tables.
#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
fn command(program: &Path, launch: &Launch, directory: &Path, cookie: &Cookie) -> Command {
    let mut command = Command::new(program);
    command
        .args(&launch.args)
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env(COOKIE_VARIABLE, cookie.as_str())
        .current_dir(directory)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The program's path. It is looked up here, in the `PATH` that the agent gets and never in a directory relative to
/// its workspace; a lookup by the standard library would rule out `posix_spawn`.
fn find(launch: &Launch, install_hint: &str) -> Result<PathBuf, SpawnError> {
    let program = &launch.program;
    if program.is_absolute() {
        return Ok(program.clone());
    }
    if program.components().count() != 1 {
        return Err(SpawnError::Relative(program.clone()));
    }
    let path = launch.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    let places = path.split(':').map(Path::new).filter(|place| place.is_absolute());
    places.map(|place| place.join(program)).find(|file| is_executable(file)).ok_or_else(|| SpawnError::NotOnPath {
        name: program.display().to_string(),
        path: path.to_owned(),
        hint: install_hint.to_owned(),
    })
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
