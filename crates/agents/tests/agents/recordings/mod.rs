//! Recordings of real runs (`fixtures/<agent>/<version>/`), and how they, or lines that were made up, are played to a dialogue.

mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use legwork_agents::{Agent, AgentReport, Decoded, Dialogue, Launch, Opening, Order, Setup, find_agent};
use legwork_model::{Exit, McpServer, Task};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) use shown::{events, kinds, show, summary, table};

/// One run.
pub(crate) struct Recording {
    pub(crate) agent: &'static dyn Agent,
    /// Version and case: `2.1.197/text`.
    pub(crate) name: String,
    /// Byte for byte where the run has an `argv`; else a line for each [`Message`].
    pub(crate) stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit: Exit,
    run: Indexed,
}

/// An entry of `index.json`: how the program was started, as far as its dialogue depends on that.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Indexed {
    /// Of the program. A conversation has none: the adapter started it, and both sides of it were recorded.
    argv: Option<Vec<String>>,
    exit_code: i32,
    /// What the task said beyond the default.
    task: Map<String, Value>,
    permission_mode: Option<String>,
    workspace: PathBuf,
    mcp_servers: BTreeMap<String, McpServer>,
    max_retries: u32,
    one_shot: bool,
    waiting: bool,
}

/// A line of a conversation.
#[derive(Deserialize)]
#[serde(tag = "dir", content = "msg")]
enum Message {
    #[serde(rename = "<")]
    FromAgent(Value),
    #[serde(rename = ">")]
    ToAgent(Value),
    #[serde(rename = "!")]
    Order(Value),
}

/// What happens to a dialogue.
pub(crate) enum Step {
    Printed(Vec<u8>),
    Ordered(Order),
}

/// All recordings of an agent, by name.
pub(crate) fn load(agent: &'static dyn Agent) -> Vec<Recording> {
    let mut all: Vec<_> = folders(agent).iter().flat_map(|folder| load_folder(agent, folder)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// The names of the recordings that there are files of.
pub(crate) fn files(agent: &dyn Agent) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in folders(agent) {
        let files = fs::read_dir(&folder).expect("a folder").map(|entry| name_of(&entry.expect("an entry").path()));
        for file in files.filter(|file| file != "index.json") {
            let case = file.strip_suffix(".jsonl").or(file.strip_suffix(".stderr")).expect("a recording");
            names.insert(format!("{}/{case}", name_of(&folder)));
        }
    }
    names
}

fn folders(agent: &dyn Agent) -> Vec<PathBuf> {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(agent.name());
    let entries = fs::read_dir(fixtures).expect("the fixtures").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.is_dir()).collect()
}

fn load_folder(agent: &'static dyn Agent, folder: &Path) -> Vec<Recording> {
    let index = fs::read(folder.join("index.json")).expect("an index");
    let index: BTreeMap<String, Indexed> = serde_json::from_slice(&index).expect("an index");
    let load = |(case, run): (String, Indexed)| Recording {
        agent,
        name: format!("{}/{case}", name_of(folder)),
        stdout: fs::read(folder.join(format!("{case}.jsonl"))).expect("a recording of each case of the index"),
        stderr: fs::read(folder.join(format!("{case}.stderr"))).unwrap_or_default(),
        exit: match run.exit_code {
            code @ ..0 => Exit { code: None, signal: Some(-code) },
            code @ 0.. => exited(code),
        },
        run,
    };
    index.into_iter().map(load).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

pub(crate) fn exited(code: i32) -> Exit {
    Exit { code: Some(code), signal: None }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.agent.name(), self.name)
    }
}

impl Recording {
    pub(crate) fn is_conversation(&self) -> bool {
        self.run.argv.is_none()
    }

    fn start(&self) -> (Launch, Box<dyn Dialogue>) {
        let mut task = serde_json::to_value(Task::default()).expect("JSON");
        task.as_object_mut().expect("an object").extend(self.run.task.clone());
        let task = serde_json::from_value(task).expect("a task");
        let setup = Setup {
            workspace: self.run.workspace.clone(),
            permission_mode: self.run.permission_mode.clone(),
            mcp_servers: self.run.mcp_servers.clone(),
            max_retries: self.run.max_retries,
            one_shot: self.run.one_shot,
            ..Setup::default()
        };
        if self.run.waiting {
            self.agent.waiting(&task, &setup).expect("an agent that can wait")
        } else {
            (self.agent.launch(&task, &setup), self.agent.dialogue(&task, &setup))
        }
    }

    /// A dialogue as it was led when this was recorded.
    pub(crate) fn dialogue(&self) -> Box<dyn Dialogue> {
        self.start().1
    }

    fn messages(&self) -> impl Iterator<Item = Message> {
        let lines = self.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a message"))
    }

    fn steps(&self) -> Vec<Step> {
        if !self.is_conversation() {
            return vec![Step::Printed(self.stdout.clone())];
        }
        let step = |message| match message {
            Message::FromAgent(line) => Some(says(&line.to_string())),
            Message::Order(told) => Some(Step::Ordered(order(&told))),
            Message::ToAgent(_) => None,
        };
        self.messages().filter_map(step).collect()
    }

