//! From options to the body of a request.

use clap::Args;
use legwork_model::Cost;
use serde_json::{Map, Value, json};

/// The job, but for its prompt.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Job {
    /// The agent [default: claude-code]
    #[arg(long, value_name = "NAME", help_heading = "The job")]
    agent: Option<String>,
    /// The model, in the agent's own naming [default: the agent's choice]
    #[arg(long, value_name = "NAME", help_heading = "The job")]
    model: Option<String>,
    /// Work in this directory [default: a fresh one]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["repository", "resume"], help_heading = "The job")]
    pub(super) workspace: Option<String>,
    /// Clone this git repository and work on it
    #[arg(long, value_name = "URL", conflicts_with = "resume", help_heading = "The job")]
    repository: Option<String>,
    /// The branch to check out [default: the repository's own]
    #[arg(long, value_name = "NAME", requires = "repository", help_heading = "The job")]
    branch: Option<String>,
    /// Go on with the session of an earlier run, where it worked
    #[arg(long, value_name = "SESSION", help_heading = "The job")]
    resume: Option<String>,
    /// Let the agent use this tool without asking, in its own words, such as Bash or 'Bash(git status:*)'; repeatable
    #[arg(long, value_name = "TOOL", help_heading = "The job")]
    allow: Vec<String>,
    /// Never let the agent use this tool; repeatable
    #[arg(long, value_name = "TOOL", help_heading = "The job")]
    deny: Vec<String>,
    /// Set a variable in the agent's environment; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable, help_heading = "The job")]
    env: Vec<(String, String)>,
    /// Stop the run after this time
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    timeout: Option<u64>,
    /// Stop the run after so many turns of the agent
    #[arg(long, value_name = "N", help_heading = "Limits")]
    max_turns: Option<u32>,
    /// Stop the run once it has cost so much
    #[arg(long, value_name = "DOLLARS", value_parser = parse_cost, help_heading = "Limits")]
    max_cost: Option<Cost>,
    /// Give the outcome of an equal run that is no older than this, such as 10m, instead of running
    #[arg(long, value_name = "TIME", conflicts_with = "resume", help_heading = "The job")]
    cache_ttl: Option<String>,
    /// What the run belongs to; budgets and `legwork usage` count by it
    #[arg(long, value_name = "NAME", help_heading = "The job")]
    project: Option<String>,
    /// For whom the run is; budgets and `legwork usage` count by it
    #[arg(long, value_name = "NAME", help_heading = "The job")]
    user: Option<String>,
    /// The lane of the server to wait in [default: default]
    #[arg(long, value_name = "NAME", help_heading = "Queue of the server")]
    pub(super) lane: Option<String>,
    /// From -100 to 100; higher runs earlier [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Queue of the server")]
    pub(super) priority: Option<i32>,
}

impl Job {
    /// The body of `POST /v1/executions`: what was given and nothing else, so that the server's defaults hold.
    pub(super) fn request(&self, prompt: &str, workspace: Option<&str>, lane: Option<&str>) -> Value {
        let env: Map<String, Value> = self.env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        object([
            // Named even where it is empty: the server says best what is wrong with that.
            ("prompt", json!(prompt)),
            ("agent", json!(self.agent)),
            ("model", json!(self.model)),
            ("workspace", json!(workspace)),
            ("repository", object([("url", json!(self.repository)), ("branch", json!(self.branch))])),
            ("resumeSession", json!(self.resume)),
            ("cacheTtl", json!(self.cache_ttl)),
            ("limits", self.limits()),
            ("tools", object([("allow", json!(self.allow)), ("deny", json!(self.deny))])),
            ("env", Value::Object(env)),
            ("project", json!(self.project)),
            ("user", json!(self.user)),
            ("priority", json!(self.priority)),
            ("lane", json!(lane.or(self.lane.as_deref()))),
        ])
    }

    fn limits(&self) -> Value {
        object([
            ("timeoutSeconds", json!(self.timeout)),
            ("maxTurns", json!(self.max_turns)),
            ("maxCostUsd", json!(self.max_cost)),
        ])
    }
}

/// An object of those fields that hold something.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let holds = |value: &Value| match value {
        Value::Null => false,
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
        _ => true,
    };
    let given = fields.into_iter().filter(|(_, value)| holds(value));
    Value::Object(given.map(|(name, value)| (name.to_owned(), value)).collect())
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_cost(text: &str) -> Result<Cost, String> {
    text.parse().map_err(|_| "write it as an amount of dollars, such as 2.50".to_owned())
}
