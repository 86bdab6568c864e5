//! The rules for each field of a submission. Pure, but for the look at the file system that a workspace needs.

use std::collections::BTreeMap;

use legwork_agents::{Agent, Agents, Capabilities};
use legwork_gateway::model_proxy::AllowedModels;
use legwork_model::{Limits, Repository, Seconds};
use legwork_runner::workspace::validate_repository;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::submission::{LimitRequest, Submission};
use crate::config::{AgentSettings, Config, LimitSettings, RepositorySettings};
use crate::executor::credential as credential_of;
use crate::parse::nearest;

const DEFAULT_AGENT: &str = "claude-code";
const METADATA_BYTES: usize = 16 * 1024;
const ENV_BYTES: usize = 64 * 1024;
const NAME_CHARS: usize = 200;
const LABEL_CHARS: usize = 128;
const MOST_CACHE_SECONDS: u64 = 30 * 24 * 60 * 60;

pub(super) fn prompt(prompt: &str, most: usize) -> Result<(), Refusal> {
    prompt_named("prompt", prompt, most)
}

/// What an agent is told, in a field of any name.
pub(super) fn prompt_named(field: &str, prompt: &str, most: usize) -> Result<(), Refusal> {
    if prompt.trim().is_empty() {
        return Err(Refusal::invalid(field, "prompt_empty", "is empty; say what the agent is to do"));
    }
    if prompt.contains('\0') {
        return Err(Refusal::invalid(
            field,
            "prompt_invalid",
            "holds a NUL character, which no agent takes; remove it",
        ));
    }
    let length = prompt.chars().count();
    if length > most {
        return Err(Refusal::invalid(
            field,
            "prompt_too_long",
            format!("has {length} characters; at most {most} are taken"),
        ));
    }
    Ok(())
}

pub(super) fn agent(name: Option<&str>, agents: &Agents) -> Result<&'static dyn Agent, Refusal> {
    let name = name.unwrap_or(DEFAULT_AGENT);
    agents.find(name).ok_or_else(|| unknown("agent", "unknown_agent", name, agents.names()))
}

pub(super) fn lane(name: Option<&str>, config: &Config) -> Result<String, Refusal> {
    let name = name.unwrap_or("default");
    if config.lanes.contains_key(name) {
        return Ok(name.to_owned());
    }
    Err(unknown("lane", "unknown_lane", name, config.lanes.keys().map(String::as_str)))
}

fn unknown<'a>(
    field: &str,
    code: &'static str,
    written: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Refusal {
    let near = nearest(written, known.clone()).map_or(".".to_owned(), |near| format!(", did you mean `{near}`?"));
    let names: Vec<_> = known.collect();
    Refusal::invalid(field, code, format!("there is no `{}`{near} Known: {}", shown(written), names.join(", ")))
}

/// What a caller wrote, short enough to be shown to them again.
fn shown(written: &str) -> String {
    written.chars().take(64).filter(|character| !character.is_control()).collect()
}

/// Whether an agent can do something.
type Offers = fn(Capabilities) -> bool;

