//! Every recording of every agent.

use std::sync::LazyLock;

use legwork_agents::{Decoded, Setup, find_agent};
use legwork_model::{EventBody, Task, Verdict};
use proptest::prelude::*;
use serde_json::Value;

use crate::recordings::{self, Recording, events, every_file_is_in_an_index, exited, load, replay, table};

const AGENTS: [&str; 3] = ["copilot", "cursor", "gemini"];

static RECORDINGS: LazyLock<Vec<Recording>> = LazyLock::new(|| AGENTS.into_iter().flat_map(recordings::load).collect());

fn recording(agent: &str, name: &str) -> &'static Recording {
    let found = RECORDINGS.iter().find(|recording| recording.agent.name() == agent && recording.name == name);
    found.expect("a recording of that name")
}

#[test]
fn every_recording() {
    for agent in AGENTS {
        insta::assert_snapshot!(format!("every-recording-of-{agent}"), table(&load(agent)));
    }
}

#[test]
fn every_file_is_tested() {
    AGENTS.into_iter().for_each(every_file_is_in_an_index);
}

#[test]
fn the_events_in_full() {
    for (agent, name) in [
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
    ] {
        insta::assert_snapshot!(format!("{agent}-{}", name.replace('/', "-")), events(recording(agent, name)));
    }
}

#[test]
fn byte_by_byte_gives_the_same() {
    for recording in RECORDINGS.iter() {
        assert!(recording.play(&[1]) == recording.whole(), "{} differs", recording.name);
    }
}

#[test]
fn what_is_written_is_what_was_written_to_the_real_program() {
    for recording in RECORDINGS.iter() {
        if let Some((recorded, written)) = recording.inputs() {
            assert_eq!(recorded, written, "{} {}", recording.agent.name(), recording.name);
        }
    }
}

/// Pieces of what an agent says, and what it tells of itself to whoever looks on, mean nothing by themselves.
#[test]
fn no_line_is_lost() {
    let held_back = |line: &Value| {
        let update = line["params"]["update"]["sessionUpdate"].as_str().unwrap_or_default();
        let is_old = matches!(update, "user_message_chunk" | "tool_call" | "tool_call_update");
        update.ends_with("_chunk")
            || is_old
            || line["delta"] == true
            || line["ephemeral"] == true
            || line["type"] == "thinking"
            || (line["result"].is_object() && line["id"].is_u64())
    };
    for recording in RECORDINGS.iter() {
        for line in recording.silent_lines() {
            assert!(held_back(&line), "{} {}: {line}", recording.agent.name(), recording.name);
        }
    }
}

/// All that was said, whatever pieces it came in.
#[test]
fn no_piece_is_lost() {
    for recording in RECORDINGS.iter().filter(|recording| recording.agent.name() == "gemini") {
        let text = |line: &Value| (line["role"] == "assistant").then(|| line["content"].as_str().map(str::to_owned));
        let said: String = recording.silent_lines().iter().filter_map(text).flatten().collect();
        let told = recording.whole().0.into_iter().filter_map(|item| match item {
            Decoded::Event(EventBody::Text { text, .. }) => Some(text),
            _ => None,
        });
        let told: String = told.collect();
        assert!(recording.conversation.is_some() || said == told, "{}", recording.name);
    }
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same(
        index in any::<prop::sample::Index>(),
        sizes in prop::collection::vec(1_usize..3000, 1..50),
    ) {
        let recording = index.get(&RECORDINGS);
        prop_assert!(recording.play(&sizes) == recording.whole(), "{} differs", recording.name);
    }

    #[test]
    fn no_bytes_make_it_fail(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1_usize..50, 1..9),
        conversation in any::<bool>(),
    ) {
        for name in AGENTS {
            let agent = find_agent(name).expect("the agent");
            let task = Task { session_idle_seconds: conversation.then_some(1), ..Task::default() };
            let play = |sizes: &[usize]| {
                replay(agent.dialogue(&task, &Setup::default()), &bytes, &bytes, exited(0), sizes)
            };
            let cut = play(&sizes);
            prop_assert_ne!(&cut.1.verdict, &Verdict::Succeeded);
            prop_assert_eq!(cut, play(&[usize::MAX]));
        }
    }

    #[test]
    fn half_a_run_is_no_success(length in any::<prop::sample::Index>(), which in 0_usize..3) {
        let name = ["1.0.102/tool-allow-all", "documented/text", "0.61.0/tool-yolo"][which];
        let recording = recording(AGENTS[which], name);
        // All but the last newline, which the program may leave out, and its closing brace.
        let cut = &recording.stdout[..length.index(recording.stdout.len() - 1)];
        let dialogue = recording.agent.dialogue(&Task::default(), &Setup::default());
        prop_assert_ne!(replay(dialogue, cut, b"", exited(0), &[usize::MAX]).1.verdict, Verdict::Succeeded);
    }
}
