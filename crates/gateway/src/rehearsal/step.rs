//! One step of a script: what it can be, and how it is written.
//!
//! A step is written `name` or `name: argument`. A prompt wraps it in double square brackets (see
//! [`directive`](super::directive)), a script file lists it as a string.

use std::time::Duration;

use serde_json::{Map, Value};

/// The longest text that [`Step::Long`] gives, in characters.
const LONGEST_TEXT: usize = 10_000_000;

/// The longest time that [`Step::Slow`] takes.
const SLOWEST: Duration = Duration::from_secs(3600);

/// Every step: its name, and what it is to look like.
const FORMS: [(&str, &str); 15] = [
    ("bash", "`bash: COMMAND`"),
    ("cut", "`cut` or `cut: x1`"),
    ("edit", "`edit: PATH | OLD | NEW`"),
    ("error", "`error: 429` or `error: 429 x2`, with a status from 400 to 599"),
    ("hang", "`hang` or `hang: x1`"),
    ("long", "`long: 300000`, a number of characters up to 10000000"),
    ("loop", "`loop: Bash COMMAND` or `loop: NAME | {JSON object}`"),
    ("read", "`read: PATH`"),
    ("say", "`say: TEXT`"),
    ("slow", "`slow: 5s` or `slow: 500ms`, up to an hour"),
    ("think", "`think: TEXT`"),
    ("tool", "`tool: NAME | {JSON object}`"),
    ("truncate", "`truncate`"),
    ("usage", "`usage: INPUT_TOKENS OUTPUT_TOKENS`"),
    ("write", "`write: PATH | CONTENT`"),
];

/// What the rehearsal model does next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Says a text.
    Say(String),
    /// Thinks a text.
    Think(String),
    /// Says one token every tenth of a second, for so long.
    Slow(Duration),
    /// Says a text of so many characters.
    Long(usize),
    /// Calls a tool; the next step comes after the tool's result.
    Call(Call),
    /// Calls a tool again and again, for ever.
    Loop(Call),
    /// Goes wrong: always, or the first so many times that this answer is asked for.
    Mishap(Mishap, Option<u32>),
    /// Ends the answer as if it had grown too long.
    Truncate,
    /// Reports these numbers of tokens for the answer.
    Usage(TokenCounts),
}

/// A tool to call, in words that are the same for every agent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Bash {
        command: String,
    },
    Write {
        path: String,
        content: String,
    },
    Edit {
        path: String,
        old: String,
        new: String,
    },
    Read {
        path: String,
    },
    /// Any tool, by the agent's own name and with the agent's own input.
    Tool {
        name: String,
        input: Map<String, Value>,
    },
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The API answers with this HTTP status (400 to 599).
    Error(u16),
    /// Nothing more comes, and the connection stays open.
    Hang,
    /// The connection is cut.
    Cut,
}

/// How many tokens an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenCounts {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// Why a text is not a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepError {
    #[error("there is no step `{name}`; did you mean `{nearest}`?")]
    Unknown { name: String, nearest: &'static str },
    #[error("`{given}` is not complete or not right; write {form}")]
    Malformed { given: String, form: &'static str },
}

impl Step {
    /// Whether `name` is the name of a step.
    pub(crate) fn is_name(name: &str) -> bool {
        form_of(name).is_some()
    }

    /// Reads `name` or `name: argument`.
    pub(crate) fn parse(text: &str) -> Result<Self, StepError> {
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        let (name, argument) = (name.trim(), argument.trim());
        let Some(form) = form_of(name) else {
            return Err(StepError::Unknown { name: shortened(name, 40), nearest: nearest_name(name) });
        };
        read(name, argument).ok_or_else(|| StepError::Malformed { given: shortened(text.trim(), 80), form })
    }
}

fn form_of(name: &str) -> Option<&'static str> {
    FORMS.iter().find(|(known, _)| *known == name).map(|(_, form)| *form)
}

fn nearest_name(name: &str) -> &'static str {
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    FORMS.iter().map(|(known, _)| *known).max_by(|a, b| likeness(a).total_cmp(&likeness(b))).unwrap_or("say")
}

fn read(name: &str, argument: &str) -> Option<Step> {
    Some(match name {
        "bash" => Step::Call(Call::Bash { command: filled(argument)? }),
        "cut" => Step::Mishap(Mishap::Cut, times(argument)?),
        "edit" => Step::Call(edit(argument)?),
        "error" => error(argument)?,
        "hang" => Step::Mishap(Mishap::Hang, times(argument)?),
        "long" => Step::Long(argument.parse().ok().filter(|length| (1..=LONGEST_TEXT).contains(length))?),
        "loop" => Step::Loop(looped(argument)?),
        "read" => Step::Call(Call::Read { path: filled(argument)? }),
        "say" => Step::Say(filled(argument)?),
        "slow" => Step::Slow(duration(argument)?),
        "think" => Step::Think(filled(argument)?),
        "tool" => Step::Call(tool(argument)?),
        "truncate" => argument.is_empty().then_some(Step::Truncate)?,
        "usage" => Step::Usage(token_counts(argument)?),
        "write" => Step::Call(write(argument)?),
        _ => return None,
    })
}

fn filled(argument: &str) -> Option<String> {
    (!argument.is_empty()).then(|| argument.to_owned())
}

fn write(argument: &str) -> Option<Call> {
    let (path, content) = argument.split_once('|')?;
    Some(Call::Write { path: filled(path.trim())?, content: content.trim().to_owned() })
}

fn edit(argument: &str) -> Option<Call> {
    let (path, change) = argument.split_once('|')?;
    let (old, new) = change.split_once('|')?;
    Some(Call::Edit { path: filled(path.trim())?, old: filled(old.trim())?, new: new.trim().to_owned() })
}

