//! Whether a description of an agent makes sense.

use super::json_lines::Reader;
use super::launch::pieces;
use super::settings::{CustomAgent, Output, PromptBy};

/// A description of an agent that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the agent `{agent}` is not well described: `{field}` {problem}")]
pub struct BadAgent {
    /// The agent.
    pub agent: String,
    /// The field that is to be changed, as it is written in the configuration.
    pub field: &'static str,
    /// What is wrong with it, to be put after its name.
    pub problem: String,
}

/// What may stand in arguments and variables, beside the prompt.
const NAMES: [&str; 5] = ["model", "session", "workspace", "home", "prompt_file"];

/// How its lines are read, where they are JSON.
pub(super) fn check(settings: &CustomAgent) -> Result<Option<Reader>, BadAgent> {
    let bad = |field, problem: &str| BadAgent { agent: settings.name.clone(), field, problem: problem.to_owned() };
    let is_name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    if settings.name.is_empty() || !settings.name.chars().all(is_name) {
        return Err(bad("name", "has to be made of lower-case letters, digits and `-`"));
    }
    if settings.program.trim().is_empty() {
        return Err(bad("program", "is missing"));
    }
    let variables = settings.credential_variable.iter().map(|name| ("credentialVariable", name));
    let variables = variables.chain(settings.base_url_variable.iter().map(|name| ("baseUrlVariable", name)));
    for (field, name) in variables.chain(settings.env.keys().map(|name| ("env", name))) {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(bad(field, &format!("has `{name}`, which is no name of a variable")));
        }
    }
    for (field, values) in texts(settings) {
        for value in values {
            templates(field, value).map_err(|problem| bad(field, &problem))?;
        }
    }
    prompt(settings).map_err(|(field, problem)| bad(field, problem))?;
    match &settings.output {
        Output::JsonLines(lines) => match Reader::new(lines) {
            Ok(reader) => Ok(Some(reader)),
            Err((field, problem)) => Err(bad(field, &problem)),
        },
        Output::Text | Output::Acp => Ok(None),
    }
}

fn texts(settings: &CustomAgent) -> [(&'static str, Vec<&String>); 4] {
    [
        ("args", settings.args.iter().collect()),
        ("resumeArgs", settings.resume_args.iter().collect()),
        ("modelArgs", settings.model_args.iter().collect()),
        ("env", settings.env.values().collect()),
    ]
}

fn templates(field: &str, value: &str) -> Result<(), String> {
    let pieces = pieces(value).ok_or_else(|| format!("has a brace without its other half in `{value}`"))?;
    let known = |name: &str| NAMES.contains(&name) || (name == "prompt" && field == "args");
    match pieces.iter().filter_map(|piece| piece.name()).find(|name| !known(name)) {
        Some(name) => Err(format!("has `{{{name}}}`; known are {}", NAMES.join(", "))),
        None => Ok(()),
    }
}

/// Whether the prompt goes in by one way, and by that alone.
fn prompt(settings: &CustomAgent) -> Result<(), (&'static str, &'static str)> {
    let uses = |name: &str| {
        let values = texts(settings).into_iter().flat_map(|(_, values)| values);
        values.filter_map(|value| pieces(value)).flatten().any(|piece| piece.name() == Some(name))
    };
    let acp = settings.output == Output::Acp;
    match (settings.prompt, uses("prompt"), uses("prompt_file")) {
        (PromptBy::Argument, false, _) => Err(("args", "have to contain `{prompt}` where `prompt` is `argument`")),
        (PromptBy::File, _, false) => {
            Err(("args", "or `env` have to contain `{prompt_file}` where `prompt` is `file`"))
        }
        (PromptBy::Stdin | PromptBy::File, true, _) => {
            Err(("args", "contain `{prompt}`, for which `prompt` has to be `argument`"))
        }
        (PromptBy::Stdin | PromptBy::Argument, _, true) => {
            Err(("args", "or `env` contain `{prompt_file}`, for which `prompt` has to be `file`"))
        }
        (PromptBy::Argument | PromptBy::File, _, _) if acp => {
            Err(("prompt", "can't be set for the Agent Client Protocol, which brings it itself"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::custom::{Custom, CustomAgent};

    /// The field that is wrong in a description, and what is wrong with it.
    fn check(description: &str, expected: &str) {
        let settings: CustomAgent = serde_json::from_str(description).expect("a description");
        let shown =
            Custom::new(settings).map_or_else(|bad| format!("{}: {}", bad.field, bad.problem), |_| "fine".into());
        assert_eq!(shown, expected, "{description}");
    }

    #[test]
    fn an_error_names_the_field() {
        check(r#"{"name":"a","program":"p"}"#, "fine");
        check(r#"{"name":"A b","program":"p"}"#, "name: has to be made of lower-case letters, digits and `-`");
        check(r#"{"name":"a","program":" "}"#, "program: is missing");
        check(
            r#"{"name":"a","program":"p","args":["{modell}"]}"#,
            "args: has `{modell}`; known are model, session, workspace, home, prompt_file",
        );
        check(
            r#"{"name":"a","program":"p","resumeArgs":["{model"]}"#,
            "resumeArgs: has a brace without its other half in `{model`",
        );
        check(r#"{"name":"a","program":"p","args":["{{}}"]}"#, "fine");
        check(r#"{"name":"a","program":"p","env":{"A=B":"1"}}"#, "env: has `A=B`, which is no name of a variable");
        check(
            r#"{"name":"a","program":"p","prompt":"argument"}"#,
            "args: have to contain `{prompt}` where `prompt` is `argument`",
        );
        check(
            r#"{"name":"a","program":"p","args":["{prompt}"]}"#,
            "args: contain `{prompt}`, for which `prompt` has to be `argument`",
        );
        check(
            r#"{"name":"a","program":"p","args":["{prompt_file}"],"prompt":"file","output":{"format":"acp"}}"#,
            "prompt: can't be set for the Agent Client Protocol, which brings it itself",
        );
        check(
            r#"{"name":"a","program":"p","output":{"format":"json_lines","text":"a..b"}}"#,
            "output.text: has an empty part in `a..b`",
        );
        check(r#"{"name":"a","program":"p","output":{"format":"json_lines"}}"#, "output.text: is missing");
    }

    #[test]
    fn a_field_that_is_not_known_is_refused() {
        let result = serde_json::from_str::<CustomAgent>(r#"{"name":"a","program":"p","arg":[]}"#);
        assert!(result.is_err_and(|error| error.to_string().contains("unknown field `arg`")));
        let lines = r#"{"name":"a","program":"p","output":{"format":"json_lines","txt":"a"}}"#;
        assert!(serde_json::from_str::<CustomAgent>(lines).is_err_and(|error| error.to_string().contains("`txt`")));
    }
}
