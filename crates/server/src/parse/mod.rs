//! Reading what people write, with errors that help.

mod domain;
mod image;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use domain::{covers, domain};
pub use image::{image, image_fits, image_pattern};

/// What is wrong in a JSON text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonProblem {
    /// The text is not JSON; the message names line and column.
    Syntax(String),
    /// A field is missing, unknown or of the wrong type.
    Field {
        /// Its path, such as `limits.timeoutSeconds`; empty for the whole body.
        field: String,
        /// What is wrong and what would be right.
        message: String,
        /// Whether the field is not known at all.
        unknown: bool,
    },
}

/// Decodes a JSON object.
///
/// # Errors
/// Tells whether the text is no JSON at all or which field is wrong.
pub fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, JsonProblem> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let Object(value) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| problem(&error))?;
    deserializer.end().map_err(|error| JsonProblem::Syntax(error.to_string()))?;
    Ok(value)
}

/// A struct that was written as an object. By itself serde also takes a list of a struct's fields in their order, which
/// nobody who writes one means.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// Decodes a struct from an object and from nothing else; for `#[serde(deserialize_with)]`.
///
/// # Errors
/// Where it is none, or something in it is wrong.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Fields<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields))
        }
    }
    deserializer.deserialize_map(Fields(PhantomData))
}

/// Like [`object`], for a field that may be `null`.
///
/// # Errors
/// Where it is neither, or something in it is wrong.
pub fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

fn problem(error: &serde_path_to_error::Error<serde_json::Error>) -> JsonProblem {
    let text = error.inner().to_string();
    if !error.inner().is_data() {
        return JsonProblem::Syntax(text);
    }
    let message = in_words_of_json(text.split(" at line ").next().unwrap_or(&text));
    let field = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let unknown = message.starts_with("unknown field");
    JsonProblem::Field { field, message: explain_unknown_field(&message), unknown }
}

/// What serde expects, not in Rust's words: callers write JSON.
fn in_words_of_json(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let expected = match expected {
        "u64" | "u32" => "a whole number from 0 on",
        "i32" => "a whole number",
        "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{found}, expected {expected}")
}

/// Turns serde's "unknown field `x`, expected one of `a`, `b`" into one that names the nearest known field.
pub fn explain_unknown_field(message: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let ([unknown, known @ ..], true) = (names.as_slice(), message.starts_with("unknown field")) else {
        return message.to_owned();
    };
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("unknown field `{unknown}`, did you mean `{near}`? Known: {}", known.join(", ")),
        None => format!("unknown field `{unknown}`. Known: {}", known.join(", ")),
    }
}

/// The known name that is nearest to what was written, if any is near.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &'a str| (strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase()), name);
    let (likeness, name) = known.into_iter().map(near).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness > 0.75).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Outer {
        #[expect(dead_code, reason = "only decoded")]
        #[serde(deserialize_with = "object")]
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Inner {
        #[expect(dead_code, reason = "only decoded")]
        timeout_seconds: u64,
    }

    #[test]
    fn a_problem_names_field_and_remedy() {
        let check = |text: &str| parse_json::<Outer>(text.as_bytes()).map(drop).expect_err(text);
        assert!(matches!(check("{"), JsonProblem::Syntax(_)));
        assert!(matches!(check(r#"{"inner":{"timeoutSeconds":1}} x"#), JsonProblem::Syntax(_)));
        for list in [r#"[{"timeoutSeconds":1}]"#, r#"{"inner":[1]}"#] {
            let JsonProblem::Field { message, .. } = check(list) else { panic!("{list} is JSON") };
            assert_eq!(message, "invalid type: sequence, expected an object");
        }
        assert_eq!(
            check(r#"{"inner":{"timeoutSecond":1}}"#),
            JsonProblem::Field {
                field: "inner.timeoutSecond".into(),
                message: "unknown field `timeoutSecond`, did you mean `timeoutSeconds`? Known: timeoutSeconds".into(),
                unknown: true,
            }
        );
        assert_eq!(
            check(r#"{"inner":{"timeoutSeconds":"5"}}"#),
            JsonProblem::Field {
                field: "inner.timeoutSeconds".into(),
                message: "invalid type: string \"5\", expected a whole number from 0 on".into(),
                unknown: false,
            }
        );
    }
}