fn tool(argument: &str) -> Option<Call> {
    let (name, input) = argument.split_once('|')?;
    Some(Call::Tool { name: filled(name.trim())?, input: serde_json::from_str(input).ok()? })
}

fn looped(argument: &str) -> Option<Call> {
    match argument.split_once(char::is_whitespace) {
        Some(("Bash", command)) if !command.trim_start().starts_with('|') => {
            Some(Call::Bash { command: filled(command.trim())? })
        }
        _ => tool(argument),
    }
}

fn error(argument: &str) -> Option<Step> {
    let (status, repeats) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let status = status.parse().ok().filter(|status| (400..=599).contains(status))?;
    Some(Step::Mishap(Mishap::Error(status), times(repeats.trim())?))
}

/// `x3` is three times, nothing is always.
fn times(argument: &str) -> Option<Option<u32>> {
    if argument.is_empty() {
        return Some(None);
    }
    let count = argument.strip_prefix('x')?.parse().ok().filter(|count| *count > 0)?;
    Some(Some(count))
}

fn duration(argument: &str) -> Option<Duration> {
    let duration = match argument.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().ok()?),
        None => Duration::from_secs(argument.strip_suffix('s')?.parse().ok()?),
    };
    (duration <= SLOWEST).then_some(duration)
}

fn token_counts(argument: &str) -> Option<TokenCounts> {
    let (input, output) = argument.split_once(char::is_whitespace)?;
    Some(TokenCounts { input: input.parse().ok()?, output: output.trim().parse().ok()? })
}

/// The first `limit` characters of `text`, with `…` where there were more.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_reads() {
        let bash = |command: &str| Call::Bash { command: command.to_owned() };
        for (text, step) in [
            ("bash: echo hi > hello.txt", Step::Call(bash("echo hi > hello.txt"))),
            ("bash:ls | wc -l", Step::Call(bash("ls | wc -l"))),
            ("cut", Step::Mishap(Mishap::Cut, None)),
            ("cut: x1", Step::Mishap(Mishap::Cut, Some(1))),
            ("error: 429", Step::Mishap(Mishap::Error(429), None)),
            ("error: 529  x12", Step::Mishap(Mishap::Error(529), Some(12))),
            ("hang", Step::Mishap(Mishap::Hang, None)),
            ("long: 300000", Step::Long(300_000)),
            ("loop: Bash true", Step::Loop(bash("true"))),
            ("loop: Bash ls | wc -l", Step::Loop(bash("ls | wc -l"))),
            ("read: a b.txt", Step::Call(Call::Read { path: "a b.txt".into() })),
            ("say: 12:30, or later", Step::Say("12:30, or later".into())),
            ("slow: 5s", Step::Slow(Duration::from_secs(5))),
            ("slow: 250ms", Step::Slow(Duration::from_millis(250))),
            ("think: hm", Step::Think("hm".into())),
            ("truncate", Step::Truncate),
            ("usage: 1200 25", Step::Usage(TokenCounts { input: 1200, output: 25 })),
            ("write: n.md | # A | B", Step::Call(Call::Write { path: "n.md".into(), content: "# A | B".into() })),
            ("write: empty |", Step::Call(Call::Write { path: "empty".into(), content: String::new() })),
            (
                "edit: f | old | new | newer",
                Step::Call(Call::Edit { path: "f".into(), old: "old".into(), new: "new | newer".into() }),
            ),
        ] {
            assert_eq!(Step::parse(text), Ok(step), "{text}");
        }
    }

    #[test]
    fn every_step_is_documented() {
        let page = include_str!("../../../../docs/rehearsal.md");
        for (name, _) in FORMS {
            assert!(page.contains(&format!("| `[[{name}")), "docs/rehearsal.md has no row for `{name}`");
        }
    }

    #[test]
    fn a_tool_takes_its_input_as_json() {
        let input = Map::from_iter([("a".to_owned(), Value::from(1))]);
        let call = Call::Tool { name: "Bash".into(), input };
        assert_eq!(Step::parse(r#"tool: Bash | {"a":1}"#), Ok(Step::Call(call.clone())));
        assert_eq!(Step::parse(r#"loop: Bash | {"a":1}"#), Ok(Step::Loop(call)));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (text, message) in [
            ("bsh: ls", "there is no step `bsh`; did you mean `bash`?"),
            ("wirte: a | b", "there is no step `wirte`; did you mean `write`?"),
            ("bash", "`bash` is not complete or not right; write `bash: COMMAND`"),
            ("write: a", "`write: a` is not complete or not right; write `write: PATH | CONTENT`"),
            ("edit: a | b", "`edit: a | b` is not complete or not right; write `edit: PATH | OLD | NEW`"),
            ("tool: T | [1]", "`tool: T | [1]` is not complete or not right; write `tool: NAME | {JSON object}`"),
            ("slow: 5", "`slow: 5` is not complete or not right; write `slow: 5s` or `slow: 500ms`, up to an hour"),
            ("truncate: 5", "`truncate: 5` is not complete or not right; write `truncate`"),
            ("cut: 1", "`cut: 1` is not complete or not right; write `cut` or `cut: x1`"),
        ] {
            assert_eq!(Step::parse(text).unwrap_err().to_string(), message);
        }
        for text in
            ["error: 200", "error: 600", "error: 429 x0", "error: 429 2", "long: 0", "long: 10000001", "slow: 2h"]
        {
            assert!(matches!(Step::parse(text), Err(StepError::Malformed { .. })), "{text}");
        }
    }
}
