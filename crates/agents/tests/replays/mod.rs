//! Recorded runs of the real programs (`fixtures/<agent>/<version>`), and what the adapters make of them.
#![expect(clippy::expect_used, reason = "a test may panic, also in its helpers")]
#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use legwork_agents::{AgentReport, Decoded, Dialogue, Setup, find_agent};
use legwork_model::{EventBody, Exit, PermissionPolicy, Task, Verdict};
use serde::Deserialize;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures");

/// What one run printed.
pub struct Recording {
    /// Version and case: `2.1.197/text`.
    pub name: String,
    /// Byte for byte.
    pub stdout: Vec<u8>,
    /// Byte for byte.
    pub stderr: Vec<u8>,
    /// How its process ended.
    pub exit: Exit,
    run: Indexed,
}

/// An entry of `index.json`: how the program was started, as far as its dialogue depends on that.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Indexed {
    exit_code: i32,
    workspace: PathBuf,
    resume: Option<String>,
    fork: bool,
    permission_mode: Option<String>,
    permissions: Option<PermissionPolicy>,
    max_retries: u32,
    one_shot: bool,
    waited: bool,
}

/// All recordings of an agent.
pub struct Recordings {
    agent: &'static str,
    all: Vec<Recording>,
}

impl Recordings {
    /// Reads them, in the order of their names.
    pub fn of(agent: &'static str) -> Self {
        let mut all: Vec<_> = folders(agent).iter().flat_map(|folder| load(folder)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Self { agent, all }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Recording> {
        self.all.iter()
    }

    pub fn all(&self) -> &[Recording] {
        &self.all
    }

    /// The one of that name.
    pub fn named(&self, name: &str) -> &Recording {
        self.all.iter().find(|recording| recording.name == name).expect("a recording of that name")
    }

    /// A dialogue as it was led when `recording` was made.
    pub fn dialogue(&self, recording: &Recording) -> Box<dyn Dialogue> {
        recording.run.dialogue(self.agent)
    }

    /// Decodes a recording in pieces of the given sizes, over and over.
    pub fn replay(&self, recording: &Recording, sizes: &[usize]) -> (Vec<Decoded>, AgentReport) {
        let Recording { stdout, stderr, exit, .. } = recording;
        replay(self.dialogue(recording), stdout, stderr, *exit, sizes)
    }

    pub fn whole(&self, recording: &Recording) -> (Vec<Decoded>, AgentReport) {
        self.replay(recording, &[usize::MAX])
    }

    /// A few lines for each recording: the kinds of its events, and the report.
    pub fn overview(&self) -> String {
        let rows = self.iter().map(|recording| {
            let (decoded, report) = self.whole(recording);
            let exit = recording.exit.code.map_or("killed".to_owned(), |code| format!("exit {code}"));
            format!("{} ({exit})\n    {}\n    {}\n", recording.name, kinds(&decoded), summary(&report))
        });
        rows.collect()
    }

    /// The whole events of a recording, one JSON object a line, and the report.
    pub fn in_full(&self, name: &str) -> String {
        let (decoded, report) = self.whole(self.named(name));
        let lines = decoded.iter().map(|item| match item {
            Decoded::Event(event) => serde_json::to_string(event).expect("JSON"),
            Decoded::TurnEnded => "--- turn ended".to_owned(),
            Decoded::TurnStarted => "--- turn started".to_owned(),
            Decoded::GiveUp(failure) => format!("--- gives up: {}", failure.message),
            Decoded::Ready => "--- ready".to_owned(),
            Decoded::Input(bytes) => format!("--- input: {}", String::from_utf8_lossy(bytes).trim_end()),
        });
        format!("{}\n{report:#?}", lines.collect::<Vec<_>>().join("\n"))
    }

    /// Every file of the fixtures is a recording that is known.
    pub fn check_index(&self) {
        for folder in folders(self.agent) {
            let files = fs::read_dir(&folder).expect("a folder").map(|entry| name_of(&entry.expect("an entry").path()));
            let stem = |file: &str| file.strip_suffix(".jsonl").or(file.strip_suffix(".stderr")).map(str::to_owned);
            let cases = files.filter(|file| file != "index.json").map(|file| stem(&file).expect("a recording"));
            let known = load(&folder).into_iter().map(|recording| name_of(Path::new(&recording.name)));
            assert_eq!(cases.collect::<BTreeSet<_>>(), known.collect());
        }
    }

    /// Byte by byte gives the same as all at once.
    pub fn check_bytewise(&self) {
        for recording in self.iter() {
            assert!(self.replay(recording, &[1]) == self.whole(recording), "{} differs", recording.name);
        }
    }

    /// Every line means something, but for those that `silent` knows to tell nothing.
    pub fn check_lines(&self, silent: impl Fn(&str) -> bool) {
        for recording in self.iter() {
            let mut dialogue = self.dialogue(recording);
            for line in recording.stdout.split_inclusive(|byte| *byte == b'\n') {
                let mut decoded = Vec::new();
                dialogue.stdout(line, &mut decoded);
                if !line.ends_with(b"\n") {
                    dialogue.finish(recording.exit, &mut decoded);
                }
                let text = String::from_utf8_lossy(line);
                assert!(!decoded.is_empty() || silent(&text), "{}: {text}", recording.name);
            }
        }
    }
}

impl Indexed {
    fn dialogue(&self, agent: &str) -> Box<dyn Dialogue> {
        let agent = find_agent(agent).expect("the agent");
        let task = Task {
            resume_session: self.resume.clone(),
            fork_session: self.fork,
            permissions: self.permissions.clone(),
            ..Task::default()
        };
        let setup = Setup {
            workspace: self.workspace.clone(),
            permission_mode: self.permission_mode.clone(),
            max_retries: self.max_retries,
            one_shot: self.one_shot,
            ..Setup::default()
        };
        match agent.waiting(&task, &setup).filter(|_| self.waited) {
            Some((_, dialogue)) => dialogue,
            None => agent.dialogue(&task, &setup),
        }
    }
}

/// The dialogue with an agent whose task and setup say nothing in particular.
pub fn dialogue(agent: &str) -> Box<dyn Dialogue> {
    Indexed { max_retries: 2, ..Indexed::default() }.dialogue(agent)
}

fn folders(agent: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(FIXTURES).join(agent)).expect("the fixtures");
    entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir()).collect()
}

