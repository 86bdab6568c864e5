//! What the machine has to offer.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use legwork_runner::Runner;

use super::report::Check;
use super::version;
use crate::executor::{Probe, find_program};

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

/// What could isolate agents. Nothing needs it today.
pub(super) async fn sandboxes(path: &str, docker_host: Option<&str>, probe: Option<&Probe>) -> [Check; 2] {
    let bubblewrap = match find_program("bwrap".as_ref(), path) {
        Some(program) => match version(probe, &program).await {
            Ok(version) => format!("{} ({version})", program.display()),
            Err(why) => format!("{} does not work: {why}", program.display()),
        },
        None => "not found in PATH; not needed".to_owned(),
    };
    [Check::info("bubblewrap", bubblewrap), Check::info("docker", docker(docker_host))]
}

fn docker(host: Option<&str>) -> String {
    if let Some(host) = host.filter(|host| !host.starts_with("unix://")) {
        return format!("DOCKER_HOST is {host}");
    }
    let socket = host.and_then(|host| host.strip_prefix("unix://")).unwrap_or("/var/run/docker.sock");
    match fs::metadata(socket) {
        Ok(file) if file.file_type().is_socket() => format!("socket {socket}"),
        _ => format!("no socket {socket}; not needed"),
    }
}
