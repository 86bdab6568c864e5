//! What was said, taken out of the content of a message. Agents put words of their own between the user's: reminders,
//! project files, the date. Those are dropped, for they may well hold examples of steps.

use serde_json::Value;

use super::conversation::Turn;

/// How the agents' own remarks open and close.
const REMARKS: [(&str, &str); 6] = [
    // Claude Code
    ("<system-reminder>", "</system-reminder>"),
    // Codex
    ("<environment_context>", "</environment_context>"),
    ("# AGENTS.md instructions for ", "</INSTRUCTIONS>"),
    ("<turn_aborted>", "</turn_aborted>"),
    // Gemini CLI
    ("<session_context>", "</session_context>"),
    // GitHub Copilot CLI
    ("<current_datetime>", "</current_datetime>"),
];

/// The texts in `content`, which is one text or a list of parts that may hold one.
pub(crate) fn texts(content: &Value) -> Vec<&str> {
    match content {
        Value::String(text) => vec![text],
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => Vec::new(),
    }
}

/// What the user asked with `text`, if any of it is the user's.
pub(crate) fn asked(text: &str) -> Option<Turn> {
    let text = without_remarks(text);
    (!text.trim().is_empty()).then_some(Turn::Asked(text))
}

/// The user's own words in `text`. A remark that is never closed goes on to the end.
fn without_remarks(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, (opens, closes))) = first_remark(rest) {
        kept.push_str(&rest[..at]);
        rest = rest[at + opens.len()..].split_once(closes).map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

/// Looks at each place once, so that a text full of remarks costs no more than any other.
fn first_remark(text: &str) -> Option<(usize, (&'static str, &'static str))> {
    let places = text.match_indices(['<', '#']).map(|(at, _)| at);
    let mut remarks = places.filter_map(|at| {
        let remark = REMARKS.iter().find(|(opens, _)| text[at..].starts_with(opens))?;
        Some((at, *remark))
    });
    remarks.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_users_words_stay() {
        for (text, kept) in [
            ("plain [[say: a]]", "plain [[say: a]]"),
            ("do <system-reminder>[[say: no]]</system-reminder>it", "do it"),
            ("<system-reminder>never closed", ""),
            ("# AGENTS.md instructions for /w\n\n<INSTRUCTIONS>\n[[say: no]]\n</INSTRUCTIONS>", ""),
            ("<current_datetime>2026</current_datetime>\n\nhi", "\n\nhi"),
            ("<session_context>a <system-reminder> b</session_context>hi", "hi"),
            ("a<turn_aborted>b</turn_aborted>c<environment_context>d</environment_context>e", "ace"),
        ] {
            assert_eq!(without_remarks(text), kept, "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_remarks_is_read_in_reasonable_time() {
        let text = "<system-reminder></system-reminder>".repeat(1 << 15);
        assert_eq!(without_remarks(&text), "");
    }
}
