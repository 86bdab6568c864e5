//! Makes text of strangers harmless.

use std::iter::Peekable;
use std::str::Chars;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';

/// `text` without terminal escape sequences, control characters (but for line breaks and tabs) and marks that change
/// the direction of writing, which can make code look like other code.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ESCAPE => skip_sequence(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            // What a carriage return would overwrite stays readable.
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    plain.push('\n');
                }
            }
            '\n' | '\t' => plain.push(character),
            _ if character.is_control() || is_direction_mark(character) => {}
            _ => plain.push(character),
        }
    }
    plain
}

/// The same for a text that has to stay on one line: runs of white space become a space.
pub fn one_line(text: &str) -> String {
    plain(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` characters of `text`; an ellipsis shows that something was cut off.
pub fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// JSON that means the same, with the control characters written out that JSON itself allows raw.
pub fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_control() || is_direction_mark(character) {
            plain.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            plain.push(character);
        }
    }
    plain
}

fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// After an escape: a control sequence, a string, or a short sequence.
fn skip_sequence(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some('P' | 'X' | ']' | '^' | '_') => skip_string(rest),
        _ => {
            while rest.next_if(|character| (' '..='/').contains(character)).is_some() {}
            rest.next_if(|character| ('0'..='~').contains(character));
        }
    }
}

/// Parameters, then one final byte. Anything else breaks the sequence off and is text.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|character| (' '..='?').contains(character)).is_some() {}
    rest.next_if(|character| ('@'..='~').contains(character));
}

/// Up to the string terminator or bell. A string that is never closed ends with its line, so that no more is lost.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(character) = rest.next_if(|character| *character != '\n') {
        match character {
            BELL | '\u{9c}' => return,
            ESCAPE => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_go_and_text_stays() {
        for (text, expected) in [
            ("plain ä 漢 🙂\ttab\nline", "plain ä 漢 🙂\ttab\nline"),
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}[2J\u{1b}[Hgone?", "gone?"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}Pdevice\u{1b}\\text", "text"),
            ("\u{1b}(Btext\u{1b}=\u{1b}M", "text"),
            ("never closed \u{1b}]0;title\nnext", "never closed \nnext"),
            ("cut \u{1b}[31", "cut "),
            ("cut \u{1b}", "cut "),
            ("one\r\ntwo\rthree\r", "one\ntwo\nthree\n"),
            ("bell\u{7} back\u{8} nul\0 del\u{7f}", "bell back nul del"),
            ("if \u{202e}nimda\u{202c}", "if nimda"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_is_left_that_a_terminal_obeys(
            text in "([\\x00-\\x7f\u{80}-\u{9f}\u{202a}-\u{202e}]|\u{1b}\\[|\u{1b}\\]|.){0,60}"
        ) {
            let is_harmless = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
            prop_assert!(is_harmless(&plain(&text)));
            let json = serde_json::to_string(&text).expect("a string is JSON");
            let made_plain = plain_json(&json);
            prop_assert!(!made_plain.chars().any(char::is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&made_plain).ok(), Some(text));
        }
    }

    #[test]
    fn a_long_text_is_cut_by_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
        assert_eq!(one_line(" a\n\tb\u{1b}[0m  c "), "a b c");
    }
}
