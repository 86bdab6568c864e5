//! The whole service in this process, for one command, reached the way any other is: over HTTP, with a key of its own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use legwork_model::{ExecutionState, Ids, SystemClock};
use tokio::task::JoinHandle;

use crate::app::{App, DataDir, StartError, hex, make_data_dir, secrets_of};
use crate::commands::client::Client;
use crate::commands::{Failure, UNAVAILABLE};
use crate::config::{Config, Environment, LaneSettings, Secret};
use crate::doors::web::metrics;
use crate::lifecycle::{Phase, Stage};
use crate::mask::Mask;
use crate::service::{Parts, Service};
use crate::store::StoreError;
use crate::store::cancel::Cancel;
use crate::store::executions::Filter;

/// Beginning of the lanes of such runs.
const LANE: &str = "terminal-";
/// Jobs of dead terminals that are looked at.
const MOST_STALE: u64 = 1_000;

/// A service that serves this process alone.
pub(super) struct Local {
    client: Client,
    lane: String,
    phase: Phase,
    serving: JoinHandle<()>,
}

impl Local {
    /// Starts a service on a port of its own.
    pub(super) async fn start(mut config: Config, environment: Environment) -> Result<Self, Failure> {
        let ids = Ids::from_system();
        let (key, lane) = (hex(&ids.secret()), format!("{LANE}{}", &hex(&ids.secret())[..8]));
        // A lane of its own: jobs that wait in the data directory for a server are not begun by a process that is about
        // to end.
        config.lanes = [(lane.clone(), LaneSettings { concurrency: 1 })].into();
        config.server.listen = "127.0.0.1:0".to_owned();
        keep_out_of_git(&config.data_dir)?;
        let mask = Mask::new(secrets_of(&config));
        log_errors(&mask);
        let parts = Parts {
            clock: Arc::new(SystemClock),
            ids: Arc::new(ids),
            environment,
            metrics: metrics::install().map_err(|error| Failure::new(error.to_string()))?,
            supervisor: None,
            mask: mask.clone(),
            own_key: Some(key.clone()),
        };
        let service =
            Service::start(config, parts).await.map_err(|error| not_started(&error).without_secrets(&mask))?;
        cancel_stale(&service.app).await.map_err(|error| unavailable(error.to_string()))?;
        let (listener, _) = service.listen().await.map_err(|error| not_started(&error))?;
        let address = listener.local_addr().map_err(|error| unavailable(error.to_string()))?;
        let base =
            format!("http://{address}").parse().map_err(|error: url::ParseError| unavailable(error.to_string()))?;
        let phase = service.app.phase.clone();
        let serving = tokio::spawn(service.serve(listener));
        Ok(Self { client: Client::new(base, Some(Secret::new(key)))?, lane, phase, serving })
    }

    /// A client of the service.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The only lane of the service.
    pub(super) fn lane(&self) -> &str {
        &self.lane
    }

    /// Ends whatever still runs, then the service.
    pub(super) async fn end(self) {
        self.phase.advance(Stage::Ending);
        // It only fails where it panicked, and then it has ended too.
        let _ = self.serving.await;
    }
}

/// Lets agents work in `dir`; gives it as the request names it.
pub(super) fn allow(dir: &str, config: &mut Config) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("--workspace {dir}: {why}"));
    let path = fs::canonicalize(dir).map_err(|error| wrong(&error))?;
    if !path.is_dir() {
        return Err(wrong(&"is not a directory"));
    }
    let text = path.to_str().ok_or_else(|| wrong(&"is not UTF-8 once resolved"))?.to_owned();
    config.workspaces.roots.push(path);
    Ok(text)
}

/// The data directory may well lie in the workspace: it is no part of the project there, nor of the run's patch.
fn keep_out_of_git(data_dir: &Path) -> Result<(), Failure> {
    make_data_dir(data_dir).map_err(|error| unavailable(error.to_string()))?;
    let path = data_dir.join(".gitignore");
    if !path.exists() {
        // Without it everything works too.
        let _ = fs::write(path, "*\n");
    }
    Ok(())
}

/// A terminal that was killed before its job began leaves it to nobody.
async fn cancel_stale(app: &App) -> Result<(), StoreError> {
    let waiting = Filter { state: Some(ExecutionState::Queued), ..Filter::default() };
    let waiting = app.store.executions(&waiting, MOST_STALE).await?;
    // Of a database that several machines share, only those are surely dead that have waited for long.
    let now = app.clock.now();
    let is_dead = |created| !app.store.is_shared() || now.millis_since(created) > 60_000;
    for job in waiting.into_iter().filter(|job| job.lane.starts_with(LANE) && is_dead(job.created_at)) {
        app.store.write(Cancel { id: job.id, message: "Its terminal was closed.".into(), now }).await?;
    }
    Ok(())
}

/// The service's own log is for servers; here only what went wrong counts.
fn log_errors(mask: &Mask) {
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(mask.of_all());
    // Fails where there is a log already.
    let _ = log.try_init();
}

fn not_started(error: &StartError) -> Failure {
    let StartError::DataDirInUse(dir) = error else { return unavailable(error.to_string()) };
    let shown = dir.display();
    unavailable(match DataDir::served_at(dir) {
        Some(address) => format!(
            "the data directory {shown} is in use by a server: give it the job with --server http://{address}, or choose \
             another directory with --data-dir"
        ),
        None => format!(
            "the data directory {shown} is in use by another run: wait for its end, or choose another directory with \
             --data-dir"
        ),
    })
}

fn unavailable(message: String) -> Failure {
    Failure { message, code: UNAVAILABLE }
}