fn load(folder: &Path) -> Vec<Recording> {
    let index = fs::read(folder.join("index.json")).expect("an index");
    let index: BTreeMap<String, Indexed> = serde_json::from_slice(&index).expect("an index");
    let load = |(case, run): (String, Indexed)| Recording {
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

/// The end of a process by itself.
pub fn exited(code: i32) -> Exit {
    Exit { code: Some(code), signal: None }
}

/// Leads a dialogue, of which the program's part comes in pieces of the given sizes, over and over.
pub fn replay(
    mut dialogue: Box<dyn Dialogue>,
    stdout: &[u8],
    stderr: &[u8],
    exit: Exit,
    sizes: &[usize],
) -> (Vec<Decoded>, AgentReport) {
    let mut decoded = Vec::new();
    for piece in pieces(stdout, sizes) {
        dialogue.stdout(piece, &mut decoded);
    }
    for piece in pieces(stderr, sizes) {
        dialogue.stderr(piece, &mut decoded);
    }
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
pub fn kinds(decoded: &[Decoded]) -> String {
    let kinds = decoded.iter().map(|item| match item {
        Decoded::Event(EventBody::Message { topic, .. }) => format!("message:{topic}"),
        Decoded::Event(event) => event.kind().to_owned(),
        Decoded::TurnEnded => "|".to_owned(),
        Decoded::TurnStarted => "^".to_owned(),
        Decoded::GiveUp(failure) => format!("--- gives up: {}", failure.message),
        Decoded::Ready => "ready".to_owned(),
        Decoded::Input(_) => "<".to_owned(),
    });
    let kinds: Vec<_> = kinds.collect();
    let groups = kinds.chunk_by(|a, b| a == b).map(|group| match group.len() {
        1 => group[0].clone(),
        many => format!("{}×{many}", group[0]),
    });
    groups.collect::<Vec<_>>().join(" ")
}

/// The report in a line.
pub fn summary(report: &AgentReport) -> String {
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
