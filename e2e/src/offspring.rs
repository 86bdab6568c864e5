//! Processes that the agent starts, and ways not to end.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hook::consts::SIGTERM;

use crate::script::How;

/// Starts a process and waits until it lives as it should.
pub(crate) fn spawn(how: How, role: &str, marker: &str) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let mut command = new_command(&program);
    match how {
        How::Child | How::Holding => command.args(["--become", role, "--marker", marker]),
        How::Detached | How::Cleared => command.args(["--become", "parent", "--child", role, "--marker", marker]),
    };
    if how == How::Cleared {
        command.env_clear();
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command.stdout(if how == How::Holding { Stdio::inherit() } else { Stdio::null() });
    let mut child = command.spawn()?;
    let mut ready = [0];
    child.stderr.take().map_or(Ok(()), |mut stderr| stderr.read_exact(&mut ready))?;
    if matches!(how, How::Detached | How::Cleared) {
        child.wait()?;
    }
    Ok(())
}

/// Runs a command line to its end: what it printed to both outputs, and its exit code.
pub(crate) fn shell(line: &str) -> io::Result<Value> {
    let line = format!("exec 2>&1; {line}");
    let ended = new_command(Path::new("/bin/sh")).args(["-c", &line]).stdin(Stdio::null()).output()?;
    Ok(json!({"output": String::from_utf8_lossy(&ended.stdout), "code": ended.status.code()}))
}

/// What a shell prints when it is told to run `words`.
pub(crate) fn run(words: &str) -> io::Result<String> {
    let ended = new_command(Path::new("/bin/sh")).args(["-c", words]).stdin(Stdio::null()).output()?;
    Ok(String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned())
}

/// The life of a process that was started by [`spawn`].
pub(crate) fn live(role: &str) -> ExitCode {
    match role {
        "parent" => return give_birth().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        "stubborn" => ignore_term(),
        _ => {}
    }
    eprint!(".");
    sleep_forever();
    ExitCode::SUCCESS
}

/// In a session of its own, starts the process that it was told to, and leaves it without a parent.
fn give_birth() -> io::Result<()> {
    rustix::process::setsid()?;
    let arguments = std::env::args().skip_while(|argument| argument != "--child").skip(1);
    new_command(&std::env::current_exe()?).arg("--become").args(arguments).spawn().map(drop)
}

#[expect(clippy::disallowed_methods, reason = "being ended with all it has started is what this program is for")]
fn new_command(program: &Path) -> Command {
    Command::new(program)
}

pub(crate) fn ignore_term() {
    // Whatever the handler does, the process does not end.
    if let Err(error) = signal_hook::flag::register(SIGTERM, Arc::new(AtomicBool::new(false))) {
        eprintln!("SIGTERM can't be ignored: {error}");
    }
}

#[expect(clippy::disallowed_methods, reason = "this program has nothing else to do meanwhile")]
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

pub(crate) fn sleep_forever() {
    loop {
        sleep(Duration::from_secs(3600));
    }
}
