//! Ends and removes what dead runs of this node left on the machine, where no server does it.

use legwork_model::Ids;
use legwork_runner::{RunDirs, Runner};

use super::report::Check;
use crate::app::{DataDir, StartError};
use crate::config::Config;
use crate::executor::{docker, sandboxed};

/// Sweeps, and says what there was.
pub(super) async fn sweep(config: &Config, path: &str) -> Check {
    match DataDir::open(&config.data_dir) {
        Ok(data_dir) => {
            let swept = swept(config, path, &data_dir).await;
            swept.unwrap_or_else(|why| Check::warning("sweep", why, "Correct that, and sweep again."))
        }
        Err(StartError::DataDirInUse(_)) => Check::info(
            "sweep",
            "a server uses the data directory; it sweeps by itself, at its start and every few minutes",
        ),
        Err(error) => Check::warning("sweep", error.to_string(), "Correct that, and sweep again."),
    }
}

async fn swept(config: &Config, path: &str, data_dir: &DataDir) -> Result<Check, String> {
    let node = data_dir.node(&Ids::from_system()).map_err(|error| error.to_string())?;
    let docker = docker(&config.sandbox.docker, &node, data_dir.path());
    let runner = Runner::new().map_err(|error| error.to_string())?;
    let runner = sandboxed(runner, &config.sandbox, &docker, path);
    // It is only asked for its runs, never started.
    let runner = runner.with_supervisor("/proc/self/exe".into(), Vec::new(), data_dir.path().join("supervisors"));
    let alive = runner.survivors().await.map_err(|error| error.to_string())?.len();
    if alive > 0 {
        return Ok(Check::info("sweep", format!("{alive} runs go on without a server; the next one takes them up")));
    }
    let processes = runner.sweep(&node).await.map_err(|error| error.to_string())?.len();
    let runs = data_dir.runs().map_err(|error| error.to_string())?;
    RunDirs::remove_abandoned(&runs).map_err(|error| error.to_string())?;
    let containers = match config.sandbox.docker.socket.exists() {
        true => docker.sweep(&[]).await.map_err(|error| error.to_string())?.len(),
        false => 0,
    };
    Ok(Check::ok("sweep", format!("ended {processes} processes, removed {containers} containers of dead runs")))
}
