//! Has a shell inside a container do something, as the user of the agent.

use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::StreamExt;

use super::Inside;

impl Inside {
    /// Waits for the end of a script, and says whether there is a shell and it went well.
    pub(in super::super) async fn asked(&self, script: &str) -> bool {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            cmd: Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec()),
            user: Some(self.user.to_string()),
            working_dir: Some("/".to_owned()),
            ..CreateExecOptions::default()
        };
        let Ok(exec) = self.known.docker.create_exec(&self.id, options).await else { return false };
        let started = self.known.patient().start_exec(&exec.id, None).await;
        let Ok(StartExecResults::Attached { mut output, .. }) = started else { return false };
        while output.next().await.is_some() {}
        let ended = self.known.docker.inspect_exec(&exec.id).await;
        ended.is_ok_and(|ended| ended.exit_code == Some(0))
    }
}
