//! Every recording of every agent, and what holds for all of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use legwork_agents::{Decoded, Setup, known_agents};
use legwork_model::{EventBody, Task, Verdict};
use proptest::prelude::*;
use serde_json::Value;

use crate::recordings::{Recording, events, exited, files, load, replay, table};

static RECORDINGS: LazyLock<BTreeMap<&str, Vec<Recording>>> =
    LazyLock::new(|| known_agents().iter().map(|agent| (agent.name(), load(*agent))).collect());

fn all() -> impl Iterator<Item = &'static Recording> {
    RECORDINGS.values().flatten()
}

fn recording(agent: &str, name: &str) -> &'static Recording {
    RECORDINGS[agent].iter().find(|recording| recording.name == name).expect("a recording of that name")
}

#[test]
fn every_recording() {
    for (agent, recordings) in &*RECORDINGS {
        insta::assert_snapshot!(format!("every-recording-of-{agent}"), table(recordings));
    }
}

#[test]
fn every_file_is_in_an_index() {
    for agent in known_agents() {
        let known = RECORDINGS[agent.name()].iter().map(|recording| recording.name.clone()).collect();
        assert_eq!(files(*agent), known, "{}", agent.name());
    }
}

#[test]
fn the_events_in_full() {
    for (agent, name) in [
        ("claude-code", "2.1.197/text"),
        ("claude-code", "2.1.197/edit-tool"),
        ("claude-code", "2.1.197/err-429-maxretries2"),
        ("claude-code", "2.1.197/max-turns"),
        ("claude-code", "2.1.197/max-budget"),
        ("claude-code", "2.1.197/resume-unknown"),
        ("claude-code", "2.1.197/sj-can-use-tool-allow"),
        ("claude-code", "2.1.197/sj-two-turns"),
        ("claude-code", "2.1.197/subagent"),
        ("claude-code", "2.1.329/denied"),
        ("claude-code", "2.1.329/resume"),
        ("claude-code", "2.1.329/tool-bash"),
        ("codex", "0.169.0/tool-bash"),
        ("codex", "0.169.0/think"),
        ("codex", "0.169.0/edit"),
        ("codex", "0.169.0/mcp"),
        ("codex", "0.169.0/mcp-policy"),
        ("codex", "0.169.0/policy-deny"),
        ("codex", "0.169.0/ask-allowed"),
        ("codex", "0.169.0/default-denied"),
        ("codex", "0.169.0/two-turns"),
        ("codex", "0.169.0/interrupt"),
        ("codex", "0.169.0/err-401"),
        ("codex", "0.169.0/err-conn-refused"),
        ("codex", "0.169.0/resume"),
        ("codex", "0.169.0/resume-unknown"),
        ("codex", "0.169.0/warm"),
        ("codex", "0.169.0/exec-tools-danger"),
        ("codex", "0.169.0/exec-err-401"),
        ("codex", "0.169.0/exec-resume"),
        ("copilot", "1.0.102/acp-interrupt"),
        ("copilot", "1.0.102/acp-load"),
        ("copilot", "1.0.102/acp-policy"),
        ("copilot", "1.0.102/err-429"),
        ("copilot", "1.0.102/tool-default"),
        ("copilot", "1.0.102/tool-fail"),
        ("cursor", "documented/tools"),
        ("gemini", "0.61.0/acp-interrupt"),
        ("gemini", "0.61.0/acp-load"),
        ("gemini", "0.61.0/acp-policy"),
        ("gemini", "0.61.0/acp-waiting"),
        ("gemini", "0.61.0/err-429"),
        ("gemini", "0.61.0/plan"),
        ("gemini", "0.61.0/tool-yolo"),
        ("opencode", "1.18.33/think"),
        ("opencode", "1.18.33/tool-bash"),
        ("opencode", "1.18.33/edit"),
        ("opencode", "1.18.33/mcp"),
        ("opencode", "1.18.33/policy"),
        ("opencode", "1.18.33/ask-denied"),
        ("opencode", "1.18.33/two-turns"),
        ("opencode", "1.18.33/interrupt"),
        ("opencode", "1.18.33/err-429"),
        ("opencode", "1.18.33/resume-unknown"),
    ] {
        insta::assert_snapshot!(format!("{agent}-{}", name.replace('/', "-")), events(recording(agent, name)));
    }
}

#[test]
fn byte_by_byte_gives_the_same() {
    for recording in all() {
        assert!(recording.play(&[1]) == recording.whole(), "{recording} differs");
    }
}

#[test]
fn what_is_written_is_what_was_written_to_the_real_program() {
    for recording in all().filter(|recording| recording.is_conversation()) {
        let (recorded, written) = recording.inputs();
        assert_eq!(recorded, written, "{recording}");
    }
}

#[test]
fn no_line_is_lost() {
    for recording in all() {
        for line in recording.silent_lines() {
            assert!(tells_nothing(recording.agent.name(), &line), "{recording}: {line}");
        }
    }
}

