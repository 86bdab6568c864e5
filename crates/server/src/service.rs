//! Starting the whole service in one process, and ending it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use legwork_gateway::rehearsal::{Rehearsal, Script};
use legwork_model::{Clock, Ids};
use legwork_runner::{Docker, Runner};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::admission::Keyring;
use crate::app::{App, DataDir, StartError, open_store, secrets_of};
use crate::config::{Config, Environment};
use crate::doors::{Doors, Statistics, listen, redis, router};
use crate::events::Hub;
use crate::executor::{
    Bells, Executor, HealthCache, Kinds, Model, Models, Programs, Uplinks, Vault, WarmPool, docker, keep, sandboxed,
};
use crate::lifecycle::{Phase, Stage, drain};
use crate::mask::Mask;
use crate::scheduler::{Command, Lanes, Schedule, SchedulerHandle, beat, prune, recover, rescue, schedule};

/// How long deliveries may take when everything else has ended.
const LAST_GRACE: Duration = Duration::from_secs(10);

/// How long the runs of an earlier process may take to be known again.
const TAKING_UP: Duration = Duration::from_secs(60);

/// What a service is made of, beside its settings.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Arc<Ids>,
    /// The environment of the process.
    pub environment: Environment,
    /// The metrics of the process.
    pub metrics: PrometheusHandle,
    /// The program that supervises runs, called with `supervise`, where runs may outlive this process.
    pub supervisor: Option<PathBuf>,
    /// Keeps secrets out of what the process shows; the service adds those that it learns of.
    pub mask: Mask,
    /// A key that this process makes for itself; then every caller needs a key.
    pub own_key: Option<String>,
}

/// A running service.
pub struct Service {
    /// Its parts.
    pub app: App,
    /// The owner of its runs.
    pub scheduler: SchedulerHandle,
    metrics: PrometheusHandle,
    statistics: Statistics,
    redis: Option<redis::Link>,
    tasks: TaskTracker,
    agents: Vec<JoinHandle<()>>,
    rehearsal: Option<Rehearsal>,
    data_dir: DataDir,
}

impl Service {
    /// Opens the database, cleans up after an earlier process of this node, and begins to run what waits.
    ///
    /// # Errors
    /// Where the data directory, the database or the rehearsal model can't be used.
    pub async fn start(config: Config, parts: Parts) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let node = data_dir.node(&parts.ids)?;
        let store = open_store(&config, data_dir.path()).await?;
        let rehearsal = start_rehearsal(&config, &data_dir).await?;
        let model = rehearsal
            .as_ref()
            .map_or(Model::Configured, |rehearsal| Model::Rehearsal { base_url: rehearsal.base_url() });
        let redis = config.redis.url.as_ref().map(redis::link).transpose().map_err(StartError::Redis)?;
        let mask = parts.mask.clone();
        mask.learn(secrets_of(&config));
        let warm = WarmPool::new(config.warm.clone(), config.sandbox.docker.sleep_after);
        let config = Arc::new(config);
        let path = parts.environment.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
        let docker = docker(&config.sandbox.docker, &node, data_dir.path());
        let runner = start_runner(&config, path, &docker, parts.supervisor.as_deref(), data_dir.path()).await?;
        let models = start_models(&config, &data_dir, &parts)?;
        let uplinks = Uplinks::new(&config.sandbox, models.clone());
        let ssh = data_dir.ssh(&config.repositories)?;
        let executor = Arc::new(Executor {
            store,
            hub: Hub::default(),
            clock: Arc::clone(&parts.clock),
            config,
            runner,
            runs: data_dir.runs()?,
            askpass: data_dir.askpass()?,
            ssh,
            vault: Vault::new(mask.clone()),
            node,
            programs: Programs::new(data_dir.path(), path),
            path: path.to_owned(),
            model,
            mask,
            health: HealthCache::default(),
            phase: Phase::default(),
            bells: Bells::default(),
            kinds: Kinds::default(),
            docker,
            uplinks,
            models,
            warm,
        });
        let app = app_around(executor, &parts);
        let taken_up = recover(&app).await?;
        let scheduler = start_scheduler(&app);
        settle_models(&app, taken_up.is_empty());
        for (record, run) in taken_up {
            scheduler.tell(Command::TakenUp(Box::new(record), Box::new(run)));
        }
        let agents = start_caretakers(&app, &scheduler);
        let tasks = TaskTracker::new();
        if !app.config.server.ephemeral {
            tasks.spawn(keep(Arc::clone(&app.executor), app.phase.clone()));
        }
        Ok(Self {
            app,
            scheduler,
            metrics: parts.metrics,
            statistics: Statistics::default(),
            redis,
            tasks,
            agents,
            rehearsal,
            data_dir,
        })
    }

    /// All routes of the service.
    pub fn router(&self) -> Router {
        router(self.doors())
    }

    fn doors(&self) -> Doors {
        Doors {
            app: self.app.clone(),
            scheduler: self.scheduler.clone(),
            metrics: self.metrics.clone(),
            statistics: self.statistics.clone(),
            redis: self.redis.clone(),
            tasks: self.tasks.clone(),
        }
    }

    /// Listens on the configured address. Without any lock (API keys, signed doors) only on loopback: the address is
    /// changed, and `true` says so.
    ///
    /// # Errors
    /// Where the address is none or can't be listened on.
    pub async fn listen(&self) -> Result<(TcpListener, bool), StartError> {
        let wanted = self.app.config.server.listen.clone();
        let failed = |source| StartError::Listen { address: wanted.clone(), source };
        let mut address = tokio::net::lookup_host(&wanted)
            .await
            .map_err(failed)?
            .next()
            .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let config = &self.app.config;
        let others_may = config.doors.any_signed() || !config.server.trusted_networks.is_empty();
        let locked = others_may || self.app.keyring.is_needed().await?;
        let confined = !address.ip().is_loopback() && !locked;
        if confined {
            address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
        }
        Ok((TcpListener::bind(address).await.map_err(failed)?, confined))
    }

    /// Lets others who find the data directory in use know where this process serves.
    pub fn announce(&self, address: SocketAddr) {
        if let Err(error) = self.data_dir.announce(address) {
            tracing::warn!(%error, "failed to note the address in the data directory");
        }
    }

    /// Serves until the phase says that the end has come, then ends what runs and leaves nothing behind.
    pub async fn serve(self, listener: TcpListener) {
        let app = &self.app;
        let patience = Duration::from_secs(app.config.shutdown.drain_seconds);
        tokio::join!(
            listen::serve(listener, self.router(), &app.config.server, app.phase.clone()),
            drain(&app.phase, &self.scheduler, app.executor.runner.supervisor(), patience),
            redis::serve(self.doors()),
            strand(app),
        );
        self.tasks.close();
        if tokio::time::timeout(LAST_GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!("not all events were delivered that somebody wanted to have");
        }
        self.agents.iter().for_each(JoinHandle::abort);
        app.executor.docker.put_away().await;
        if let Some(rehearsal) = self.rehearsal {
            rehearsal.shutdown().await;
        }
    }
}