    /// Plays it in pieces of the given sizes, over and over.
    pub(crate) fn play(&self, sizes: &[usize]) -> (Vec<Decoded>, AgentReport) {
        lead(self.dialogue(), self.steps(), &self.stderr, self.exit, sizes)
    }

    pub(crate) fn whole(&self) -> (Vec<Decoded>, AgentReport) {
        self.play(&[usize::MAX])
    }

    /// What was written to the agent of a conversation when it was recorded, and what would be written now.
    pub(crate) fn inputs(&self) -> (Vec<Value>, Vec<Value>) {
        let recorded = self.messages().filter_map(|message| match message {
            Message::ToAgent(line) => Some(line),
            _ => None,
        });
        let mut written = self.start().0.stdin.bytes;
        for item in self.whole().0 {
            if let Decoded::Input(bytes) = item {
                written.extend(bytes);
            }
        }
        let written = String::from_utf8(written).expect("text");
        (recorded.collect(), written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
    }

    /// Each line of it that means nothing yet, and nothing by itself.
    pub(crate) fn silent_lines(&self) -> Vec<String> {
        let mut silent = Vec::new();
        let mut dialogue = self.dialogue();
        for step in self.steps() {
            let bytes = match step {
                Step::Printed(bytes) => bytes,
                Step::Ordered(order) => {
                    dialogue.order(order, &mut Vec::new());
                    continue;
                }
            };
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let mut decoded = Vec::new();
                dialogue.stdout(line, &mut decoded);
                if !line.ends_with(b"\n") {
                    dialogue.finish(self.exit, &mut decoded);
                }
                if decoded.is_empty() {
                    silent.push(String::from_utf8_lossy(line).into_owned());
                }
            }
        }
        silent
    }
}

fn order(order: &Value) -> Order {
    let text = |field: &str| order[field].as_str().map(str::to_owned);
    if let Some(message) = text("message") {
        Order::Message(message)
    } else if let Some(prompt) = text("begin") {
        let credential = Some(legwork_agents::Credential::ApiKey("KEYLATE".to_owned()));
        let base_url = Some("http://127.0.0.1:8931".to_owned());
        Order::Begin(Box::new(Opening { prompt, credential, base_url, ..Opening::default() }))
    } else if let Some(allowed) = order["decide"].as_bool() {
        Order::Decide { id: text("id").expect("an id"), allowed, reason: String::new() }
    } else {
        assert_eq!(*order, json!("interrupt"));
        Order::Interrupt
    }
}

/// The dialogue with an agent whose task says nothing in particular.
pub(crate) fn dialogue(agent: &str) -> Box<dyn Dialogue> {
    let setup = Setup { max_retries: 2, ..Setup::default() };
    find_agent(agent).expect("the agent").dialogue(&Task::default(), &setup)
}

/// A line that the agent prints.
pub(crate) fn says(line: &str) -> Step {
    Step::Printed(format!("{line}\n").into_bytes())
}

/// Leads a dialogue, of which the agent's part comes in pieces of the given sizes, over and over.
fn lead(
    mut dialogue: Box<dyn Dialogue>,
    steps: Vec<Step>,
    stderr: &[u8],
    exit: Exit,
    sizes: &[usize],
) -> (Vec<Decoded>, AgentReport) {
    let mut decoded = Vec::new();
    for step in steps {
        match step {
            Step::Printed(bytes) => pieces(&bytes, sizes).for_each(|piece| dialogue.stdout(piece, &mut decoded)),
            Step::Ordered(order) => dialogue.order(order, &mut decoded),
        }
    }
    pieces(stderr, sizes).for_each(|piece| dialogue.stderr(piece, &mut decoded));
    let report = dialogue.finish(exit, &mut decoded);
    (decoded, report)
}

/// Leads a dialogue in which nothing is ordered.
pub(crate) fn replay(
    dialogue: Box<dyn Dialogue>,
    stdout: &[u8],
    stderr: &[u8],
    exit: Exit,
    sizes: &[usize],
) -> (Vec<Decoded>, AgentReport) {
    lead(dialogue, vec![Step::Printed(stdout.to_vec())], stderr, exit, sizes)
}

/// Leads a dialogue; shows the orders, and what is written to the agent.
pub(crate) fn written(mut dialogue: Box<dyn Dialogue>, steps: Vec<Step>) -> String {
    let mut decoded = Vec::new();
    let mut shown = String::new();
    for step in steps {
        match step {
            Step::Printed(bytes) => dialogue.stdout(&bytes, &mut decoded),
            Step::Ordered(order) => {
                shown += &format!("# {order:?}\n");
                dialogue.order(order, &mut decoded);
            }
        }
        for item in decoded.drain(..) {
            if let Decoded::Input(bytes) = item {
                shown += &String::from_utf8(bytes).expect("text");
            }
        }
    }
    shown
}

/// Checks kinds and verdict of a process that printed this and ended with exit code 0.
pub(crate) fn check(dialogue: Box<dyn Dialogue>, stdout: &str, expected: &str) {
    let played = replay(dialogue, stdout.as_bytes(), b"", exited(0), &[usize::MAX]);
    let shown: String = stdout.chars().take(300).collect();
    assert_eq!(show(&played), expected, "{shown}");
}

fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
