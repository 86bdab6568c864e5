//! The agents' programs and credentials.

use std::path::PathBuf;

use legwork_agents::{Agent, Credential};

use super::report::{Check, Status};
use super::version;
use crate::config::{AgentSettings, Config};
use crate::executor::{Probe, Programs, credential, too_old};

/// Two findings for each agent. One agent that can work is enough.
pub(super) async fn examine(config: &Config, path: &str, probe: Option<&Probe>) -> Vec<Check> {
    let mut agents = Vec::new();
    let programs = Programs::new(&config.data_dir, path);
    for agent in config.known_agents.all() {
        let settings = config.agent(agent.name());
        let program = program(agent, &settings, &programs, probe).await;
        agents.push([program, access(agent, &settings, config.rehearsal.enabled)]);
    }
    forgive(agents)
}

/// What is missing for one agent is no harm where another one can work.
fn forgive(mut agents: Vec<[Check; 2]>) -> Vec<Check> {
    let works = |checks: &[Check; 2]| checks.iter().all(|check| check.status != Status::Missing);
    if agents.iter().any(works) {
        let missing = agents.iter_mut().flatten().filter(|check| check.status == Status::Missing);
        missing.for_each(|check| check.status = Status::Warning);
    }
    agents.into_iter().flatten().collect()
}

async fn program(agent: &dyn Agent, settings: &AgentSettings, programs: &Programs, probe: Option<&Probe>) -> Check {
    let name = agent.name();
    let wanted = settings.program.clone().unwrap_or_else(|| PathBuf::from(agent.default_program()));
    let Some(found) = programs.find(agent, settings) else {
        let place = if wanted.components().count() > 1 { "does not exist" } else { "was not found in PATH" };
        let fix = format!("{} Or name it in the settings: [agents.{name}] program.", agent.install_hint());
        return Check::missing(name, format!("{} {place}", wanted.display()), fix);
    };
    match version(probe, &found).await {
        Ok(version) => match too_old(agent, &version) {
            Some(problem) => Check::missing(name, problem, agent.install_hint()),
            None => Check::ok(name, format!("{} ({version})", found.display())),
        },
        Err(why) => Check::missing(name, format!("{} does not work: {why}", found.display()), agent.install_hint()),
    }
}

fn access(agent: &dyn Agent, settings: &AgentSettings, rehearses: bool) -> Check {
    let name = format!("{} credential", agent.name());
    if rehearses {
        return Check::ok(&name, "none needed to rehearse");
    }
    if agent.credential_variables().is_empty() {
        return Check::ok(&name, "none needed");
    }
    let kind = match credential(settings) {
        Some(Credential::ApiKey(_)) => "an API key",
        Some(Credential::BearerToken(_)) => "a bearer token",
        Some(Credential::OauthToken(_)) => "the token of a subscription login",
        Some(Credential::LoginFile(_)) => "the file of a subscription login",
        None => return no_credential(agent, settings, &name),
    };
    let base = if settings.base_url.is_some() { ", for a model API other than the vendor's" } else { "" };
    Check::ok(&name, format!("{kind}{base}"))
}

fn no_credential(agent: &dyn Agent, settings: &AgentSettings, name: &str) -> Check {
    let fix = format!(
        "Set {}, or api_key under [agents.{}]. To try without one, rehearse: --rehearse.",
        agent.credential_variables().join(" or "),
        agent.name()
    );
    if settings.base_url.is_some() {
        return Check::warning(name, "none; the model API at base_url may not ask for one", fix);
    }
    Check::missing(name, "none", fix)
}

#[cfg(test)]
mod tests {
    use legwork_agents::find_agent;

    use super::*;
    use crate::config::Secret;

    fn claude() -> &'static dyn Agent {
        find_agent("claude-code").expect("it is known")
    }

    #[test]
    fn the_kind_of_a_credential_is_told_and_never_its_value() {
        let secret = |value: &str| Some(Secret::new(value));
        let defaults = AgentSettings::default;
        for (settings, status, found) in [
            (AgentSettings { api_key: secret("sk-1"), ..defaults() }, Status::Ok, "an API key"),
            (AgentSettings { auth_token: secret("sk-1"), ..defaults() }, Status::Ok, "a bearer token"),
            (
                AgentSettings { oauth_token: secret("sk-1"), ..defaults() },
                Status::Ok,
                "the token of a subscription login",
            ),
            (defaults(), Status::Missing, "none"),
            (
                AgentSettings { base_url: Some("http://router".into()), ..defaults() },
                Status::Warning,
                "none; the model API at base_url may not ask for one",
            ),
        ] {
            let check = access(claude(), &settings, false);
            assert_eq!((check.status, check.found.as_str()), (status, found));
            assert_eq!(access(claude(), &settings, true).status, Status::Ok);
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_comes_with_how_to_get_it() {
        let empty = tempfile::tempdir().expect("a directory");
        let path = Programs::new(empty.path(), empty.path().to_str().expect("UTF-8"));
        let check = program(claude(), &AgentSettings::default(), &path, None).await;
        assert_eq!((check.status, check.found.as_str()), (Status::Missing, "claude was not found in PATH"));
        assert!(check.fix.is_some_and(|fix| fix.contains("npm install -g")));
        let named = AgentSettings { program: Some("/opt/claude".into()), ..AgentSettings::default() };
        assert_eq!(program(claude(), &named, &path, None).await.found, "/opt/claude does not exist");
    }

    #[test]
    fn one_agent_that_works_is_enough() {
        let missing = || [Check::missing("a", "none", "get it"), Check::ok("a credential", "")];
        let working = [Check::ok("b", "1.0"), Check::ok("b credential", "")];
        let statuses = |agents| forgive(agents).into_iter().map(|check| check.status).collect::<Vec<_>>();
        assert_eq!(statuses(vec![missing()]), [Status::Missing, Status::Ok]);
        assert_eq!(statuses(vec![missing(), working]), [Status::Warning, Status::Ok, Status::Ok, Status::Ok]);
    }
}