/// Ends what waits with credentials that only this process has, once it will not run it any more.
async fn strand(app: &App) {
    app.phase.reached(Stage::Draining).await;
    match app.store.pinned_to(&app.node).await {
        Ok(pinned) => {
            for lease in pinned {
                app.executor.lose(lease, "The server was shut down before it ran this job.", false).await;
            }
        }
        Err(error) => {
            tracing::error!(%error, "jobs that nobody else can run are left waiting; the next start ends them");
        }
    }
}

/// The service around what runs its jobs.
fn app_around(executor: Arc<Executor>, parts: &Parts) -> App {
    App {
        keyring: Arc::new(Keyring::new(executor.store.clone(), parts.own_key.as_deref())),
        store: executor.store.clone(),
        hub: executor.hub.clone(),
        clock: Arc::clone(&parts.clock),
        ids: Arc::clone(&parts.ids),
        node: executor.node.clone(),
        mask: executor.mask.clone(),
        phase: executor.phase.clone(),
        config: Arc::clone(&executor.config),
        executor,
    }
}

/// Starts what goes on beside requests and runs for as long as the service does.
fn start_caretakers(app: &App, scheduler: &SchedulerHandle) -> Vec<JoinHandle<()>> {
    let (runner, executor) = (app.executor.runner.clone(), Arc::clone(&app.executor));
    vec![
        tokio::spawn(beat(app.clone(), scheduler.clone())),
        tokio::spawn(rescue(app.clone(), scheduler.clone())),
        tokio::spawn(prune(app.clone())),
        tokio::spawn(async move { runner.reap_forever().await }),
        tokio::spawn(async move { executor.sweep_containers_forever().await }),
    ]
}

fn start_scheduler(app: &App) -> SchedulerHandle {
    schedule(Schedule {
        store: app.store.clone(),
        hub: app.hub.clone(),
        clock: Arc::clone(&app.clock),
        node: app.node.clone(),
        lease_millis: app.lease_millis(),
        lanes: Lanes::new(&app.config.lanes, app.config.server.ephemeral),
        executor: Arc::clone(&app.executor),
        ends_after_one: app.config.server.ephemeral.then(|| app.phase.clone()),
    })
}

/// What starts the processes of runs, with its supervisor where runs are to outlive this process.
async fn start_runner(
    config: &Config,
    path: &str,
    docker: &Docker,
    supervisor: Option<&Path>,
    data_dir: &Path,
) -> Result<Runner, StartError> {
    let failed = |source| StartError::Processes { source };
    let runner = sandboxed(Runner::new().map_err(failed)?, &config.sandbox, docker, path);
    let Some(program) = supervisor.filter(|_| config.runs.detach && !config.server.ephemeral) else {
        return Ok(runner);
    };
    let runner = runner.with_supervisor(program.into(), vec!["supervise".into()], data_dir.join("supervisors"));
    if let Some(supervisor) = runner.supervisor() {
        supervisor.prepare().await.map_err(failed)?;
    }
    Ok(runner)
}

/// The model proxy, unless agents are to have their credentials.
fn start_models(config: &Config, data_dir: &DataDir, parts: &Parts) -> Result<Option<Arc<Models>>, StartError> {
    if !config.gateway.enabled {
        return Ok(None);
    }
    let key = data_dir.token_key(&parts.ids)?;
    Models::start(config, data_dir, key, &parts.clock).map(Arc::new).map(Some)
}

/// Tells the model proxy when all runs are known: at once, where none has to be taken up first.
fn settle_models(app: &App, at_once: bool) {
    let Some(models) = app.executor.models.clone() else { return };
    if at_once {
        return models.settle();
    }
    tokio::spawn(async move {
        tokio::time::sleep(TAKING_UP).await;
        models.settle();
    });
}

async fn start_rehearsal(config: &Config, data_dir: &DataDir) -> Result<Option<Rehearsal>, StartError> {
    if !config.rehearsal.enabled {
        return Ok(None);
    }
    let script = config.rehearsal.script.as_deref().map(Script::load).transpose();
    let script = script.map_err(|error| StartError::Rehearsal(error.to_string()))?;
    let started = Rehearsal::start(script, data_dir.rehearsal_port()).await;
    let rehearsal = started.map_err(|error| StartError::Rehearsal(error.to_string()))?;
    data_dir.keep_rehearsal_port(rehearsal.port());
    Ok(Some(rehearsal))
}
