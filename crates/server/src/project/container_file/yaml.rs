//! YAML as a tree in which everything knows its place, so that a file's mistakes can be told all at once. Types are decided by those who
//! read the tree.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{DefaultMessageFormatter, Error, Location, MessageFormatter, Options, Spanned};

use super::fault::{Fault, Place, Placed, Problem};

/// A value and its place.
pub(super) type Node = Placed<Value>;

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing: `key:` and no more.
    Nothing,
    Bool(bool),
    /// A number that was written without quotes, as it is printed.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Keys in their order, each as often as it stands there.
    Map(Vec<(Placed<String>, Node)>),
}

impl Value {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    match serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options()) {
        Ok(node) => Ok(placed(node)),
        // A file of comments alone holds no document.
        Err(error) if matches!(error.without_snippet(), Error::Eof { .. }) => {
            Ok(Placed { value: Value::Nothing, place: Place { line: 1, column: 1 } })
        }
        Err(error) => Err(fault(error.without_snippet())),
    }
}

/// Nothing but plain YAML, and no more of it than fits a container file. What references stand for counts each time.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 8_000,
            max_nodes: 4_000,
            max_aliases: 32,
            max_anchors: 32,
            max_depth: 12,
            // One more than is taken: the reader itself says where the second one begins.
            max_documents: 2,
            max_total_scalar_bytes: 256 * 1024,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 4_000,
            max_replay_stack_depth: 4,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn fault(error: &Error) -> Fault {
    let place = error.location().map_or(Place { line: 1, column: 1 }, place);
    Fault { place, key: String::new(), problem: problem(error) }
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::AliasError { error, .. } => problem(error),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => Problem::TooMuch,
        Error::MultipleDocuments { .. } => Problem::Syntax("a second document stands here; a file has one".into()),
        Error::NonFiniteFloat { .. } => Problem::Syntax("this number is none that can be counted with".into()),
        error => Problem::Syntax(format!("can't be read as YAML: {}", DefaultMessageFormatter.format_message(error))),
    }
}

fn place(location: Location) -> Place {
    Place { line: location.line().max(1), column: location.column().max(1) }
}

fn placed<T>(spanned: Spanned<T>) -> Placed<T> {
    Placed { value: spanned.value, place: place(spanned.referenced) }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(placed(entry));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key()? {
            map.push((placed(key), placed(entries.next_value()?)));
        }
        Ok(Value::Map(map))
    }
}
