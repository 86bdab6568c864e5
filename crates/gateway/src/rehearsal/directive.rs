//! Finds the steps that a prompt is written with: `[[name]]` or `[[name: argument]]`, anywhere in its text.
//!
//! An argument may hold brackets of its own where they come in pairs, as in `[[bash: [[ -f a ]] && cat a]]`; the JSON
//! of a `tool` may hold any. Everything else in double square brackets, and what is never closed, is plain text.

use std::collections::HashMap;

use serde_json::{Deserializer, value::RawValue};

use super::step::{Step, StepError};

/// How far into a step the `|` before its JSON is looked for, in characters.
const LONGEST_HEAD: usize = 200;

/// The steps in `text`, in order; stops at the first that is not written right.
pub(crate) fn scan(text: &str) -> Result<Vec<Step>, StepError> {
    let pairs = Pairs::of(text);
    let mut steps = Vec::new();
    let mut position = 0;
    for &open in &pairs.opens {
        if open < position {
            continue;
        }
        let start = open + 2;
        if let Some(end) = end_of_step(text, start, &pairs) {
            steps.push(Step::parse(&text[start..end])?);
            position = end + 2;
        }
    }
    Ok(steps)
}

/// Where the step that starts at `start` ends, which is where its closing brackets are.
fn end_of_step(text: &str, start: usize, pairs: &Pairs) -> Option<usize> {
    let rest = &text[start..];
    let length = rest.find(|c: char| !c.is_ascii_lowercase())?;
    let name = &rest[..length];
    if !Step::is_name(name) || !(rest[length..].starts_with(':') || rest[length..].starts_with("]]")) {
        return None;
    }
    let end_of_json = if matches!(name, "tool" | "loop") { end_of_json(text, start) } else { None };
    end_of_json.or_else(|| pairs.close_of.get(&(start - 2)).copied())
}

/// Where a step ends whose argument is `NAME | {JSON}`: strings in JSON may hold brackets without a partner.
fn end_of_json(text: &str, start: usize) -> Option<usize> {
    let (bar, _) = text[start..].char_indices().take(LONGEST_HEAD).find(|(_, c)| matches!(c, '|' | ']'))?;
    let json = start + bar + 1;
    if !text[json..].trim_start().starts_with('{') {
        return None;
    }
    let mut values = Deserializer::from_str(&text[json..]).into_iter::<&RawValue>();
    values.next()?.ok()?;
    let after = json + values.byte_offset();
    let end = text.len() - text[after..].trim_start().len();
    text[end..].starts_with("]]").then_some(end)
}

/// The double brackets of a text.
struct Pairs {
    /// Where `[[` stands, in order.
    opens: Vec<usize>,
    /// Where the `]]` stands that belongs to a `[[`.
    close_of: HashMap<usize, usize>,
}

impl Pairs {
    /// Walks over the text once, so that a prompt full of unclosed brackets costs no more than any other.
    fn of(text: &str) -> Self {
        let (mut opens, mut close_of, mut open_now) = (Vec::new(), HashMap::new(), Vec::new());
        for (start, length, bracket) in runs(text) {
            // Of three opening or closing brackets the last two count: `[[say: [x]]]` says `[x]`.
            let end = start + length;
            if bracket == b'[' {
                let first = start + length % 2;
                opens.extend((first..end).step_by(2));
                open_now.extend((first..end).step_by(2));
            } else {
                let pairs = (length / 2).min(open_now.len());
                for close in (end - 2 * pairs..end).step_by(2) {
                    close_of.extend(open_now.pop().map(|open| (open, close)));
                }
            }
        }
        Self { opens, close_of }
    }
}

