//! Finds, for a call in a script's words, the tool that the agent offers and the input which that tool takes.

mod patch;
mod way;

use std::fmt;

use serde_json::{Map, Value};

use self::way::{Kind, WAYS, Way};
use super::step::Call;

/// The words before the directory that an agent works in, in its instructions.
const DIRECTORY_MARK: &str = "orking directory: ";

/// What the agent offers in its request.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    tools: Vec<Tool>,
    directory: Option<String>,
}

/// One tool that is offered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tool {
    name: String,
    /// The group that its name belongs to, where the API has groups.
    namespace: Option<String>,
    input: Expected,
}

/// What a tool takes.
#[derive(Debug, Clone, PartialEq)]
enum Expected {
    /// An object with these fields; nothing is known where the schema says nothing.
    Fields { known: Vec<String>, required: Vec<String> },
    /// Any text.
    Text,
}

/// A tool to call, in the agent's words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) input: Input,
}

/// What a tool is given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    Object(Map<String, Value>),
    Text(String),
}

/// The agent has no tool for a call.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent offers no tool to {0}")]
pub(crate) struct NoTool(&'static str);

impl Tool {
    /// A tool whose input is an object that `schema` describes.
    pub(crate) fn function(name: &str, schema: Option<&Value>) -> Self {
        let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
        let known = properties.map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let required = schema.and_then(|schema| schema.get("required")?.as_array());
        let required = required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        Self { name: name.to_owned(), namespace: None, input: Expected::Fields { known, required } }
    }

    /// A tool whose input is a text.
    pub(crate) fn freeform(name: &str) -> Self {
        Self { name: name.to_owned(), namespace: None, input: Expected::Text }
    }

    /// The same tool in a group.
    pub(crate) fn within(self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self }
    }
}

impl Toolbox {
    /// What is offered along with `instructions`, which often name the directory that the agent works in.
    pub(crate) fn new(tools: Vec<Tool>, instructions: &str) -> Self {
        let directory = instructions.split_once(DIRECTORY_MARK).map(|(_, after)| after.lines().next().unwrap_or(""));
        let directory = directory.map(str::trim).filter(|path| path.starts_with('/')).map(str::to_owned);
        Self { tools, directory }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// The tool for `call`. A tool that a script names itself need not be offered: what the agent says to that can be
    /// rehearsed, too.
    pub(crate) fn call(&self, call: &Call) -> Result<ToolCall, NoTool> {
        let kind = match call {
            Call::Tool { name, input } => return Ok(self.named(name, input)),
            Call::Bash { .. } => Kind::Bash,
            Call::Write { .. } => Kind::Write,
            Call::Edit { .. } => Kind::Edit,
            Call::Read { .. } => Kind::Read,
        };
        if let Some(call) = self.directly(kind, call) {
            return Ok(call);
        }
        let command = patch::command_for(call).ok_or(NoTool(kind.purpose()))?;
        self.directly(Kind::Bash, &Call::Bash { command }).ok_or(NoTool(kind.purpose()))
    }

    fn directly(&self, kind: Kind, call: &Call) -> Option<ToolCall> {
        let ways = WAYS.iter().filter(|way| way.kind == kind);
        ways.flat_map(|way| self.tools.iter().map(move |tool| (way, tool))).find(|(way, tool)| tool.takes(way)).map(
            |(way, tool)| ToolCall { name: tool.name.clone(), namespace: None, input: self.input(way, tool, call) },
        )
    }

    fn input(&self, way: &Way, tool: &Tool, call: &Call) -> Input {
        let value = |part| way::value(part, call, self.directory.as_deref());
        match &tool.input {
            Expected::Text => Input::Text(patch::of(call)),
            Expected::Fields { known, .. } => {
                let fields = way.input.iter().filter(|(field, _)| known.is_empty() || knows(known, field));
                Input::Object(fields.map(|(field, part)| ((*field).to_owned(), value(*part))).collect())
            }
        }
    }

    fn named(&self, name: &str, input: &Map<String, Value>) -> ToolCall {
        let (group, own) = name.split_once("::").map_or((None, name), |(group, own)| (Some(group), own));
        let offered =
            self.tools.iter().find(|tool| tool.name == own && (group.is_none() || group == tool.namespace.as_deref()));
        let text = || input.get("input").and_then(Value::as_str).map(str::to_owned);
        match offered {
            Some(tool) => ToolCall {
                name: tool.name.clone(),
                namespace: tool.namespace.clone(),
                input: match tool.input {
                    Expected::Text => Input::Text(text().unwrap_or_else(|| Value::Object(input.clone()).to_string())),
                    Expected::Fields { .. } => Input::Object(input.clone()),
                },
            },
            // Codex keeps the tools of MCP servers back until they are searched for, and takes calls of them all the same.
            None => ToolCall {
                name: own.to_owned(),
                namespace: group.map(str::to_owned),
                input: Input::Object(input.clone()),
            },
        }
    }
}

impl Tool {
    /// Whether it is the one that `way` is about: tools of several agents share a name, but not their fields.
    fn takes(&self, way: &Way) -> bool {
        let fields = || way.input.iter().map(|(field, _)| *field);
        self.name == way.tool
            && self.namespace.is_none()
            && match &self.input {
                Expected::Text => way.is_patch(),
                Expected::Fields { known, required } => {
                    let knows_all = || way.essential().all(|field| knows(known, field));
                    (known.is_empty() || knows_all()) && required.iter().all(|name| fields().any(|field| field == name))
                }
            }
    }
}

fn knows(known: &[String], field: &str) -> bool {
    known.iter().any(|name| name == field)
}

impl Input {
    /// The JSON of an object; a text stays as it is.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Object(fields) => Value::Object(fields.clone()),
            Self::Text(text) => Value::String(text.clone()),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(fields) => write!(f, "{}", Value::Object(fields.clone())),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests;
