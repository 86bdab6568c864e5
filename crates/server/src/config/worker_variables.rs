//! The variables that deployments of the workers set whose contracts the doors speak. `docs/migrating.md` lists them.

use std::str::FromStr;

use super::Config;
use super::environment::Environment;
use super::load::ConfigError;
use super::secret::Secret;

/// Applies what is set. `listens`: the settings say where to listen, so that the variables do not.
pub(super) fn apply(config: &mut Config, listens: bool, environment: &Environment) -> Result<(), ConfigError> {
    let doors = &mut config.doors;
    take_secret(environment, "SHARED_SECRET", &mut doors.generate.secret)?;
    take_secret(environment, "CLAUDE_SERVICE_SECRET", &mut doors.execute.secret)?;
    take(environment, "MAX_GLOBAL_CALLS_PER_HR", "a number of calls", &mut doors.generate.calls_per_hour)?;

    let agent = &mut doors.claude_code;
    let text = |name: &str| environment.get(name).map(str::to_owned);
    agent.prompt = agent.prompt.take().or_else(|| text("CLAUDE_PROMPT"));
    agent.model = agent.model.take().or_else(|| text("ANTHROPIC_MODEL"));
    take(environment, "CLAUDE_STREAM", "true or false", &mut agent.stream)?;
    take(environment, "CLAUDE_VERBOSE", "true or false", &mut agent.verbose)?;
    take(environment, "CLAUDE_MAX_TURNS", "a number of turns", &mut agent.max_turns)?;

    if !listens {
        let mut port: Option<u16> = None;
        let mut host = "0.0.0.0";
        if doors.execute.secret.is_some() {
            take_some(environment, "CLAUDE_SERVICE_PORT", "a port", &mut port)?;
            host = environment.get("CLAUDE_SERVICE_HOST").unwrap_or(host);
        }
        if doors.generate.secret.is_some() {
            take_some(environment, "PORT", "a port", &mut port)?;
        }
        if let Some(port) = port {
            config.server.listen = format!("{host}:{port}");
        }
    }
    Ok(())
}

/// A secret that is set to nothing, or to what examples say, is a mistake that would leave the door open.
fn take_secret(environment: &Environment, name: &str, secret: &mut Option<Secret>) -> Result<(), ConfigError> {
    let wrong = |message: &str| Err(ConfigError::Variable { name: name.to_owned(), message: message.to_owned() });
    let Some(value) = environment.get(name).map(Secret::new) else {
        return if environment.is_empty(name) { wrong("is empty; give it a secret, or remove it") } else { Ok(()) };
    };
    if value.is_placeholder() {
        return wrong("is the `change-me` of an example; make a secret of your own");
    }
    secret.get_or_insert(value);
    Ok(())
}

fn take<T: FromStr>(environment: &Environment, name: &str, what: &str, setting: &mut T) -> Result<(), ConfigError> {
    let mut given = None;
    take_some(environment, name, what, &mut given)?;
    if let Some(value) = given {
        *setting = value;
    }
    Ok(())
}

fn take_some<T: FromStr>(
    environment: &Environment,
    name: &str,
    what: &str,
    setting: &mut Option<T>,
) -> Result<(), ConfigError> {
    let Some(text) = environment.get(name) else { return Ok(()) };
    let value = text
        .trim()
        .parse()
        .map_err(|_| ConfigError::Variable { name: name.to_owned(), message: format!("`{text}` is not {what}") })?;
    setting.get_or_insert(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied<const N: usize>(variables: [(&str, &str); N]) -> Result<Config, String> {
        let mut config = Config::default();
        apply(&mut config, false, &Environment::from(variables)).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn a_door_is_opened_by_its_old_variables() {
        let config = applied([("SHARED_SECRET", "s3cret-words"), ("PORT", "3000"), ("MAX_GLOBAL_CALLS_PER_HR", "7")]);
        let config = config.expect("applies");
        assert_eq!(config.doors.generate.secret.as_ref().map(Secret::expose), Some("s3cret-words"));
        assert_eq!((config.doors.generate.calls_per_hour, config.server.listen.as_str()), (7, "0.0.0.0:3000"));

        let variables =
            [("CLAUDE_SERVICE_SECRET", "x"), ("CLAUDE_SERVICE_PORT", "8081"), ("CLAUDE_SERVICE_HOST", "::1")];
        assert_eq!(applied(variables).expect("applies").server.listen, "::1:8081");
        assert_eq!(applied([("PORT", "3000")]).expect("applies").server.listen, "127.0.0.1:7070", "nobody's port");

        let config = applied([("CLAUDE_STREAM", "false"), ("CLAUDE_MAX_TURNS", "9"), ("CLAUDE_PROMPT", "hi")]);
        let agent = config.expect("applies").doors.claude_code;
        assert_eq!((agent.stream, agent.max_turns, agent.prompt.as_deref()), (false, 9, Some("hi")));
    }

    #[test]
    fn a_variable_that_makes_no_sense_is_named() {
        for (variable, value, expected) in [
            ("SHARED_SECRET", "", "environment variable SHARED_SECRET: is empty; give it a secret, or remove it"),
            (
                "CLAUDE_SERVICE_SECRET",
                "change-me",
                "environment variable CLAUDE_SERVICE_SECRET: is the `change-me` of an example; make a secret of your own",
            ),
            (
                "MAX_GLOBAL_CALLS_PER_HR",
                "many",
                "environment variable MAX_GLOBAL_CALLS_PER_HR: `many` is not a number of calls",
            ),
            ("CLAUDE_STREAM", "yes", "environment variable CLAUDE_STREAM: `yes` is not true or false"),
        ] {
            assert_eq!(applied([(variable, value)]).err().as_deref(), Some(expected));
        }
    }
}
