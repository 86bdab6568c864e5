//! How what came out of a dialogue is shown.

use legwork_agents::{AgentReport, Decoded};
use legwork_model::{EventBody, Verdict};

use super::Recording;

/// The kinds in their order, a run of the same as `kind×3`, the end of a turn as `|`.
pub(crate) fn kinds(decoded: &[Decoded]) -> String {
    let kinds = decoded.iter().map(|item| match item {
        Decoded::Event(EventBody::Message { topic, .. }) => format!("message:{topic}"),
        Decoded::Event(event) => event.kind().to_owned(),
        Decoded::TurnEnded => "|".to_owned(),
        Decoded::TurnStarted => "^".to_owned(),
        Decoded::Input(_) => "<".to_owned(),
        Decoded::Ready => "ready".to_owned(),
        Decoded::GiveUp(failure) => format!("gives up: {}", failure.message),
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
    let input = |bytes: &[u8]| match String::from_utf8_lossy(bytes).into_owned() {
        // As it was written, with its newline: this side was recorded, too.
        text if recording.is_conversation() => text,
        text => text.trim_end().to_owned(),
    };
    let lines = decoded.iter().map(|item| match item {
        Decoded::Event(event) => serde_json::to_string(event).expect("JSON"),
        Decoded::TurnEnded => "--- turn ended".to_owned(),
        Decoded::TurnStarted => "--- turn started".to_owned(),
        Decoded::Input(bytes) => format!("--- input: {}", input(bytes)),
        Decoded::Ready => "--- ready".to_owned(),
        Decoded::GiveUp(failure) => format!("--- gives up: {}", failure.message),
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
