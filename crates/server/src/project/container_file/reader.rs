//! Taking values out of the tree. Whatever is wrong is noted and reading goes on, so that a file's mistakes come all at once.

use super::fault::{Fault, Place, Placed, Problem, shown};
use super::yaml::{Node, Value};
use crate::parse::nearest;

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<Fault>,
}

/// The values of a mapping, by key.
#[derive(Debug)]
pub(super) struct Mapping {
    path: String,
    entries: Vec<(Placed<String>, Node)>,
}

impl Mapping {
    /// The path of a key in it.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(named, _)| named.value == key)?;
        Some(self.entries.remove(at).1)
    }

    /// What is left in it.
    pub(super) fn into_entries(self) -> Vec<(Placed<String>, Node)> {
        self.entries
    }
}

impl Reader {
    pub(super) fn note(&mut self, place: Place, key: impl Into<String>, problem: Problem) {
        self.faults.push(Fault { place, key: key.into(), problem });
    }

    pub(super) fn wrong_value(&mut self, place: Place, key: impl Into<String>, written: &str, problem: &str) {
        self.note(place, key, Problem::Value { written: shown(written), problem: problem.to_owned() });
    }

    fn wrong_type(&mut self, node: &Node, key: &str, expected: &'static str) {
        self.note(node.place, key, Problem::Type { found: node.value.kind(), expected });
    }

    /// A mapping with nothing but these keys, each once. One without any entry may have lost them to comments.
    pub(super) fn mapping(&mut self, node: Node, path: &str, known: &[&'static str]) -> Mapping {
        let mut mapping = self.free_mapping(node, path);
        mapping.entries.retain(|(key, _)| {
            if known.contains(&key.value.as_str()) {
                return true;
            }
            let near = nearest(&key.value, known.iter().copied());
            let path = if path.is_empty() { shown(&key.value) } else { format!("{path}.{}", shown(&key.value)) };
            self.note(key.place, path, Problem::Unknown { near, known: known.join(", ") });
            false
        });
        mapping
    }

    /// A mapping with keys of the project's own, each once.
    pub(super) fn free_mapping(&mut self, node: Node, path: &str) -> Mapping {
        let mut mapping = Mapping { path: path.to_owned(), entries: Vec::new() };
        let entries = match node.value {
            Value::Nothing => return mapping,
            Value::Map(entries) => entries,
            _ => {
                self.wrong_type(&node, path, "a mapping, a key and its value a line");
                return mapping;
            }
        };
        for (key, value) in entries {
            match mapping.entries.iter().find(|(earlier, _)| earlier.value == key.value) {
                Some((earlier, _)) => {
                    self.note(key.place, mapping.path(&shown(&key.value)), Problem::Twice(earlier.place.line));
                }
                None => mapping.entries.push((key, value)),
            }
        }
        mapping
    }

    pub(super) fn list(&mut self, node: Node, path: &str, most: usize) -> Option<Vec<Node>> {
        match node.value {
            Value::List(entries) if entries.len() > most => {
                self.note(node.place, path, Problem::TooMany(entries.len(), most));
                None
            }
            Value::List(entries) => Some(entries),
            _ => {
                self.wrong_type(&node, path, "a list (`[]` for none)");
                None
            }
        }
    }

    pub(super) fn text(&mut self, node: Node, path: &str) -> Option<Placed<String>> {
        match node.value {
            Value::Text(value) => Some(Placed { value, place: node.place }),
            _ => {
                self.wrong_type(&node, path, "a text; put it in quotes where it looks like something else");
                None
            }
        }
    }

    /// An amount, which may stand there as a number.
    pub(super) fn amount(&mut self, node: Node, path: &str) -> Option<Placed<String>> {
        match node.value {
            Value::Text(value) | Value::Number(value) => Some(Placed { value, place: node.place }),
            _ => {
                self.wrong_type(&node, path, "an amount");
                None
            }
        }
    }

    pub(super) fn bool(&mut self, node: &Node, path: &str) -> Option<Placed<bool>> {
        if let Value::Bool(value) = node.value {
            return Some(Placed { value, place: node.place });
        }
        self.wrong_type(node, path, "true or false");
        None
    }

    /// A whole number from 0 on.
    pub(super) fn number(&mut self, node: &Node, path: &str) -> Option<Placed<u32>> {
        let Value::Number(written) = &node.value else {
            self.wrong_type(node, path, "a whole number");
            return None;
        };
        let value = written.parse().ok();
        if value.is_none() {
            self.wrong_value(node.place, path, written, "is not a whole number from 0 to 4294967295");
        }
        value.map(|value| Placed { value, place: node.place })
    }

    /// A text that `check` says nothing against.
    pub(super) fn checked(
        &mut self,
        node: Node,
        path: &str,
        check: fn(&str) -> Result<String, String>,
    ) -> Option<Placed<String>> {
        let Placed { value, place } = self.text(node, path)?;
        match check(&value) {
            Ok(value) => Some(Placed { value, place }),
            Err(problem) => {
                self.wrong_value(place, path, &value, &problem);
                None
            }
        }
    }
}
