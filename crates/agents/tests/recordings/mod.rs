//! Recordings of real runs (`fixtures/<agent>/<version>/`), how they are played to a dialogue, and how what came out is shown.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use legwork_agents::{Agent, AgentReport, Decoded, Dialogue, Launch, Opening, Order, Setup, find_agent};
use legwork_model::{EventBody, Exit, Limits, McpServer, Task, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};

/// One run.
pub(crate) struct Recording {
    pub(crate) agent: &'static dyn Agent,
    /// Version and case: `2.1.197/text`.
    pub(crate) name: String,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) exit: Exit,
    pub(crate) conversation: Option<Conversation>,
}

/// An entry of `index.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Indexed {
    exit_code: i32,
    #[serde(default)]
    conversation: Option<Conversation>,
}

/// What a conversation was about. Its recording has a line for each message: `{"dir":"<","msg":…}` from the agent, `>` to it,
/// `!` for an order that was given there.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversation {
    task: Value,
    #[serde(default)]
    mode: Option<String>,
    workspace: PathBuf,
    #[serde(default)]
    mcp_servers: BTreeMap<String, McpServer>,
    #[serde(default)]
    waiting: bool,
}

#[derive(Deserialize)]
struct Message {
    dir: String,
    msg: Value,
}

impl Conversation {
    pub(crate) fn task(&self) -> Task {
        let mut task = self.task.clone();
        task["limits"] = serde_json::to_value(Limits::default()).expect("JSON");
        serde_json::from_value(task).expect("a task")
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup {
            workspace: self.workspace.clone(),
            permission_mode: self.mode.clone(),
            mcp_servers: self.mcp_servers.clone(),
            ..Setup::default()
        }
    }

    fn start(&self, agent: &dyn Agent) -> (Launch, Box<dyn Dialogue>) {
        let (task, setup) = (self.task(), self.setup());
        if self.waiting {
            agent.waiting(&task, &setup).expect("an agent that can wait")
        } else {
            (agent.launch(&task, &setup), agent.dialogue(&task, &setup))
        }
    }
}

