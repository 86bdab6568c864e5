//! Where in a line something is.

use serde_json::Value;

/// A way into a value: names of fields and numbers of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    parts: Vec<String>,
}

impl Path {
    /// Reads a JSON pointer (RFC 6901), or names with dots between them; else says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.split('.').map(str::to_owned).collect(),
        };
        if parts.iter().any(String::is_empty) {
            return Err(format!("has an empty part in `{text}`"));
        }
        Ok(Self { parts })
    }

    /// What is there; `null` counts as nothing.
    pub(super) fn get<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        let step = |value: &'a Value, part: &String| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        };
        self.parts.iter().try_fold(value, step).filter(|value| !value.is_null())
    }
}

/// What a line has to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    path: Path,
    expected: Option<String>,
}

impl Condition {
    /// Reads `path=text` or `path`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (path, expected) = match text.split_once('=') {
            Some((path, expected)) => (path, Some(expected.to_owned())),
            None => (text, None),
        };
        Ok(Self { path: Path::parse(path)?, expected })
    }

    /// Whether a line is like that. Without an expected text, `false` counts as not there.
    pub(super) fn holds(&self, value: &Value) -> bool {
        match (self.path.get(value), &self.expected) {
            (None, _) => false,
            (Some(Value::String(text)), Some(expected)) => text == expected,
            (Some(other), Some(expected)) => serde_json::to_string(other).is_ok_and(|text| text == *expected),
            (Some(value), None) => *value != Value::Bool(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_pointer_or_has_dots() {
        let value = serde_json::json!({"a": {"b.c": [1, {"d/e": "x"}]}, "n": null, "f": false, "t": "result"});
        for (path, expected) in [
            ("/a/b.c/0", Some("1")),
            ("/a/b.c/1/d~1e", Some("\"x\"")),
            ("a.b", None),
            ("t", Some("\"result\"")),
            ("n", None),
            ("t.x", None),
        ] {
            let path = Path::parse(path).expect("a path");
            assert_eq!(path.get(&value).map(ToString::to_string).as_deref(), expected, "{path:?}");
        }
        for (condition, holds) in
            [("t=result", true), ("t=news", false), ("f=false", true), ("f", false), ("t", true), ("n", false)]
        {
            assert_eq!(Condition::parse(condition).map(|condition| condition.holds(&value)), Ok(holds), "{condition}");
        }
        assert!(Path::parse("").is_err() && Path::parse("a..b").is_err() && Condition::parse("=x").is_err());
    }
}
