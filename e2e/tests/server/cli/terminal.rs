//! Somebody at a terminal: a directory to stand in, an environment, and the commands that are called there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::lab::{PATIENCE, Server, program};

/// A place where `legwork` is called.
pub(crate) struct Terminal {
    dir: tempfile::TempDir,
    env: BTreeMap<&'static str, String>,
}

/// What a command said until it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that goes on.
pub(crate) struct Called {
    child: Child,
    stdout: Stream<ChildStdout>,
    stderr: Stream<ChildStderr>,
}

/// What a command prints, and what of it was read already.
struct Stream<R> {
    lines: Lines<BufReader<R>>,
    seen: String,
}

impl Terminal {
    /// In an empty directory, with the scripted agent.
    pub(crate) fn new() -> Self {
        let agent = program("scripted-agent").to_string_lossy().into_owned();
        let env =
            [("PATH", std::env::var("PATH").unwrap_or_default()), ("LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM", agent)];
        Self { dir: tempfile::tempdir().expect("a directory"), env: env.into() }
    }

    /// The same, where the agent has something to pay its model with.
    pub(crate) fn paying() -> Self {
        Self::new().with("LEGWORK_AGENTS__CLAUDE_CODE__API_KEY", "key-of-the-agent-in-scenarios")
    }

    /// The same, where everything is about that server.
    pub(crate) fn at(server: &Server) -> Self {
        Self::new().with("LEGWORK_SERVER", server.url())
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.insert(name, value.into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where Legwork keeps everything that is done here.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir().join("legwork-data")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir().join(name), text).expect("it can be written");
    }

    /// Calls `legwork` and waits for its end.
    pub(crate) async fn call(&self, arguments: &[&str]) -> Said {
        self.start(arguments).ended().await
    }

    /// The same for a command that reads `input`.
    pub(crate) async fn tell(&self, input: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the command starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin.write_all(input.as_bytes()).await.expect("the command reads");
        drop(stdin);
        let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        Called { child, stdout: Stream::new(stdout), stderr: Stream::new(stderr) }.ended().await
    }

    /// Calls `legwork` and leaves it to itself.
    pub(crate) fn start(&self, arguments: &[&str]) -> Called {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
        let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        Called { child, stdout: Stream::new(stdout), stderr: Stream::new(stderr) }
    }

    /// Calls `legwork` with its standard output leading there.
    pub(crate) async fn call_into(&self, stdout: impl Into<Stdio>, arguments: &[&str]) -> Said {
        let child = self.command(arguments).stdout(stdout).spawn().expect("the command starts");
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.expect("the command ends in time").expect("it can be waited for");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Said { code: output.status.code(), stdout: String::new(), stderr }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("legwork"));
        command
            .args(arguments)
            .current_dir(self.dir())
            .env_clear()
            .envs(&self.env)
            // A group of its own, as a shell gives it, is what Ctrl-C reaches.
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl Called {
    /// Waits for a line on standard output that holds `text`; gives the line.
    pub(crate) async fn until_stdout(&mut self, text: &str) -> String {
        self.stdout.until(text).await
    }

    /// Waits for a line on standard error that holds `text`; gives the line.
    pub(crate) async fn until_stderr(&mut self, text: &str) -> String {
        self.stderr.until(text).await
    }

    pub(crate) fn press_ctrl_c(&self) {
        let group = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process_group(group.expect("it still runs"), Signal::INT).expect("it can be signalled");
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Said {
        let all = async { tokio::join!(self.stdout.rest(), self.stderr.rest(), self.child.wait()) };
        let (stdout, stderr, status) = tokio::time::timeout(PATIENCE, all).await.expect("the command ends in time");
        Said { code: status.expect("it can be waited for").code(), stdout, stderr }
    }
}

impl<R: AsyncRead + Unpin> Stream<R> {
    fn new(pipe: R) -> Self {
        Self { lines: BufReader::new(pipe).lines(), seen: String::new() }
    }

    async fn next(&mut self) -> Option<String> {
        let line = self.lines.next_line().await.expect("the command prints text")?;
        self.seen.extend([&line, "\n"]);
        Some(line)
    }

    async fn until(&mut self, text: &str) -> String {
        let found = async {
            while let Some(line) = self.next().await {
                if line.contains(text) {
                    return Some(line);
                }
            }
            None
        };
        let found = tokio::time::timeout(PATIENCE, found).await.ok().flatten();
        found.unwrap_or_else(|| panic!("`{text}` was not said, but:\n{}", self.seen))
    }

    /// Everything that it said, once it says no more.
    async fn rest(&mut self) -> String {
        while self.next().await.is_some() {}
        std::mem::take(&mut self.seen)
    }
}
