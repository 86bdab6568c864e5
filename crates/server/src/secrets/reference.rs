//! `${NAME}` in a text stands for a secret, `$${` for `${` itself.

use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Secret(&'a str),
}

/// The one place that reads what was written. What is not closed is no name.
fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(literal) = before.strip_suffix('$') {
            parts.extend([Part::Text(literal), Part::Text("${")]);
            rest = &found[2..];
            continue;
        }
        let Some((name, after)) = found[2..].split_once('}') else { break };
        parts.extend([Part::Text(before), Part::Secret(name)]);
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}

/// The secrets that a text names.
pub fn named(text: &str) -> impl Iterator<Item = &str> {
    parts(text).into_iter().filter_map(|part| match part {
        Part::Secret(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// A text with its secrets. Each is put in once: what it holds is not looked at again.
///
/// # Errors
/// The name of the first that `values` has not.
pub fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let value = |part| match part {
        Part::Text(text) => Ok(text),
        Part::Secret(name) => values.get(name).map(String::as_str).ok_or_else(|| name.to_owned()),
    };
    parts(text).into_iter().map(value).collect()
}

/// Texts by name, each with its secrets.
///
/// # Errors
/// The name of the first that `values` has not.
pub fn fill_all(
    texts: &BTreeMap<String, String>,
    values: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, String> {
    texts.iter().map(|(name, text)| Ok((name.clone(), fill(text, values)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_filled_in_once() {
        let values = [("A", "x${B}$"), ("B", "y")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for (text, filled) in [
            ("Bearer ${A} ${B} ${", "Bearer x${B}$ y ${"),
            ("${A}{B}", "x${B}${B}"),
            ("$${A} $$${B}", "${A} $${B}"),
            ("costs $5, $$ or {B}", "costs $5, $$ or {B}"),
            ("", ""),
        ] {
            assert_eq!(fill(text, &values).as_deref(), Ok(filled), "{text}");
        }
        assert_eq!(fill("${A}${C}", &values), Err("C".into()));
        assert_eq!(named("${A} $${B} ${C}${ D}").collect::<Vec<_>>(), ["A", "C", " D"]);
    }
}
