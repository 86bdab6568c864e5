//! The commands of a script, one a line. Everything that is not a command is said back.
//!
//! ```text
//! text WORDS              says so
//! fail WORDS              ends the turn with an error
//! silent                  (anywhere) says nothing at its start
//! session NAME            (anywhere) calls its session so
//! report                  says its arguments, environment and directory, as JSON
//! sleep 500ms | 2s        does nothing for so long
//! hang                    does nothing for ever
//! linger                  gives its result and never leaves
//! flood 50MB | forever    prints so much, in lines of a thousand bytes
//! line 20MB               says one very long line
//! garbage                 prints what is neither text nor JSON
//! half-line               prints half a result line and leaves with 0
//! exit N                  leaves with N and without a result
//! stderr WORDS            prints to standard error
//! ignore-term             does not react to SIGTERM from now on
//! write PATH WORDS        writes a file
//! remove PATH             removes a file
//! shell COMMAND           runs a command line, and says what it printed and how it ended, as JSON
//! run WORDS               has a shell run them, and says what they print
//! print WORDS             the same, printed as it is, a few bytes at a time
//! complain WORDS          the same to standard error
//! connect ADDRESS         says what is to be read there over TCP, or why nothing is
//! take 200MB              takes so much memory, and keeps it
//! spawn HOW ROLE MARKER   starts a process: HOW is child | holding (it shares standard output) | detached (in a
//!                         session of its own, without a parent) | cleared (detached, without an environment); ROLE is
//!                         sleeper | stubborn (ignores SIGTERM); MARKER shows in its arguments
//! ```

use std::path::PathBuf;
use std::time::Duration;

/// One command of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Text(String),
    Fail(String),
    Silent,
    Session(String),
    Report,
    Sleep(Duration),
    Hang,
    Linger,
    Flood(Option<usize>),
    Line(usize),
    Garbage,
    HalfLine,
    Exit(u8),
    Stderr(String),
    IgnoreTerm,
    Write(PathBuf, String),
    Remove(PathBuf),
    Shell(String),
    Run(String),
    Print(String),
    Complain(String),
    Connect(String),
    Take(usize),
    Spawn(How, String, String),
}

/// How a process is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Child,
    Holding,
    Detached,
    Cleared,
}

/// The commands of a prompt.
pub(crate) fn parse(prompt: &str) -> Vec<Command> {
    let lines = prompt.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| command(line).unwrap_or_else(|| Command::Text(format!("You said: {line}")))).collect()
}

fn command(line: &str) -> Option<Command> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Some(match word {
        "text" => Command::Text(rest.to_owned()),
        "fail" => Command::Fail(rest.to_owned()),
        "silent" => Command::Silent,
        "session" => Command::Session(rest.to_owned()),
        "report" => Command::Report,
        "sleep" => Command::Sleep(duration(rest)?),
        "hang" => Command::Hang,
        "linger" => Command::Linger,
        "flood" if rest == "forever" => Command::Flood(None),
        "flood" => Command::Flood(Some(size(rest)?)),
        "line" => Command::Line(size(rest)?),
        "garbage" => Command::Garbage,
        "half-line" => Command::HalfLine,
        "exit" => Command::Exit(rest.parse().ok()?),
        "stderr" => Command::Stderr(rest.to_owned()),
        "ignore-term" => Command::IgnoreTerm,
        "write" => rest.split_once(' ').map(|(path, text)| Command::Write(path.into(), format!("{text}\n")))?,
        "remove" => Command::Remove(rest.into()),
        "shell" => Command::Shell(rest.to_owned()),
        "run" => Command::Run(rest.to_owned()),
        "print" => Command::Print(rest.to_owned()),
        "complain" => Command::Complain(rest.to_owned()),
        "connect" => Command::Connect(rest.to_owned()),
        "take" => Command::Take(size(rest)?),
        "spawn" => spawn(rest)?,
        _ => return None,
    })
}

fn spawn(rest: &str) -> Option<Command> {
    let mut words = rest.split(' ');
    let how = match words.next()? {
        "child" => How::Child,
        "holding" => How::Holding,
        "detached" => How::Detached,
        "cleared" => How::Cleared,
        _ => return None,
    };
    Some(Command::Spawn(how, words.next()?.to_owned(), words.next()?.to_owned()))
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(millis) = text.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs)
}

fn size(text: &str) -> Option<usize> {
    let (digits, unit) = match (text.strip_suffix("MB"), text.strip_suffix("KB")) {
        (Some(digits), _) => (digits, 1024 * 1024),
        (_, Some(digits)) => (digits, 1024),
        _ => (text.strip_suffix('B')?, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_a_command_a_line_and_anything_else_is_said_back() {
        let script = "text hello there\n\nsleep 500ms\nflood 2MB\nspawn cleared stubborn m1\nwhat is this\nsleep soon";
        assert_eq!(
            parse(script),
            [
                Command::Text("hello there".into()),
                Command::Sleep(Duration::from_millis(500)),
                Command::Flood(Some(2 * 1024 * 1024)),
                Command::Spawn(How::Cleared, "stubborn".into(), "m1".into()),
                Command::Text("You said: what is this".into()),
                Command::Text("You said: sleep soon".into()),
            ]
        );
    }
}
