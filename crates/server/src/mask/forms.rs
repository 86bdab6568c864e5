//! The forms in which a secret shows up when somebody prints, encodes or quotes it.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::unwrapped::Unwrapped;

/// Shorter values are too likely to be ordinary words.
const SHORTEST: usize = 8;

/// All forms of a secret; none of one that is too short.
pub(super) fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    if secret.len() < SHORTEST {
        return forms;
    }
    // Lists of differences, numbers of lines and the like stand between the lines of a key.
    let lines = secret.lines().map(str::trim).filter(|line| secret.contains('\n') && !line.starts_with("-----"));
    for text in std::iter::once(secret).chain(std::iter::once(secret.trim())).chain(lines) {
        forms.insert(text.as_bytes().to_vec());
        if !text.bytes().all(is_plain) {
            forms.extend(in_json(text));
            forms.extend(percent_encoded(text));
        }
    }
    for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
        forms.extend((0..3).map(|before| in_base64(engine, before, secret.as_bytes())));
    }
    let unwrapped: Vec<_> = forms.iter().flat_map(|form| Unwrapped::all_of(form)).map(|form| form.text).collect();
    forms.extend(unwrapped);
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// Whether a byte stays as it is in JSON and in URLs, as all of most keys do.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// The characters that are the same whatever stands before and behind it: `before` bytes (modulo 3) are encoded with it.
fn in_base64(engine: &impl Engine, before: usize, secret: &[u8]) -> Vec<u8> {
    let bytes = [&[0; 2][..before], secret].concat();
    let mut encoded = engine.encode(&bytes).into_bytes();
    encoded.truncate(bytes.len() * 8 / 6);
    encoded.split_off((before * 8).div_ceil(6))
}

/// As JSON writes it, once and within a JSON text that is a text of another, and as others write what JSON allows to be
/// written otherwise.
fn in_json(secret: &str) -> Vec<Vec<u8>> {
    let quoted = |text: &str| {
        let json = serde_json::to_string(text).unwrap_or_default();
        json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned()
    };
    let once = quoted(secret);
    let ascii = |escape: fn(u16) -> String, also: &str| {
        let one = |one: char| if one.is_ascii() && !also.contains(one) { one.to_string() } else { units(one, escape) };
        once.chars().map(one).collect::<String>()
    };
    let lower = |unit| format!("\\u{unit:04x}");
    let upper = |unit| format!("\\u{unit:04X}");
    let debug = format!("{secret:?}");
    let all = [
        quoted(&once),
        once.replace('/', "\\/"),
        ascii(lower, ""),
        ascii(upper, ""),
        ascii(lower, "<>&"),
        debug.trim_matches('"').to_owned(),
        once,
    ];
    all.map(String::into_bytes).into()
}

fn units(one: char, escape: fn(u16) -> String) -> String {
    one.encode_utf16(&mut [0; 2]).iter().map(|unit| escape(*unit)).collect()
}

/// As URLs and forms have it. Encoders differ in what they leave as it is.
fn percent_encoded(secret: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for plain in ["-_.~", "-_.~!*'()", "-_.~/", "*-._", "-_.~!*'();/?:@&=+$,#"] {
        for space in ["%20", "+"] {
            for digits in [b"0123456789ABCDEF", b"0123456789abcdef"] {
                all.push(secret.bytes().flat_map(|byte| encoded(byte, plain, space, digits)).collect());
            }
        }
    }
    all
}

fn encoded(byte: u8, plain: &str, space: &str, digits: &[u8; 16]) -> Vec<u8> {
    match byte {
        b' ' => space.as_bytes().to_vec(),
        _ if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) => vec![byte],
        _ => vec![b'%', digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]],
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use proptest::prelude::*;

    use super::super::Mask;
    use super::*;

    #[test]
    fn each_form_that_somebody_may_print_disappears() {
        let secret = "päss wörd/+\"?<1>\\";
        let mask = Mask::new([secret]);
        for shown in [
            secret.to_owned(),
            serde_json::to_string(secret).expect("JSON"),
            serde_json::to_string(&serde_json::to_string(secret).expect("JSON")).expect("JSON"),
            r#"p\u00e4ss w\u00f6rd/+\"?<1>\\"#.to_owned(),
            r#"päss wörd\/+\"?<1>\\"#.to_owned(),
            "p%C3%A4ss%20w%C3%B6rd%2F%2B%22%3F%3C1%3E%5C".to_owned(),
            "p%c3%a4ss+w%c3%b6rd%2f%2b%22%3f%3c1%3e%5c".to_owned(),
            format!("{secret:?}"),
        ] {
            assert_eq!(mask.apply(format!("<{shown}>")).trim_matches(['<', '>', '"', '\\']), "***", "{shown}");
        }
    }

    #[test]
    fn what_is_plain_is_written_in_one_way() {
        let plain = "sk-ant_0.9Z";
        assert!(plain.bytes().all(is_plain));
        assert!(in_json(plain).into_iter().chain(percent_encoded(plain)).all(|form| form == plain.as_bytes()));
    }

    #[test]
    fn a_key_of_many_lines_disappears_line_by_line() {
        let key =
            "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\n-----END PRIVATE KEY-----\n";
        let mask = Mask::new([key]);
        assert_eq!(mask.apply(key.replace('\n', "\\n")), "***");
        let diff: String = key.lines().map(|line| format!("+{line}\n")).collect();
        assert_eq!(mask.apply_to_patch(diff.into()), b"+***\n+***\n+***\n+***\n");
        let numbered = "1: MIGHAgEAMBMGByqGSM49\n2: AgEGCCqGSM49AwEHBG0w\n";
        assert_eq!(mask.apply(numbered.into()), "1: ***\n2: ***\n");
    }

    proptest! {
        #[test]
        fn no_text_shows_it_in_base64(secret in "[!-~]{8,40}", before in ".{0,9}", after in ".{0,9}", wrap in 8_usize..80) {
            let mask = Mask::new([secret.as_str()]);
            let text = format!("{before}{secret}{after}");
            for engine in [&STANDARD, &URL_SAFE] {
                let encoded = engine.encode(&text);
                let wrapped = encoded.as_bytes().chunks(wrap).map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>().join("\n");
                for shown in [encoded, wrapped] {
                    prop_assert!(mask.apply(shown.clone()).contains("***"), "{shown}");
                }
            }
        }
    }
}
