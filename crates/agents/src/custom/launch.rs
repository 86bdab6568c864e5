//! How an agent of the operator's own is started.

use legwork_model::Task;

use super::Custom;
use super::settings::{CustomAgent, Output, PromptBy};
use crate::acp;
use crate::agent::{Credential, Launch, Setup, Stdin, placed};
use crate::environment::{environment, text};

/// Where the prompt is, for a program that reads it from a file.
const PROMPT_FILE: &str = ".legwork/prompt.txt";

/// What to start.
pub(super) fn launch(agent: &Custom, settings: &CustomAgent, task: &Task, setup: &Setup) -> Launch {
    let acp = settings.output == Output::Acp;
    let file = placed(PROMPT_FILE, &task.prompt);
    Launch {
        program: setup.program.clone(),
        args: args(settings, task, setup),
        env: env(agent, settings, task, setup),
        files: if settings.prompt == PromptBy::File { vec![file] } else { Vec::new() },
        stdin: if acp { acp::stdin() } else { stdin(settings.prompt, task) },
        serves: acp,
        http: None,
    }
}

fn stdin(prompt: PromptBy, task: &Task) -> Stdin {
    let bytes = if prompt == PromptBy::Stdin { task.prompt.clone().into_bytes() } else { Vec::new() };
    Stdin { bytes, open_until_turn_ends: false }
}

fn args(settings: &CustomAgent, task: &Task, setup: &Setup) -> Vec<String> {
    let resume = task.resume_session.iter().flat_map(|_| &settings.resume_args);
    let model = task.model.iter().flat_map(|_| &settings.model_args);
    let all = settings.args.iter().chain(model).chain(resume);
    all.filter_map(|template| filled(template, task, setup)).collect()
}

/// What the operator sets comes last, so that nothing is set over it.
fn env(agent: &Custom, settings: &CustomAgent, task: &Task, setup: &Setup) -> Vec<(String, String)> {
    let mut env = environment(agent, task, setup, []);
    let own = settings.env.iter().filter_map(|(name, value)| Some((name.clone(), filled(value, task, setup)?)));
    let secret = setup.credential.as_ref().and_then(Credential::secret).map(str::to_owned);
    let credential = settings.credential_variable.clone().zip(secret);
    let base_url = settings.base_url_variable.clone().zip(setup.base_url.clone());
    for (name, value) in own.chain(credential).chain(base_url) {
        env.retain(|(known, _)| *known != name);
        env.push((name, value));
    }
    env
}

/// A template with what it names; `None` where the run does not have that.
fn filled(template: &str, task: &Task, setup: &Setup) -> Option<String> {
    let value = |piece: Piece<'_>| match piece {
        Piece::Text(text) => Some(text.to_owned()),
        Piece::Name("model") => task.model.clone(),
        Piece::Name("session") => task.resume_session.clone(),
        Piece::Name("workspace") => Some(text(&setup.workspace)),
        Piece::Name("home") => Some(text(&setup.home)),
        Piece::Name("prompt_file") => Some(text(&setup.home.join(PROMPT_FILE))),
        Piece::Name("prompt") => Some(task.prompt.clone()),
        Piece::Name(_) => None,
    };
    pieces(template)?.into_iter().map(value).collect()
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// Stands for what a run has of that name.
    Name(&'a str),
}

impl<'a> Piece<'a> {
    pub(super) fn name(self) -> Option<&'a str> {
        match self {
            Self::Text(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// The parts of a template; `None` where a brace has no other half.
pub(super) fn pieces(mut template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    while let Some(at) = template.find(['{', '}']) {
        let (before, rest) = template.split_at(at);
        pieces.push(Piece::Text(before));
        let doubled = rest.starts_with("{{") || rest.starts_with("}}");
        template = if doubled {
            pieces.push(Piece::Text(&rest[..1]));
            &rest[2..]
        } else {
            let (name, rest) = rest.strip_prefix('{')?.split_once('}')?;
            pieces.push(Piece::Name(name));
            rest
        };
    }
    pieces.push(Piece::Text(template));
    Some(pieces)
}
