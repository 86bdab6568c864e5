//! `legwork serve`

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use legwork_model::{Ids, SystemClock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Failure, load_config};
use crate::alarm;
use crate::app::secrets_of;
use crate::config::{Config, Environment, LogFormat};
use crate::doors::web::metrics;
use crate::lifecycle::heed_signals;
use crate::mask::Mask;
use crate::service::{Parts, Service};

/// Serves the API and runs jobs.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port to listen on [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where everything is kept [default: legwork-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Agents talk to a scripted model inside Legwork: no key, no cost
    #[arg(long)]
    rehearse: bool,
}

impl Serve {
    /// Runs until a signal ends the process.
    ///
    /// # Errors
    /// Where the service can't start.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        self.run_with(environment, |_| {}).await
    }

    /// The same with settings that another command makes.
    pub(super) async fn run_with(
        self,
        environment: Environment,
        change: impl FnOnce(&mut Config),
    ) -> Result<(), Failure> {
        let mut config = load_config(self.config.as_deref(), &environment)?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        config.data_dir = self.data_dir.unwrap_or(config.data_dir);
        config.rehearsal.enabled |= self.rehearse;
        change(&mut config);
        let mask = Mask::new(secrets_of(&config));
        serve(config, environment, mask.clone()).await.map_err(|failure| failure.without_secrets(&mask))
    }
}

/// Takes as many descriptors as the system allows: each open stream of a model is two.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::debug!(%error, "no more descriptors can be had");
    }
}

async fn serve(config: Config, environment: Environment, mask: Mask) -> Result<(), Failure> {
    log_to_stderr(&config, mask.of_all())?;
    let _told = config.log.sentry_dsn.as_ref().map(|dsn| alarm::init(dsn, mask.of_all()));
    raise_descriptors();
    let rehearses = config.rehearsal.enabled;
    let parts = Parts {
        clock: Arc::new(SystemClock),
        ids: Arc::new(Ids::from_system()),
        environment,
        metrics: metrics::install().map_err(|error| Failure::new(error.to_string()))?,
        supervisor: own_program(),
        mask,
        own_key: None,
    };
    let service = Service::start(config, parts).await?;
    tokio::spawn(heed_signals(service.app.phase.clone()));
    let (listener, confined) = service.listen().await?;
    let address = listener.local_addr().map_err(|error| Failure::new(error.to_string()))?;
    service.announce(address);
    announce(&format!("legwork listening on http://{address}"));
    if confined {
        eprintln!(
            "There are no API keys, so only this machine is served. Make one to listen on other addresses: legwork key create --name NAME --permissions execute,read"
        );
    } else if !service.app.keyring.is_needed().await.unwrap_or(true) {
        eprintln!("There are no API keys: everybody on this machine may use this server, nobody else.");
    }
    if service.app.config.doors.any_signed() {
        eprintln!("Signed doors are open to whoever knows their secret, from every address that is listened on.");
    }
    if rehearses {
        eprintln!(
            "Rehearsal: agents talk to a scripted model, nothing is spent. Leave out --rehearse for the real one."
        );
    }
    service.serve(listener).await;
    Ok(())
}

/// This program, also where its file was replaced since.
fn own_program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok().filter(|program| program.is_file());
    Some(own.unwrap_or_else(|| "/proc/self/exe".into()))
}

/// The one line on standard output, for scripts that wait for it. Nobody may be reading.
fn announce(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn log_to_stderr(config: &Config, mask: Mask) -> Result<(), Failure> {
    let wrong = |error: String| Failure::new(format!("log.filter: {error}"));
    let filter =
        tracing_subscriber::EnvFilter::try_new(&config.log.filter).map_err(|error| wrong(error.to_string()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(mask);
    let installed = match config.log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    installed.map_err(|error| wrong(error.to_string()))?;
    // What panics say goes the same way.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Ok(())
}
