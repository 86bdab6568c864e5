//! What a run took, and how it ended.

use std::time::Duration;

use legwork_model::{Cost, Outcome, Usage, Verdict};

use super::{Line, Style, one_line};

/// How it ended, as a line.
pub fn summary(outcome: &Outcome) -> Line {
    let (style, text) = match &outcome.verdict {
        Verdict::Succeeded => (Style::Good, succeeded(outcome)),
        Verdict::Failed(failure) => {
            (Style::Bad, format!("failed ({}): {}", failure.reason.as_str(), one_line(&failure.message)))
        }
        Verdict::Cancelled { message } => (Style::Warning, format!("cancelled: {}", one_line(message))),
    };
    let parts: Vec<_> = std::iter::once(text).chain(amounts(outcome)).collect();
    Line::new(style, parts.join(" · "))
}

fn succeeded(outcome: &Outcome) -> String {
    let as_before = outcome.cached.as_ref().map(|cached| format!(" as {} did, without a run", cached.execution_id));
    format!("succeeded{}", as_before.unwrap_or_default())
}

/// What it took: time, turns, tokens, money.
pub fn amounts(outcome: &Outcome) -> Vec<String> {
    let turns = outcome.turns.map(|turns| if turns == 1 { "1 turn".to_owned() } else { format!("{turns} turns") });
    let tokens = outcome
        .usage
        .filter(|usage| *usage != Usage::default())
        .map(|usage| format!("{} tokens in, {} out", count(all_input(usage)), count(usage.output_tokens)));
    let ran = (outcome.duration_ms > 0).then(|| duration(Duration::from_millis(outcome.duration_ms)));
    let cost = outcome.cost().filter(|cost| *cost > Cost::default()).map(dollars);
    [ran, turns, tokens, cost].into_iter().flatten().collect()
}

/// All tokens that went in, cached or not.
pub(super) fn all_input(usage: Usage) -> u64 {
    usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens)
}

/// `$0.0074`
pub fn dollars(cost: Cost) -> String {
    format!("${:.4}", cost.as_dollars())
}

/// `340 ms`, `2.5 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let grouped = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    grouped.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use legwork_model::FailureReason;

    use super::*;

    #[test]
    fn durations_and_counts_read_well() {
        for (millis, expected) in
            [(0, "0 ms"), (999, "999 ms"), (2_590, "2.5 s"), (200_000, "3 min 20 s"), (7_500_000, "2 h 5 min")]
        {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
        for (number, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn the_summary_says_how_it_ended_and_what_it_took() {
        let usage = Usage { input_tokens: 1_000, output_tokens: 25, cache_read_tokens: 200, cache_write_tokens: 34 };
        let outcome = Outcome {
            usage: Some(usage),
            cost_usd: Some(Cost::from_micros(7_400)),
            turns: Some(1),
            duration_ms: 3_210,
            ..Outcome::without_run(Verdict::Succeeded)
        };
        let line = summary(&outcome);
        assert_eq!(line.text, "succeeded · 3.2 s · 1 turn · 1,234 tokens in, 25 out · $0.0074");
        let failed = Outcome::without_run(Verdict::failed(FailureReason::Timeout, "Stopped\u{1b}[2J after 5 s."));
        assert_eq!(summary(&failed).text, "failed (timeout): Stopped after 5 s.");
    }
}
