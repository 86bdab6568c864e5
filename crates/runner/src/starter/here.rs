//! Children of this process.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use command_fds::CommandFdExt;
use futures::FutureExt;
use futures::future::BoxFuture;
use legwork_model::{Exit, Failure};
use tokio::process::{Child, Command};

use super::Started;
use crate::cookie::{COOKIE_VARIABLE, Cookie};
use crate::pipes::Source;
use crate::process_tree::{Registry, Tree, exit_of};
use crate::sandbox::Process;
use crate::sandbox::spawn::{Input, Spawn, is_busy};
use crate::stdin::{Stdin, StdinFeed};

const BUSY_RETRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// A child with all that descends from it.
#[derive(Debug)]
struct Family {
    child: Child,
    tree: Arc<Tree>,
}

/// Starts a child.
pub(super) async fn start(registry: &Arc<Registry>, mut spawn: Spawn) -> io::Result<Started> {
    let http = spawn.http.take();
    if let (Some(served), Input::Fed { bytes, stays_open }) = (http, &mut spawn.input) {
        let (said, stays_open) = (std::mem::take(bytes), *stays_open);
        spawn.input = Input::Null;
        return start_program(registry, spawn).await?.bridged(served, said, stays_open);
    }
    start_program(registry, spawn).await
}

async fn start_program(registry: &Arc<Registry>, mut spawn: Spawn) -> io::Result<Started> {
    let (stdin, read_end) = match std::mem::replace(&mut spawn.input, Input::Null) {
        Input::Null => (Stdin::Closed, Stdio::null()),
        Input::File(file) => (Stdin::Closed, Stdio::from(file)),
        Input::Fed { bytes, stays_open } => {
            let (feed, read_end) = StdinFeed::new(bytes, stays_open)?;
            (Stdin::Pipe(feed), Stdio::from(read_end))
        }
    };
    let (cookie, main_only_waits) = (spawn.cookie.clone(), spawn.main_only_waits);
    let mut command = command(spawn);
    command.stdin(read_end);
    let (mut child, tree) = start_child(registry, &cookie, &mut command).await?;
    let stdout = child.stdout.take().map(|printed| Box::new(printed) as Source);
    let stderr = child.stderr.take().map(|printed| Box::new(printed) as Source);
    let tree = Arc::new(tree.whose_main_only_waits(main_only_waits));
    Ok(Started { process: Box::new(Family { child, tree }), stdin, stdout, stderr, bridge: None })
}

async fn start_child(registry: &Arc<Registry>, cookie: &Cookie, command: &mut Command) -> io::Result<(Child, Tree)> {
    let mut retries = 0;
    loop {
        let started = Tree::start(registry, cookie, || {
            let child = command.spawn()?;
            // The id is there until the child is waited for.
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
            Ok((child, pid))
        });
        match started {
            Err(error) if is_busy(&error) && retries < BUSY_RETRIES => {
                retries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            started => return started,
        }
    }
}

/// Nothing in here needs code to run between fork and exec (but for the rare [`Spawn::files`]), so the standard
/// library can use `posix_spawn`, which does not copy the server's page tables.
#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
fn command(spawn: Spawn) -> Command {
    let mut command = Command::new(&spawn.program);
    command
        .args(spawn.args)
        .env_clear()
        .envs(spawn.env)
        .env(COOKIE_VARIABLE, spawn.cookie.as_str())
        .current_dir(spawn.directory)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if !spawn.files.is_empty() {
        // Each number is given once.
        let _ = command.fd_mappings(spawn.files);
    }
    command
}

impl Process for Family {
    fn wait(&mut self) -> BoxFuture<'_, io::Result<Exit>> {
        let Self { child, tree } = self;
        let wait = async move {
            let status = child.wait().await;
            tree.main_ended();
            status.map(exit_of)
        };
        wait.boxed()
    }

    fn may_have_left_others(&self) -> bool {
        self.tree.may_have_left_others()
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'static, ()> {
        let tree = Arc::clone(&self.tree);
        async move { tree.terminate(grace).await }.boxed()
    }

    fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    fn limit_reached(&self) -> Option<Failure> {
        None
    }
}
