//! What each agent can do, as a table in Markdown.

use legwork_agents::{Agent, Agents, Capabilities};
use serde_json::{Map, Value};

/// One row for each capability, one column for each agent.
pub(super) fn matrix(agents: &Agents) -> String {
    let names: Vec<_> = agents.all().map(heading).collect();
    let mut table = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let capabilities: Vec<Map<String, Value>> = agents.all().map(|agent| fields(agent.capabilities())).collect();
    for name in fields(Capabilities::default()).keys() {
        let has = |one: &Map<String, Value>| if one.get(name) == Some(&Value::Bool(true)) { "yes" } else { "-" };
        let row: Vec<_> = capabilities.iter().map(has).collect();
        table += &format!("| `{name}` | {} |\n", row.join(" | "));
    }
    let versions = agents.all().map(|agent| agent.package().map_or("-", |package| package.version));
    table += &format!("| tried with | {} |\n", versions.collect::<Vec<_>>().join(" | "));
    table
}

fn heading(agent: &'static dyn Agent) -> String {
    let mark = if agent.verified() { "" } else { " (unverified)" };
    format!("`{}`{mark}", agent.name())
}

fn fields(capabilities: Capabilities) -> Map<String, Value> {
    match serde_json::to_value(capabilities) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
