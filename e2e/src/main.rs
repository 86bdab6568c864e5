//! Stands in for the Claude Code CLI in tests: it does what its prompt tells it, one command a line, and speaks
//! stream-json about it. See [`script`] for the commands.
//!
//! The prompt comes in by standard input, as one NDJSON line with `--input-format stream-json` and as plain text
//! without. With `--script TEXT` it is not read from there at all.

mod offspring;
mod script;
mod speech;

use std::io::{BufRead, Read, Write};
use std::process::ExitCode;

use script::{Command, parse};
use speech::Speech;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).map(String::as_str)
    };
    if arguments.iter().any(|argument| argument == "--version") {
        println!("2.1.197 (Claude Code)");
        return ExitCode::SUCCESS;
    }
    if let Some(role) = option("--become") {
        return offspring::live(role);
    }
    let end = match (option("--script"), option("--input-format")) {
        (Some(script), _) => turn(script),
        (None, Some("stream-json")) => conversation(),
        _ => {
            let mut prompt = String::new();
            std::io::stdin().read_to_string(&mut prompt).map_or(End::Exit(1), |_| turn(&prompt))
        }
    };
    match end {
        End::Turn => ExitCode::SUCCESS,
        End::Exit(code) => ExitCode::from(code),
    }
}

/// How a turn ended.
enum End {
    /// With a result.
    Turn,
    /// With the process.
    Exit(u8),
}

/// Answers each user line, until its input ends.
fn conversation() -> End {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { return End::Exit(1) };
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&line) else {
            eprintln!("Error parsing streaming input line");
            return End::Exit(1);
        };
        match message["type"].as_str() {
            Some("control_request") => speech::control_response(&message["request_id"]),
            Some("user") => {
                if let End::Exit(code) = turn(&speech::prompt_of(&message)) {
                    return End::Exit(code);
                }
            }
            _ => {}
        }
    }
    End::Turn
}

fn turn(prompt: &str) -> End {
    let commands = parse(prompt);
    let session = commands.iter().find_map(|command| match command {
        Command::Session(name) => Some(name.as_str()),
        _ => None,
    });
    let mut speech = Speech::of(session);
    if !commands.contains(&Command::Silent) {
        speech.init();
    }
    for command in commands {
        if let Some(end) = perform(command, &mut speech) {
            return end;
        }
    }
    speech.result();
    End::Turn
}

fn perform(command: Command, speech: &mut Speech) -> Option<End> {
    match command {
        Command::Silent | Command::Session(_) => {}
        Command::Text(text) => speech.text(&text),
        Command::Fail(text) => speech.fail(&text),
        Command::Sleep(time) => offspring::sleep(time),
        Command::Hang => offspring::sleep_forever(),
        Command::IgnoreTerm => offspring::ignore_term(),
        Command::Flood(bytes) => speech::flood(bytes),
        Command::Line(bytes) => speech.text(&"x".repeat(bytes)),
        Command::Garbage => speech::raw(b"\x00\xff\xfe\x1b[31m\xc3(\n{\"type\":\n\n"),
        Command::HalfLine => {
            speech::raw(br#"{"type":"result","subtype":"succ"#);
            return Some(End::Exit(0));
        }
        Command::Stderr(text) => eprintln!("{text}"),
        Command::Exit(code) => return Some(End::Exit(code)),
        Command::Linger => {
            speech.result();
            offspring::sleep_forever();
        }
        Command::Report => speech.text(&speech::report().to_string()),
        Command::Write(path, text) => say_if_wrong(speech, std::fs::write(path, text)),
        Command::Remove(path) => say_if_wrong(speech, std::fs::remove_file(path)),
        Command::Shell(line) => match offspring::shell(&line) {
            Ok(said) => speech.text(&said.to_string()),
            Err(error) => speech.fail(&error.to_string()),
        },
        Command::Run(words) => speech.text(&offspring::run(&words).unwrap_or_else(|error| error.to_string())),
        Command::Print(words) => {
            let printed = offspring::run(&words).unwrap_or_else(|error| error.to_string());
            bit_by_bit(&mut std::io::stdout(), &printed);
        }
        Command::Complain(words) => {
            let printed = offspring::run(&words).unwrap_or_else(|error| error.to_string());
            bit_by_bit(&mut std::io::stderr(), &printed);
        }
        Command::Connect(address) => speech.text(&read_from(&address).unwrap_or_else(|error| error.to_string())),
        Command::Take(bytes) => _ = vec![1_u8; bytes].leak(),
        Command::Spawn(how, role, marker) => say_if_wrong(speech, offspring::spawn(how, &role, &marker)),
    }
    _ = std::io::stdout().flush();
    None
}

/// Whoever reads gets a few bytes each time.
fn bit_by_bit(out: &mut dyn Write, text: &str) {
    for bit in text.as_bytes().chunks(7) {
        _ = out.write_all(bit).and_then(|()| out.flush());
        offspring::sleep(std::time::Duration::from_millis(1));
    }
}

fn read_from(address: &str) -> std::io::Result<String> {
    let mut text = String::new();
    std::net::TcpStream::connect(address)?.read_to_string(&mut text)?;
    Ok(text)
}

fn say_if_wrong(speech: &mut Speech, result: std::io::Result<()>) {
    if let Err(error) = result {
        speech.fail(&error.to_string());
    }
}
