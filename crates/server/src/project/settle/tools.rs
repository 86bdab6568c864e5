//! Which tools an agent may use without asking, and which servers it has.

use legwork_model::{Task, ToolPolicy};

use super::{ContainerFile, Fault, Problem};
use crate::config::Config;
use crate::mcp;

/// What is allowed is only what the project allows, too. Its list grants nothing.
pub(super) fn narrow(tools: &mut ToolPolicy, listed: Option<&[String]>) {
    let Some(listed) = listed else { return };
    let mut narrowed: Vec<String> = Vec::new();
    for allowed in &tools.allow {
        for both in listed.iter().filter_map(|listed| in_both(allowed, listed)) {
            if !narrowed.iter().any(|earlier| earlier == both) {
                narrowed.push(both.to_owned());
            }
        }
    }
    tools.allow = narrowed;
}

/// The narrower of two rules that stand for calls of the same tool: `Bash` and `Bash(git status:*)`, `mcp__github__*` and one of them.
fn in_both<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    if fits(other, one) {
        Some(one)
    } else if fits(one, other) {
        Some(other)
    } else {
        None
    }
}

/// Whether `outer` allows what `inner` does.
fn fits(outer: &str, inner: &str) -> bool {
    let tool = inner.split('(').next().unwrap_or(inner);
    let begins_so = |start: &str| !start.contains('(') && tool.starts_with(start);
    outer == inner || outer == tool || outer.strip_suffix('*').is_some_and(begins_so)
}

/// Servers that the project names, unless the caller has one of that name. Agents that can't have any have none.
pub(super) fn add_servers(task: &mut Task, file: &ContainerFile, config: &Config, faults: &mut Vec<Fault>) {
    if !config.known_agents.find(&task.agent).is_some_and(|agent| agent.capabilities().mcp) {
        return;
    }
    for named in &file.mcp_servers {
        let (name, env) = (&named.value.name, &named.value.env);
        if task.mcp_servers.contains_key(name) {
            continue;
        }
        match mcp::of_project(name, env, config) {
            Ok(server) => {
                task.mcp_servers.insert(name.clone(), server);
            }
            Err(error) => {
                let problem = Problem::NotAllowed(error.message);
                faults.push(Fault { place: named.place, key: error.field, problem });
            }
        }
    }
}
