//! `tools` and `mcpServers`: what an agent may use.

use std::collections::BTreeMap;

use super::ContainerFile;
use super::fault::{Placed, Problem, shown};
use super::reader::Reader;
use super::yaml::Node;

const MOST_TOOLS: usize = 200;
const MOST_SERVERS: usize = 20;
const MOST_VARIABLES: usize = 50;

/// A server by the name that it is known by, and further variables. `${NAME}` in them stands for a secret of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedServer {
    /// The name.
    pub name: String,
    /// Its further variables.
    pub env: BTreeMap<String, String>,
}

impl Reader {
    pub(super) fn tools(&mut self, node: Node, file: &mut ContainerFile) {
        let path = "tools.allowed";
        let mut tools = self.mapping(node, "tools", &["allowed"]);
        let list = tools.take("allowed").and_then(|node| self.list(node, path, MOST_TOOLS));
        let checked = |(at, node)| Some(self.checked(node, &format!("{path}[{at}]"), tool)?.value);
        file.tools = list.map(|list| list.into_iter().enumerate().filter_map(checked).collect());
    }

    pub(super) fn mcp_servers(&mut self, node: Node, file: &mut ContainerFile) {
        for (at, node) in self.list(node, "mcpServers", MOST_SERVERS).into_iter().flatten().enumerate() {
            let Some(server) = self.mcp_server(node, &format!("mcpServers[{at}]")) else { continue };
            match file.mcp_servers.iter().find(|earlier| earlier.value.name == server.value.name) {
                Some(earlier) => {
                    let earlier = earlier.place.line;
                    self.note(server.place, format!("mcpServers[{at}].name"), Problem::Twice(earlier));
                }
                None => file.mcp_servers.push(server),
            }
        }
    }

    fn mcp_server(&mut self, node: Node, path: &str) -> Option<Placed<NamedServer>> {
        let place = node.place;
        let mut server = self.mapping(node, path, &["name", "env"]);
        let env = server.take("env").map(|node| self.variables(node, &format!("{path}.env"))).unwrap_or_default();
        let Some(node) = server.take("name") else {
            let problem = Problem::Type { found: "nothing", expected: "the name of a server that is known here" };
            self.note(place, format!("{path}.name"), problem);
            return None;
        };
        let Placed { value: name, place } = self.checked(node, &format!("{path}.name"), server_name)?;
        Some(Placed { value: NamedServer { name, env }, place })
    }

    fn variables(&mut self, node: Node, path: &str) -> BTreeMap<String, String> {
        let place = node.place;
        let entries = self.free_mapping(node, path).into_entries();
        if entries.len() > MOST_VARIABLES {
            self.note(place, path, Problem::TooMany(entries.len(), MOST_VARIABLES));
        }
        let mut variables = BTreeMap::new();
        for (key, node) in entries {
            let path = format!("{path}.{}", shown(&key.value));
            if let Err(problem) = variable(&key.value) {
                self.wrong_value(key.place, path.as_str(), &key.value, problem);
            }
            let value = self.checked(node, &path, one_line);
            variables.extend(value.map(|value| (key.value, value.value)));
        }
        variables
    }
}

/// It ends up on a command line.
fn tool(text: &str) -> Result<String, String> {
    let problem = if text.trim().is_empty() {
        "is empty; leave it out instead"
    } else if text.starts_with('-') {
        "begins with `-`, which would make it an option"
    } else if text.chars().any(char::is_control) {
        "holds control characters"
    } else if text.chars().count() > 200 {
        "is longer than 200 characters"
    } else {
        return Ok(text.to_owned());
    };
    Err(problem.to_owned())
}

fn server_name(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(is_name) {
        return Ok(text.to_owned());
    }
    Err("is no name of a server; use up to 64 letters, digits, `-` and `_`".to_owned())
}

fn variable(name: &str) -> Result<(), &'static str> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if first && plain { Ok(()) } else { Err("is no name of a variable; use letters, digits and `_`") }
}

fn one_line(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("holds control characters; a variable is one line".to_owned());
    }
    Ok(text.to_owned())
}
