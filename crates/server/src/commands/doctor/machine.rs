//! What the machine has to offer.

use std::path::Path;

use legwork_model::{Egress, SandboxKind, Verdict};
use legwork_runner::{Runner, Works};

use super::report::Check;
use super::version;
use crate::config::SandboxSettings;
use crate::executor::{Kinds, Probe, docker, find_program, sandboxed};

/// Whether processes can be kept together. If so, programs can be asked.
pub(super) fn processes(scratch: &Path, path: &str) -> (Check, Option<Probe>) {
    match Runner::new() {
        Ok(runner) => {
            let probe = Probe { runner, scratch: scratch.to_owned(), path: path.to_owned(), node: "doctor".to_owned() };
            (Check::ok("processes", "/proc is there, orphans come back to Legwork"), Some(probe))
        }
        Err(error) => {
            let fix = "Legwork needs Linux 3.4 or later with /proc mounted.";
            (Check::missing("processes", format!("can't be kept together: {error}"), fix), None)
        }
    }
}

/// Runs work without git, but nothing can be cloned and there are no patches.
pub(super) async fn git(path: &str, probe: Option<&Probe>) -> Check {
    let fix =
        "Install git, for instance with `apt-get install git`: without it there are no repositories and no patches.";
    let Some(program) = find_program("git".as_ref(), path) else {
        return Check::warning("git", "not found in PATH", fix);
    };
    match version(probe, &program).await {
        Ok(version) => Check::ok("git", format!("{} ({version})", program.display())),
        Err(why) => Check::warning("git", format!("{} does not work: {why}", program.display()), fix),
    }
}

/// Asked for only where repositories may be cloned over SSH.
pub(super) fn ssh(path: &str) -> Check {
    let fix = "Install OpenSSH's client, for instance with `apt-get install openssh-client`.";
    match find_program("ssh".as_ref(), path) {
        Some(program) => Check::ok("ssh", program.display().to_string()),
        None => Check::missing("ssh", "not found in PATH, and `ssh` is among `repositories.schemes`", fix),
    }
}

/// Each kind of sandbox, and the one that a run gets which asks for none.
pub(super) async fn sandboxes(settings: &SandboxSettings, path: &str) -> Vec<Check> {
    let Ok(runner) = Runner::new() else { return Vec::new() };
    let docker = docker(&settings.docker, "doctor", Path::new("/nonexistent"));
    let runner = sandboxed(runner, settings, &docker, path);
    let kinds = Kinds::default();
    let mut checks: Vec<Check> =
        kinds.found(&runner).await.iter().map(|(kind, found)| sandbox(*kind, found, settings.kind)).collect();
    checks.push(match kinds.choose(&runner, &docker, settings.kind, settings.egress).await {
        Ok((kind, egress)) => chosen(kind, egress),
        Err(why) => {
            let why = match why {
                Verdict::Failed(failure) => failure.message,
                Verdict::Succeeded | Verdict::Cancelled { .. } => String::new(),
            };
            Check::missing("runs", why, "Choose another kind or egress under [sandbox] in the settings.")
        }
    });
    checks
}

fn sandbox(kind: SandboxKind, found: &Result<Works, String>, wanted: SandboxKind) -> Check {
    let name = format!("sandbox {}", kind.as_str());
    match found {
        Ok(Works { made_of, no_network: None }) => Check::ok(&name, made_of),
        Ok(Works { made_of, no_network: Some(why) }) => {
            Check::info(&name, format!("{made_of}; no network of its own: {why}"))
        }
        Err(why) if kind == wanted => {
            Check::missing(&name, why, "It is the one that runs are to have: sandbox.kind in the settings.")
        }
        Err(why) => Check::info(&name, why),
    }
}

fn chosen(kind: SandboxKind, egress: Egress) -> Check {
    let reach = match egress {
        Egress::Enforce => "listed hosts alone",
        Egress::Observe => "every public host, observed",
        Egress::Public => "every public host",
        Egress::Open => "whatever this machine does",
    };
    let found = format!("{}, reaching {reach}", kind.as_str());
    if kind == SandboxKind::Process {
        let fix = "Install bubblewrap (`apt-get install bubblewrap`), so that agents see no files and no network of this machine.";
        return Check::warning("runs", format!("{found}: nothing isolates agents"), fix);
    }
    Check::ok("runs", found)
}