/// Every unbroken run of the same bracket: where it starts, how long it is, which bracket.
fn runs(text: &str) -> impl Iterator<Item = (usize, usize, u8)> {
    let mut start = 0;
    text.as_bytes().chunk_by(|a, b| a == b).filter_map(move |run| {
        let at = start;
        start += run.len();
        matches!(run[0], b'[' | b']').then_some((at, run.len(), run[0]))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::step::Call;
    use super::*;

    fn bash(command: &str) -> Step {
        Step::Call(Call::Bash { command: command.to_owned() })
    }

    fn say(text: &str) -> Step {
        Step::Say(text.to_owned())
    }

    fn tool(name: &str, input: serde_json::Value) -> Step {
        let serde_json::Value::Object(input) = input else { panic!("an input is an object") };
        Step::Call(Call::Tool { name: name.to_owned(), input })
    }

    #[test]
    fn steps_are_found_in_order() {
        for (text, steps) in [
            ("", vec![]),
            ("please [[bash: ls]] and then [[say: done]].", vec![bash("ls"), say("done")]),
            ("[[say: two\nlines]]", vec![say("two\nlines")]),
            ("[[truncate]]", vec![Step::Truncate]),
            ("[[bash: if [[ -f a ]]; then cat a; fi]]", vec![bash("if [[ -f a ]]; then cat a; fi")]),
            ("[[bash: [[ -f ${a[0]} ]]]]", vec![bash("[[ -f ${a[0]} ]]")]),
            ("[[bash: echo ${a[b[0]]}]]", vec![bash("echo ${a[b[0")]),
            ("[[say: [x]]]", vec![say("[x]")]),
            ("[[[say: x]]]", vec![say("x]")]),
            ("[[say: a]][[say: b]]", vec![say("a"), say("b")]),
            (r#"[[tool: T | {"a":"]] [["} ]] [[say: b]]"#, vec![tool("T", json!({"a": "]] [["})), say("b")]),
            (r#"[[tool: T | {"a":[[1,[2]]]}]]"#, vec![tool("T", json!({"a": [[1, [2]]]}))]),
            (r#"[[tool: Agent | {"prompt":"[[bash: ls]]"}]]"#, vec![tool("Agent", json!({"prompt": "[[bash: ls]]"}))]),
        ] {
            assert_eq!(scan(text), Ok(steps), "{text}");
        }
    }

    #[test]
    fn what_is_no_step_is_plain_text() {
        for text in [
            "[[name: value]]",
            "[[Home]] and [[bash page]]",
            "if [[ -f a ]]; then",
            "[bash: ls]",
            "[[ bash: ls]]",
            "[[bash: never closed]",
            "[[Bash: ls]]",
            "[[say",
        ] {
            assert_eq!(scan(text), Ok(vec![]), "{text}");
        }
        assert_eq!(scan("[[unknown: [[say: inside]]]]"), Ok(vec![say("inside")]));
        assert_eq!(scan("[[bash: open [[say: closed]]"), Ok(vec![say("closed")]));
    }

    #[test]
    fn a_step_written_wrong_is_an_error() {
        assert!(scan("[[say: a]] [[error: soon]]").is_err());
        assert!(scan("[[bash]]").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = scan(&text);
        }

        #[test]
        fn no_heap_of_brackets_makes_it_panic(
            parts in prop::collection::vec(
                prop::sample::select(vec!["[[", "]]", "[", "]", "tool: T | {", "}", "\"", "say: ", "é", "error: 429", "\\"]),
                0..40,
            )
        ) {
            let _ = scan(&parts.concat());
        }

        #[test]
        fn text_around_a_step_changes_nothing(before in "[^\\[\\]]*", said in "[a-z]([^\\[\\]]*[a-z])?", after in "[^\\[\\]]*") {
            prop_assert_eq!(scan(&format!("{before}[[say: {said}]]{after}")), Ok(vec![say(&said)]));
        }
    }

    #[test]
    fn a_megabyte_of_open_brackets_is_read_in_one_pass() {
        for open in ["[[bash: ", "[[tool: ", "[[tool: T | {\"a\":"] {
            assert_eq!(scan(&open.repeat(1 << 17)), Ok(vec![]));
        }
    }
}