/// What a caller wants to say to the agent beside the prompt, and what it is to ask. `metered` is whether its requests pass by the model
/// proxy, which holds a limit on costs for every agent.
pub(super) fn conversation(
    submission: &Submission,
    agent: &dyn Agent,
    agents: &Agents,
    settings: &LimitSettings,
    metered: bool,
) -> Result<(), Refusal> {
    let offered = agent.capabilities();
    let tools = &submission.tools;
    let wanted: [(&'static str, bool, Offers); 9] = [
        ("resumeSession", submission.resume_session.is_some(), |agent| agent.resume),
        ("forkSession", submission.fork_session, |agent| agent.fork),
        ("sessionIdleTimeout", submission.session_idle_timeout.is_some(), |agent| agent.follow_up || agent.resume),
        ("systemPrompt", submission.system_prompt.is_some(), |agent| agent.system_prompt),
        ("permissions", submission.permissions.is_some(), |agent| agent.permissions),
        ("mcpServers", !submission.mcp_servers.is_empty(), |agent| agent.mcp),
        ("tools", !tools.allow.is_empty() || !tools.deny.is_empty(), |agent| agent.tool_rules),
        ("limits.maxTurns", submission.limits.max_turns.is_some(), |agent| agent.max_turns),
        ("limits.maxCostUsd", submission.limits.max_cost_usd.is_some() && !metered, |agent| agent.max_cost),
    ];
    if let Some((field, _, has)) = wanted.into_iter().find(|(_, wanted, has)| *wanted && !has(offered)) {
        return Err(not_offered(agent, field, agents, has));
    }
    if submission.fork_session && submission.resume_session.is_none() {
        return Err(Refusal::invalid("forkSession", "invalid_value", "needs `resumeSession`, the session to copy"));
    }
    if let Some(seconds) = submission.session_idle_timeout {
        bounded("sessionIdleTimeout", Some(seconds), seconds, settings.most_timeout_seconds)?;
    }
    if let Some(text) = &submission.system_prompt {
        prompt_named("systemPrompt", text, settings.max_prompt_chars)?;
    }
    let timeout = submission.permissions.as_ref().and_then(|policy| policy.timeout_seconds);
    if let Some(seconds) = timeout {
        bounded("permissions.timeoutSeconds", Some(seconds), seconds, settings.most_timeout_seconds)?;
    }
    Ok(())
}

/// For how long an outcome is good. A conversation has none that an equal job would have, too.
pub(super) fn cache_ttl(submission: &Submission) -> Result<Option<u64>, Refusal> {
    let Some(Seconds(seconds)) = submission.cache_ttl else { return Ok(None) };
    let conversation = [
        ("resumeSession", submission.resume_session.is_some()),
        ("sessionIdleTimeout", submission.session_idle_timeout.is_some()),
    ];
    if let Some((field, _)) = conversation.into_iter().find(|(_, asked)| *asked) {
        let message = format!("can't go with `{field}`: a conversation is not repeated; leave one of them out");
        return Err(Refusal::invalid("cacheTtl", "cache_conflict", message));
    }
    if (1..=MOST_CACHE_SECONDS).contains(&seconds) {
        return Ok(Some(seconds));
    }
    let message = format!("is {seconds} s; must be from 1 s to 30 d ({MOST_CACHE_SECONDS} s)");
    Err(Refusal::invalid("cacheTtl", "invalid_cache_ttl", message))
}

/// What an agent can't do, and which ones can.
pub(super) fn not_offered(
    agent: &dyn Agent,
    capability: &'static str,
    agents: &Agents,
    has: fn(Capabilities) -> bool,
) -> Refusal {
    let others: Vec<_> = agents.all().filter(|agent| has(agent.capabilities())).map(Agent::name).collect();
    Refusal::NotOffered { agent: agent.name().to_owned(), capability, others: others.join(", ") }
}

pub(super) fn limits(request: &LimitRequest, settings: &LimitSettings) -> Result<Limits, Refusal> {
    let defaults = settings.defaults();
    let seconds = |field: &str, asked: Option<u64>, default: u64| {
        bounded(
            &format!("limits.{field}"),
            asked,
            default.min(settings.most_timeout_seconds),
            settings.most_timeout_seconds,
        )
    };
    Ok(Limits {
        timeout_seconds: seconds("timeoutSeconds", request.timeout_seconds, defaults.timeout_seconds)?,
        start_seconds: seconds("startSeconds", request.start_seconds, defaults.start_seconds)?,
        first_event_seconds: seconds("firstEventSeconds", request.first_event_seconds, defaults.first_event_seconds)?,
        silence_seconds: seconds("silenceSeconds", request.silence_seconds, defaults.silence_seconds)?,
        exit_seconds: seconds("exitSeconds", request.exit_seconds, defaults.exit_seconds)?,
        max_output_bytes: bounded(
            "limits.maxOutputBytes",
            request.max_output_bytes,
            defaults.max_output_bytes,
            settings.most_output_bytes,
        )?,
        max_turns: match request.max_turns {
            Some(0) => return Err(Refusal::invalid("limits.maxTurns", "invalid_limit", "must be at least 1")),
            asked => lower(asked, defaults.max_turns),
        },
        max_cost_usd: lower(request.max_cost_usd, defaults.max_cost_usd),
    })
}

fn bounded(field: &str, asked: Option<u64>, default: u64, most: u64) -> Result<u64, Refusal> {
    match asked {
        None => Ok(default),
        Some(asked) if (1..=most).contains(&asked) => Ok(asked),
        Some(asked) => Err(Refusal::invalid(field, "invalid_limit", format!("is {asked}; must be from 1 to {most}"))),
    }
}

/// The operator's limit is a ceiling for the caller's.
fn lower<T: Ord>(asked: Option<T>, operator: Option<T>) -> Option<T> {
    match (asked, operator) {
        (Some(asked), Some(operator)) => Some(asked.min(operator)),
        (asked, operator) => asked.or(operator),
    }
}

pub(super) fn priority(priority: i32) -> Result<i32, Refusal> {
    if (-100..=100).contains(&priority) {
        return Ok(priority);
    }
    Err(Refusal::invalid("priority", "invalid_priority", format!("is {priority}; must be from -100 to 100")))
}

/// Callers may let the agent do less than the operator does, never more. What skips all questions comes this far only where
/// the operator lets a door's callers ask for it.
pub(super) fn permission_mode(asked: Option<&str>, operators: Option<&str>) -> Result<(), Refusal> {
    const FROM_LEAST: [&str; 3] = ["plan", "default", "acceptEdits"];
    let rank = |mode: &str| FROM_LEAST.iter().position(|known| *known == mode);
    let (Some(asked), Some(operators)) = (asked, operators) else { return Ok(()) };
    match (rank(asked), rank(operators)) {
        (Some(more), Some(most)) if more > most => {
            let message = format!("`{asked}` lets the agent do more than this server's `{operators}`");
            Err(Refusal::invalid("permissionMode", "permission_mode_not_allowed", message))
        }
        _ => Ok(()),
    }
}

/// The agent has something to authenticate with, where it needs that.
pub(super) fn credential(agent: &dyn Agent, settings: &AgentSettings) -> Result<(), Refusal> {
    let needed = agent.credential_variables();
    if needed.is_empty() || credential_of(settings).is_some() {
        return Ok(());
    }
    let message = format!(
        "has no credential on this server: set {}, or `api_key` under [agents.{}]; `legwork serve --rehearse` needs none",
        needed.join(" or "),
        agent.name()
    );
    Err(Refusal::invalid("agent", "credentials_missing", message))
}

/// A model that is named is among those that the operator allows, where they allow not all.
pub(super) fn model(model: Option<&str>, allowed: &AllowedModels) -> Result<(), Refusal> {
    let Some(allowed) = model.and_then(|model| allowed.without(model)) else { return Ok(()) };
    let message = format!("may not be used by this agent and project; allowed are {}", allowed.join(", "));
    Err(Refusal::invalid("model", "model_not_allowed", message))
}

/// A text that ends up on a command line: never an option, never with control characters.
pub(super) fn word(field: &str, value: Option<&str>) -> Result<(), Refusal> {
    let Some(value) = value else { return Ok(()) };
    let problem = if value.is_empty() {
        "is empty; leave it out instead"
    } else if value.starts_with('-') {
        "begins with `-`, which would make it an option"
    } else if value.chars().any(char::is_control) {
        "holds control characters"
    } else if value.chars().count() > NAME_CHARS {
        "is longer than 200 characters"
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(field, "invalid_value", problem))
}

/// A name of the caller's that is counted by.
pub(super) fn label(field: &str, label: Option<&str>) -> Result<(), Refusal> {
    let Some(label) = label else { return Ok(()) };
    let problem = if label.trim().is_empty() {
        "is empty; leave it out instead"
    } else if label.chars().count() > LABEL_CHARS {
        "is longer than 128 characters"
    } else if label.chars().any(char::is_control) {
        "holds control characters"
    } else if label.trim() != label {
        "begins or ends with a space; leave that out"
    } else if label == "*" {
        "is `*`, which stands for each in a budget; use another name"
    } else {
        return Ok(());
    };
    Err(Refusal::invalid(field, "invalid_label", problem))
}

pub(super) fn env(env: &BTreeMap<String, String>, agent: &dyn Agent) -> Result<(), Refusal> {
    for (name, value) in env {
        let field = format!("env.{}", shown(name));
        let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Refusal::invalid(
                field,
                "invalid_env",
                "is no name of a variable; use letters, digits and `_`",
            ));
        }
        if agent.reserves_env(name) {
            return Err(Refusal::invalid(
                field,
                "reserved_env",
                "is set by Legwork itself and can't be set by a caller",
            ));
        }
        if value.contains('\0') {
            return Err(Refusal::invalid(field, "invalid_env", "holds a NUL character"));
        }
    }
    if env.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > ENV_BYTES {
        return Err(Refusal::invalid("env", "invalid_env", format!("is larger than {ENV_BYTES} bytes")));
    }
    Ok(())
}

pub(super) fn metadata(metadata: &Map<String, Value>) -> Result<(), Refusal> {
    let bytes = serde_json::to_string(metadata).map_or(usize::MAX, |json| json.len());
    if bytes > METADATA_BYTES {
        let message = format!("is {bytes} bytes as JSON; at most {METADATA_BYTES} are kept");
        return Err(Refusal::invalid("metadata", "metadata_too_large", message));
    }
    Ok(())
}

pub(super) fn repository(repository: &Repository, settings: &RepositorySettings) -> Result<(), Refusal> {
    validate_repository(repository, &settings.policy())
        .map_err(|error| Refusal::invalid("repository", "repository_not_allowed", error.to_string()))
}
