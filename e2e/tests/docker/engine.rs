//! The engine of these tests.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Whose engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Docker,
    Podman,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// An engine that ends with this.
pub(crate) struct Engine {
    home: PathBuf,
    /// Ends when it has cleaned up.
    said: BufReader<std::fs::File>,
    /// It goes on for as long as this is open.
    told: Option<std::fs::File>,
}

impl Engine {
    /// Starts one; says why where there can't be one. Its image has those programs of this machine besides.
    pub(crate) fn start(kind: Kind, programs: &[&str]) -> Result<Self, String> {
        let home = tempfile::tempdir().expect("a folder").keep();
        let (input, told) = rustix::pipe::pipe().expect("a pipe");
        let (said, output) = rustix::pipe::pipe().expect("a pipe");
        for end in [rustix::fd::AsFd::as_fd(&told), rustix::fd::AsFd::as_fd(&said)] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC).expect("set");
        }
        begin(kind, &home, programs, input, output);
        let mut engine = Self { home, said: BufReader::new(said.into()), told: Some(told.into()) };
        match engine.next_word() {
            word if word == "ready" => Ok(engine),
            word => Err(word.trim_start_matches("SKIPPED ").to_owned()),
        }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.home.join("docker.sock")
    }

    /// Kills it, as a crash would, and starts it anew.
    pub(crate) fn crash(&mut self) {
        self.told.as_mut().expect("it runs").write_all(b"\n").expect("told");
    }

    /// Waits until it runs again.
    pub(crate) fn until_ready(&mut self) {
        assert_eq!(self.next_word(), "ready");
    }

    fn next_word(&mut self) -> String {
        let mut word = String::new();
        self.said.read_line(&mut word).expect("it says something");
        word.trim().to_owned()
    }

    /// What the engine's own client says.
    #[expect(clippy::disallowed_methods, reason = "it is asked beside what is tested")]
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("docker");
        command.args(arguments).env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        let Output { status, stdout, stderr } = command.output().expect("it runs");
        assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8_lossy(&stdout).trim().to_owned()
    }

    /// The containers that there are.
    pub(crate) fn containers(&self) -> Vec<String> {
        self.docker(&["ps", "--all", "--quiet"]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.told = None;
        let mut rest = String::new();
        while self.said.read_line(&mut rest).is_ok_and(|read| read > 0) {}
    }
}

/// By a shell that leaves at once, so that the engine is nobody's child before a runner takes up what is nobody's.
#[expect(clippy::disallowed_methods, reason = "an engine is no run")]
fn begin(kind: Kind, home: &Path, programs: &[&str], input: OwnedFd, output: OwnedFd) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker/engine.sh");
    let log = OpenOptions::new().create(true).append(true).open(home.join("script.log")).expect("a log");
    let begun = Command::new("/bin/sh")
        .args(["-c", "exec 3<&0; setsid \"$@\" <&3 3<&- &", "begin"])
        .arg(script)
        .arg(kind.name())
        .arg(home)
        .arg(env!("CARGO_BIN_EXE_scripted-agent"))
        .args(programs)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(log))
        .status();
    assert!(begun.expect("a shell").success());
}