fn tells_nothing(agent: &str, line: &str) -> bool {
    match agent {
        "claude-code" => false,
        "codex" => CODEX_TELLS_NOTHING.iter().any(|known| line.contains(known)),
        "opencode" => OPENCODE_TELLS_NOTHING.iter().any(|known| line.contains(known)),
        _ => is_held_back(&serde_json::from_str(line).unwrap_or_default()),
    }
}

/// Answers that ask for nothing further, and what another line tells as a whole.
const CODEX_TELLS_NOTHING: [&str; 11] = [
    r#""id":"hello""#,
    r#""id":"turn-"#,
    r#""id":"steer-"#,
    r#""id":"interrupt""#,
    r#""method":"item/started""#,
    r#""method":"serverRequest/resolved""#,
    r#""method":"thread/tokenUsage/updated""#,
    r#""method":"turn/started""#,
    r#""type":"userMessage""#,
    r#"{"type":"turn.started"}"#,
    r#"/delta""#,
];

/// Answers that ask for nothing further, and steps on the way to what is told in the end.
const OPENCODE_TELLS_NOTHING: [&str; 8] = [
    r#"{"body":"#,
    r#"{"error":"the stream of events"#,
    r#""type":"message.updated""#,
    r#""type":"message.part.updated""#,
    r#""type":"permission.replied""#,
    r#""type":"session.status""#,
    r#""type":"session.idle""#,
    // Of sub-agents and copies, whose session is another.
    r#""type":"session.created""#,
];

/// Pieces of what an agent says, and what it tells of itself to whoever looks on, mean nothing by themselves.
fn is_held_back(line: &Value) -> bool {
    let update = line["params"]["update"]["sessionUpdate"].as_str().unwrap_or_default();
    let is_old = matches!(update, "user_message_chunk" | "tool_call" | "tool_call_update");
    update.ends_with("_chunk")
        || is_old
        || line["delta"] == true
        || line["ephemeral"] == true
        || line["type"] == "thinking"
        || (line["result"].is_object() && line["id"].is_u64())
}

/// All that was said, whatever pieces it came in.
#[test]
fn no_piece_is_lost() {
    for recording in RECORDINGS["gemini"].iter().filter(|recording| !recording.is_conversation()) {
        let text = |line: &String| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            (line["role"] == "assistant").then(|| line["content"].as_str().map(str::to_owned))
        };
        let said: String = recording.silent_lines().iter().filter_map(text).flatten().collect();
        let told = recording.whole().0.into_iter().filter_map(|item| match item {
            Decoded::Event(EventBody::Text { text, .. }) => Some(text),
            _ => None,
        });
        assert_eq!(said, told.collect::<String>(), "{recording}");
    }
}

#[test]
fn nothing_in_the_recordings_is_news() {
    // Text instead of JSON: the program was told so.
    let plain = ["2.1.197/prompt-dash", "2.1.197/text-format-text"];
    for recording in all().filter(|recording| !plain.contains(&recording.name.as_str())) {
        let (decoded, _) = recording.whole();
        let unread = decoded.iter().find(|item| matches!(item, Decoded::Event(EventBody::Unparsed { .. })));
        assert_eq!(unread, None, "{recording}");
    }
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same(
        index in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..3000, 1..50),
    ) {
        for recordings in RECORDINGS.values() {
            let recording = index.get(recordings);
            prop_assert!(recording.play(&sizes) == recording.whole(), "{recording} differs");
        }
    }

    #[test]
    fn no_bytes_make_it_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1_usize..50, 1..9),
        conversation in any::<bool>(),
    ) {
        let task = Task { session_idle_seconds: conversation.then_some(1), ..Task::default() };
        for (agent, one_shot) in known_agents().iter().flat_map(|agent| [(agent, false), (agent, true)]) {
            let setup = Setup { max_retries: 2, one_shot, ..Setup::default() };
            let play = |sizes: &[usize]| replay(agent.dialogue(&task, &setup), &bytes, &bytes, exited(0), sizes);
            let cut = play(&sizes);
            prop_assert_ne!(&cut.1.verdict, &Verdict::Succeeded, "{}", agent.name());
            prop_assert_eq!(cut, play(&[usize::MAX]), "{}", agent.name());
        }
    }

    #[test]
    fn half_a_run_is_no_success(length in any::<prop::sample::Index>()) {
        for (agent, name) in [
            ("claude-code", "2.1.329/tool-bash"),
            ("codex", "0.169.0/tool-bash"),
            ("codex", "0.169.0/exec-tools-danger"),
            ("copilot", "1.0.102/tool-allow-all"),
            ("cursor", "documented/text"),
            ("gemini", "0.61.0/tool-yolo"),
            ("opencode", "1.18.33/text"),
        ] {
            let recording = recording(agent, name);
            // All but the last newline, which the program may leave out, and its closing brace.
            let cut = &recording.stdout[..length.index(recording.stdout.len() - 1)];
            let (_, report) = replay(recording.dialogue(), cut, b"", exited(0), &[usize::MAX]);
            prop_assert_ne!(report.verdict, Verdict::Succeeded, "{}", recording);
        }
    }
}
