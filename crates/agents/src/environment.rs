//! The environment that every agent gets, and what of it no task may set.

use std::path::Path;

use legwork_model::Task;

use crate::agent::{Agent, Setup};

/// What a task may not set, whatever its agent: where the agent lives, what code it, its loader and its shell load, and who
/// sees its traffic.
pub(crate) const RESERVED: &[&str] = &[
    "HOME",
    "PATH",
    "PWD",
    "SHELL",
    "TMPDIR",
    "XDG_*",
    "LEGWORK_*",
    // Code that the agent's runtime, its loader or its shell would run.
    "BASH_ENV",
    "BUN_*",
    "DYLD_*",
    "ENV",
    "LD_*",
    "NODE_*",
    // Who sees and who may vouch for the traffic that carries the credential.
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_*",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    // Programs that git would run.
    "GIT_ASKPASS",
    "GIT_CONFIG*",
    "GIT_EXEC_PATH",
    "GIT_SSH*",
];

/// Whether `name` is one of `names`: exact, or a prefix that ends in `*`.
pub(crate) fn is_among(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *known,
    })
}

/// The whole environment of `agent`: what all get, its `own`, and what the task sets that is not reserved.
pub(crate) fn environment(
    agent: &dyn Agent,
    task: &Task,
    setup: &Setup,
    own: impl IntoIterator<Item = (&'static str, String)>,
) -> Vec<(String, String)> {
    let common = [
        ("PATH", setup.path.clone()),
        ("HOME", text(&setup.home)),
        ("TMPDIR", text(&setup.tmp)),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
    ];
    let all = common.into_iter().chain(own).map(|(name, value)| (name.to_owned(), value));
    let mut env: Vec<(String, String)> = all.collect();
    for (name, value) in task.env.iter().filter(|(name, _)| !agent.reserves_env(name)) {
        env.retain(|(known, _)| known != name);
        env.push((name.clone(), value.clone()));
    }
    env
}

/// A path as an argument or the value of a variable.
pub(crate) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
