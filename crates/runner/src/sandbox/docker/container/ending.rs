//! How a container ends, and what is to be said about that.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{ContainerArchiveInfoOptionsBuilder, KillContainerOptionsBuilder};
use legwork_model::{Failure, FailureReason};
use tokio::time::timeout;

use super::{End, Inside, watched};

/// What shells and inits leave with where there is no such program, or it is none.
const NO_PROGRAM: [i64; 2] = [126, 127];

/// How long the engine may take to notice that a process was killed.
const NOTICE: Duration = Duration::from_secs(2);

/// Tells everybody but the first process and the shell itself.
const TELL_ALL: &str = "kill -s TERM -- -1";

/// Where programs are looked for in an image that does not say.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What was to be started, to be named where it turns out that the image does not have it.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Sought {
    pub(in super::super) program: Option<String>,
    pub(in super::super) hint: String,
}

impl Inside {
    /// Ends all its processes, `SIGTERM` first where the first one still runs, finds out what there is to say about
    /// that, and removes it.
    pub(super) async fn end(
        self: Arc<Self>,
        grace: Duration,
        mut end: End,
        sought: Sought,
        failure: Arc<OnceLock<Failure>>,
    ) {
        if end.borrow().is_none() {
            let ended = async {
                self.tell_all().await;
                let _ = end.wait_for(Option::is_some).await;
            };
            let _ = timeout(grace, ended).await;
        }
        if end.borrow().is_none() && self.known.is_podman {
            // How a container ended that is removed while it runs, Podman does not always tell.
            self.signal("SIGKILL").await;
            let _ = timeout(NOTICE, end.wait_for(Option::is_some)).await;
        }
        let known = end.borrow().clone();
        if let Some(found) = self.failure_of(known, &sought).await {
            let _ = failure.set(found);
        }
        self.remove().await;
    }

    /// Kills the first process, and waits for its end.
    pub(in super::super) async fn stopped(&self) -> bool {
        let killed = self.signal("SIGKILL").await;
        let mut end = watched(&self.known, &self.id);
        killed && end.wait_for(Option::is_some).await.is_ok()
    }

    /// Sends a signal to the first process; says whether it is there to get it.
    async fn signal(&self, signal: &str) -> bool {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        self.known.docker.kill_container(&self.id, Some(options)).await.is_ok()
    }

    /// A signal from the engine reaches the first process alone.
    async fn tell_all(&self) {
        if !self.asked(TELL_ALL).await {
            self.signal("SIGTERM").await;
        }
    }

    /// The limit that was reached, or what else kept the agent from going on.
    pub(in super::super) async fn failure_of(
        &self,
        end: Option<Result<i64, String>>,
        sought: &Sought,
    ) -> Option<Failure> {
        let found = self.known.inspect(&self.id).await;
        match (found, end) {
            (Ok(found), _) if is_out_of_memory(&found) => Some(out_of_memory(&found)),
            (Ok(found), _) if self.refused() > 0 => Some(too_many_processes(&found)),
            (Ok(found), Some(Ok(code))) if NO_PROGRAM.contains(&code) => self.without_program(&found, sought).await,
            (_, Some(Err(message))) => Some(lost(&message)),
            (Err(error), _) => Some(lost(&error.to_string())),
            (Ok(_), _) => None,
        }
    }

    /// Whether it ended because its program is not in the image.
    async fn without_program(&self, found: &ContainerInspectResponse, sought: &Sought) -> Option<Failure> {
        let program = sought.program.as_deref()?;
        let config = found.config.as_ref();
        let path = config.and_then(|config| config.env.as_ref()?.iter().find_map(|line| line.strip_prefix("PATH=")));
        let path = path.unwrap_or(USUAL_PATH);
        for place in places(program, path) {
            let options = ContainerArchiveInfoOptionsBuilder::default().path(&place).build();
            if self.known.docker.get_container_archive_info(&self.id, Some(options)).await.is_ok() {
                return None;
            }
        }
        let image = config.and_then(|config| config.image.as_deref()).unwrap_or_default();
        let message = format!("The image {image} has no program `{program}` (PATH: {path}). {}", sought.hint);
        Some(Failure::new(FailureReason::SpawnFailed, message))
    }
}

fn places(program: &str, path: &str) -> Vec<String> {
    if program.starts_with('/') {
        vec![program.to_owned()]
    } else {
        path.split(':').map(|place| format!("{place}/{program}")).collect()
    }
}

fn is_out_of_memory(found: &ContainerInspectResponse) -> bool {
    found.state.as_ref().is_some_and(|state| state.oom_killed == Some(true))
}

fn out_of_memory(found: &ContainerInspectResponse) -> Failure {
    let most = found.host_config.as_ref().and_then(|config| config.memory).unwrap_or_default();
    let message = format!("The processes of the agent took more memory than their {most} bytes.");
    Failure::new(FailureReason::MemoryLimit, message)
}

fn too_many_processes(found: &ContainerInspectResponse) -> Failure {
    let most = found.host_config.as_ref().and_then(|config| config.pids_limit).unwrap_or_default();
    let message = format!("It wanted more than {most} processes and threads at once. Allow it more (`sandbox.pids`).");
    Failure::new(FailureReason::PidsLimit, message)
}

fn lost(message: &str) -> Failure {
    let message = format!("The container engine went away while the agent worked ({message}).");
    Failure::new(FailureReason::SandboxUnavailable, message)
}