/// All recordings of an agent, by name.
pub(crate) fn load(agent: &str) -> Vec<Recording> {
    let found = find_agent(agent).expect("the agent");
    let mut all: Vec<_> = folders(agent).iter().flat_map(|folder| load_folder(found, folder)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn folders(agent: &str) -> Vec<PathBuf> {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(agent);
    let entries = fs::read_dir(fixtures).expect("the fixtures").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.is_dir()).collect()
}

fn load_folder(agent: &'static dyn Agent, folder: &Path) -> Vec<Recording> {
    let index = fs::read(folder.join("index.json")).expect("an index");
    let index: BTreeMap<String, Indexed> = serde_json::from_slice(&index).expect("an index");
    let load = |(case, Indexed { exit_code, conversation })| Recording {
        agent,
        name: format!("{}/{case}", name_of(folder)),
        stdout: fs::read(folder.join(format!("{case}.jsonl"))).expect("a recording of each case of the index"),
        stderr: fs::read(folder.join(format!("{case}.stderr"))).unwrap_or_default(),
        exit: match exit_code {
            ..0 => Exit { code: None, signal: Some(-exit_code) },
            0.. => exited(exit_code),
        },
        conversation,
    };
    index.into_iter().map(load).collect()
}

/// That no file is left out of the tests.
pub(crate) fn every_file_is_in_an_index(agent: &str) {
    for folder in folders(agent) {
        let files = fs::read_dir(&folder).expect("a folder").map(|entry| name_of(&entry.expect("an entry").path()));
        let stem = |file: &str| file.strip_suffix(".jsonl").or(file.strip_suffix(".stderr")).map(str::to_owned);
        let cases = files.filter(|file| file != "index.json").map(|file| stem(&file).expect("a recording"));
        let known = load_folder(find_agent(agent).expect("the agent"), &folder);
        let known = known.into_iter().map(|recording| name_of(Path::new(&recording.name)));
        assert_eq!(cases.collect::<BTreeSet<_>>(), known.collect());
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

pub(crate) fn exited(code: i32) -> Exit {
    Exit { code: Some(code), signal: None }
}

impl Recording {
    fn messages(&self) -> Vec<Message> {
        let lines = self.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a message")).collect()
    }

    /// Plays it in pieces of the given sizes, over and over.
    pub(crate) fn play(&self, sizes: &[usize]) -> (Vec<Decoded>, AgentReport) {
        match &self.conversation {
            Some(conversation) => self.converse(conversation, sizes),
            None => {
                let dialogue = self.agent.dialogue(&Task::default(), &Setup::default());
                replay(dialogue, &self.stdout, &self.stderr, self.exit, sizes)
            }
        }
    }

    fn converse(&self, conversation: &Conversation, sizes: &[usize]) -> (Vec<Decoded>, AgentReport) {
        let (_, mut dialogue) = conversation.start(self.agent);
        let mut decoded = Vec::new();
        for message in self.messages() {
            match message.dir.as_str() {
                "<" => {
                    let line = format!("{}\n", message.msg);
                    pieces(line.as_bytes(), sizes).for_each(|piece| dialogue.stdout(piece, &mut decoded));
                }
                "!" => dialogue.order(order(&message.msg), &mut decoded),
                _ => {}
            }
        }
        pieces(&self.stderr, sizes).for_each(|piece| dialogue.stderr(piece, &mut decoded));
        let report = dialogue.finish(self.exit, &mut decoded);
        (decoded, report)
    }

    pub(crate) fn whole(&self) -> (Vec<Decoded>, AgentReport) {
        self.play(&[usize::MAX])
    }

    /// What was written to the agent when it was recorded, and what would be written now.
    pub(crate) fn inputs(&self) -> Option<(Vec<Value>, Vec<Value>)> {
        let conversation = self.conversation.as_ref()?;
        let recorded = self.messages().into_iter().filter(|message| message.dir == ">").map(|message| message.msg);
        let mut written = conversation.start(self.agent).0.stdin.bytes;
        for item in self.whole().0 {
            if let Decoded::Input(bytes) = item {
                written.extend(bytes);
            }
        }
        let written = String::from_utf8(written).expect("text");
        Some((recorded.collect(), written.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()))
    }

    /// Each line of it that means nothing yet, and nothing by itself.
    pub(crate) fn silent_lines(&self) -> Vec<Value> {
        let mut silent = Vec::new();
        let mut dialogue = match &self.conversation {
            Some(conversation) => conversation.start(self.agent).1,
            None => self.agent.dialogue(&Task::default(), &Setup::default()),
        };
        let lines: Vec<(String, Value)> = match &self.conversation {
            Some(_) => self.messages().into_iter().map(|message| (message.dir, message.msg)).collect(),
            None => self
                .stdout
                .split(|byte| *byte == b'\n')
                .filter_map(|line| Some(("<".to_owned(), serde_json::from_slice(line).ok()?)))
                .collect(),
        };
        for (dir, line) in lines {
            let mut decoded = Vec::new();
            match dir.as_str() {
                "<" => dialogue.stdout(format!("{line}\n").as_bytes(), &mut decoded),
                "!" => {
                    dialogue.order(order(&line), &mut decoded);
                    continue;
                }
                _ => continue,
            }
            if decoded.is_empty() {
                silent.push(line);
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

/// Decodes in pieces of the given sizes, over and over.
pub(crate) fn replay(
    mut dialogue: Box<dyn Dialogue>,
    stdout: &[u8],
    stderr: &[u8],
    exit: Exit,
    sizes: &[usize],
) -> (Vec<Decoded>, AgentReport) {
    let mut decoded = Vec::new();
    pieces(stdout, sizes).for_each(|piece| dialogue.stdout(piece, &mut decoded));
    pieces(stderr, sizes).for_each(|piece| dialogue.stderr(piece, &mut decoded));
    let report = dialogue.finish(exit, &mut decoded);
    (decoded, report)
}

fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let (piece, rest) = bytes.split_at((*size).min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The kinds in their order, a run of the same as `kind×3`, the end of a turn as `|`.
pub(crate) fn kinds(decoded: &[Decoded]) -> String {
    let kinds = decoded.iter().map(|item| match item {
        Decoded::Event(EventBody::Message { topic, .. }) => format!("message:{topic}"),
        Decoded::Event(event) => event.kind().to_owned(),
        Decoded::TurnEnded => "|".to_owned(),
        Decoded::TurnStarted => "^".to_owned(),
        Decoded::Input(_) => "<".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    });
    let kinds: Vec<_> = kinds.collect();
    let groups = kinds.chunk_by(|a, b| a == b).map(|group| match group.len() {
        1 => group[0].clone(),
        many => format!("{}×{many}", group[0]),
    });
    groups.collect::<Vec<_>>().join(" ")
}

pub(crate) fn summary(report: &AgentReport) -> String {
    let verdict = match &report.verdict {
        Verdict::Failed(failure) => {
            let status = failure.api_status.map_or_else(String::new, |status| format!(" ({status})"));
            format!("failed {}{status}: {}", failure.reason.as_str(), failure.message)
        }
        other => other.state().as_str().to_owned(),
    };
    let result = report.result.as_ref().map(|text| format!("{} bytes of result", text.len()));
    let turns = report.turns.map(|turns| format!("{turns} turns"));
    let cost = report.cost_usd.map(|cost| format!("${}", cost.as_dollars()));
    let usage = report.usage.map(|usage| format!("{} in {} out", usage.input_tokens, usage.output_tokens));
    let parts = [Some(verdict), result, turns, cost, usage];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Kinds and summary of each recording.
pub(crate) fn table(recordings: &[Recording]) -> String {
    let rows = recordings.iter().map(|recording| {
        let (decoded, report) = recording.whole();
        let exit = recording.exit.code.map_or("killed".to_owned(), |code| format!("exit {code}"));
        format!("{} ({exit})\n    {}\n    {}\n", recording.name, kinds(&decoded), summary(&report))
    });
    rows.collect()
}

/// The whole events of a recording, one JSON object a line, and the report.
pub(crate) fn events(recording: &Recording) -> String {
    let (decoded, report) = recording.whole();
    let lines = decoded.iter().map(|item| match item {
        Decoded::Event(event) => serde_json::to_string(event).expect("JSON"),
        Decoded::TurnEnded => "--- turn ended".to_owned(),
        Decoded::TurnStarted => "--- turn started".to_owned(),
        Decoded::Input(bytes) => format!("--- input: {}", String::from_utf8_lossy(bytes)),
        other => format!("--- {}", format!("{other:?}").to_lowercase()),
    });
    format!("{}\n{report:#?}", lines.collect::<Vec<_>>().join("\n"))
}

/// Kinds and verdict in one line.
pub(crate) fn show((decoded, report): &(Vec<Decoded>, AgentReport)) -> String {
    let verdict = match &report.verdict {
        Verdict::Failed(failure) => failure.reason.as_str(),
        other => other.state().as_str(),
    };
    format!("{} -> {verdict}", kinds(decoded))
}
