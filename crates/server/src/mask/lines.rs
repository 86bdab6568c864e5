//! The output of a program that tells its text piece by piece, each in a line of JSON.

use std::collections::HashMap;

use serde_json::Value;

use super::matcher::Matchers;
use super::pieces::Pieces;

/// The texts that stand at the same place of the lines of an output, with the lines: one after the other they are one text.
type Texts = Vec<(usize, String)>;

/// `output` without the secrets that are parted among its lines. Lines that have no part in one stay as they are.
pub(super) fn without_split(matchers: &Matchers, output: Vec<u8>) -> Vec<u8> {
    let lines: Vec<&[u8]> = output.split_inclusive(|byte| *byte == b'\n').collect();
    let mut texts: HashMap<String, Texts> = HashMap::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| line.starts_with(b"{")) {
        let Ok(mut value) = serde_json::from_slice::<Value>(line) else { continue };
        each_text(&mut value, &mut String::new(), &mut |place, text| {
            let said = (number, std::mem::take(text));
            match texts.get_mut(place) {
                Some(texts) => texts.push(said),
                None => drop(texts.insert(place.to_owned(), vec![said])),
            }
        });
    }
    // Most say no secret: that is found out in one pass.
    let all: Vec<String> = texts.values().map(whole).collect();
    if matchers.find(all.join("\0").as_bytes()).is_empty() {
        return output;
    }
    let changed = changed(matchers, texts);
    let lines = lines.iter().enumerate().map(|(number, line)| match changed.get(&number) {
        Some(changes) => rewritten(line, changes),
        None => line.to_vec(),
    });
    lines.collect::<Vec<_>>().concat()
}

fn whole(texts: &Texts) -> String {
    texts.iter().map(|(_, text)| text.as_str()).collect()
}

/// By line and place what is to be shown instead.
fn changed(matchers: &Matchers, texts: HashMap<String, Texts>) -> HashMap<usize, HashMap<String, String>> {
    let mut changed: HashMap<usize, HashMap<String, String>> = HashMap::new();
    for (place, texts) in texts {
        let mut pieces = Pieces::default();
        let mut all: Vec<String> = texts.iter().flat_map(|(_, text)| pieces.take(matchers, text)).collect();
        all.extend(pieces.release());
        for ((number, said), shown) in texts.into_iter().zip(all) {
            if said != shown {
                changed.entry(number).or_default().insert(place.clone(), shown);
            }
        }
    }
    changed
}

fn rewritten(line: &[u8], changes: &HashMap<String, String>) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(line) else { return line.to_vec() };
    each_text(&mut value, &mut String::new(), &mut |place, text| {
        if let Some(shown) = changes.get(place) {
            text.clone_from(shown);
        }
    });
    let mut line = value.to_string().into_bytes();
    line.push(b'\n');
    line
}

/// Calls `each` with the place of every text and the text.
fn each_text(value: &mut Value, place: &mut String, each: &mut impl FnMut(&str, &mut String)) {
    let before = place.len();
    match value {
        Value::String(text) => each(place, text),
        Value::Array(values) => {
            for (number, value) in values.iter_mut().enumerate() {
                place.push_str(&format!("[{number}]"));
                each_text(value, place, each);
                place.truncate(before);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                place.push('.');
                place.push_str(name);
                each_text(value, place, each);
                place.truncate(before);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mask;

    #[test]
    fn a_secret_that_is_parted_among_lines_disappears() {
        let mask = Mask::new(["sk-ant-0123456789"]);
        let output = concat!(
            r#"{"type":"delta", "delta":{"text":"the key is sk-an"}}"#,
            "\n",
            "not JSON\n",
            r#"{"type":"delta", "delta":{"text":"t-0123"}}"#,
            "\n",
            r#"{"type":"delta", "delta":{"text":"456789."}}"#,
            "\n",
            r#"{"type":"delta", "delta":{"text":" So?"}}"#,
            "\n",
        );
        let expected = concat!(
            r#"{"delta":{"text":"the key is ***"},"type":"delta"}"#,
            "\n",
            "not JSON\n",
            r#"{"delta":{"text":""},"type":"delta"}"#,
            "\n",
            r#"{"delta":{"text":"."},"type":"delta"}"#,
            "\n",
            r#"{"type":"delta", "delta":{"text":" So?"}}"#,
            "\n",
        );
        let masked = String::from_utf8(mask.apply_to_output(output.into())).expect("UTF-8");
        assert_eq!(masked, expected);
    }

    #[test]
    fn what_goes_on_is_shown_up_to_where_a_secret_may_begin() {
        let mask = Mask::new(["sk-ant-0123456789"]);
        assert_eq!(mask.apply_to_output_so_far(b"key sk-ant-0123456789 sk-a".to_vec()), b"key *** ");
        assert_eq!(mask.apply_to_output(b"key sk-ant-0123456789 sk-a".to_vec()), b"key *** sk-a");
    }
}
