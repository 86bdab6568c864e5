//! What one server process consists of.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use legwork_agents::Credential;
use legwork_model::{Clock, Ids};
use legwork_runner::workspace::{Ssh, write_askpass};
use sha2::{Digest, Sha256};

use crate::admission::Keyring;
use crate::config::{Config, RepositorySettings, Secret};
use crate::events::Hub;
use crate::executor::Executor;
use crate::lifecycle::Phase;
use crate::mask::Mask;
use crate::store::append::Lease;
use crate::store::{Store, StoreError};

/// Everything the parts of the service share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The settings.
    pub config: Arc<Config>,
    /// The database.
    pub store: Store,
    /// Live readers.
    pub hub: Hub,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids and randomness.
    pub ids: Arc<Ids>,
    /// This node's name in leases and cookies; stays the same over restarts.
    pub node: String,
    /// Who may do what.
    pub keyring: Arc<Keyring>,
    /// Runs agents.
    pub executor: Arc<Executor>,
    /// Secrets to keep out of everything that is shown.
    pub mask: Mask,
    /// Where the process stands between start and end.
    pub phase: Phase,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory can't be used.
    #[error("failed to use the data directory {path}: {source}")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process uses the data directory.
    #[error("the data directory {0} is in use by another legwork process; stop it, or choose another with --data-dir")]
    DataDirInUse(PathBuf),
    /// The database can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The processes of runs could not be kept together.
    #[error("failed to prepare for running agents: {source}")]
    Processes {
        /// Why.
        source: io::Error,
    },
    /// The model proxy can't be started.
    #[error("failed to start the model proxy: {0}")]
    Gateway(String),
    /// The rehearsal model can't be started.
    #[error("failed to start the rehearsal model: {0}")]
    Rehearsal(String),
    /// The URL of Redis is none.
    #[error("redis.url: {0}")]
    Redis(String),
    /// The address can't be listened on.
    #[error("failed to listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
}

impl App {
    /// How long a lease holds, in milliseconds.
    pub fn lease_millis(&self) -> i64 {
        self.executor.lease_millis()
    }
}

/// The data directory, held by this process alone until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: fs::File,
}

const REHEARSAL_PORT: &str = "rehearsal.port";
const GATEWAY_PORT: &str = "gateway.port";

impl DataDir {
    /// Makes the directory (0700) where it does not exist, and takes it for this process.
    ///
    /// # Errors
    /// Where it can't be made, or another process has it.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |source| StartError::DataDir { path: path.into(), source };
        make_data_dir(path)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock = private_file(&path.join("lock")).map_err(failed)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| StartError::DataDirInUse(path.clone()))?;
        lock.set_len(0).map_err(failed)?;
        Ok(Self { path, lock })
    }

    /// Notes in the lock where this process serves, for others that find the directory in use.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn announce(&self, address: SocketAddr) -> io::Result<()> {
        (&self.lock).write_all(address.to_string().as_bytes())
    }

    /// Where the process serves that uses the directory at `path`, if it serves.
    pub fn served_at(path: &Path) -> Option<SocketAddr> {
        fs::read_to_string(path.join("lock")).ok()?.parse().ok()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the directories of runs are; made where it does not exist.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn runs(&self) -> Result<PathBuf, StartError> {
        let runs = self.path.join("runs");
        make_data_dir(&runs)?;
        Ok(runs)
    }

    /// The program that gives git a token; written anew.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn askpass(&self) -> Result<PathBuf, StartError> {
        let path = self.path.join("askpass");
        write_askpass(&path).map_err(|source| StartError::DataDir { path: path.clone(), source })?;
        Ok(path)
    }

    /// How git reaches repositories over SSH, if they may be cloned; its files are written anew.
    ///
    /// # Errors
    /// Where they can't be written.
    pub fn ssh(&self, settings: &RepositorySettings) -> Result<Option<Arc<Ssh>>, StartError> {
        let Some((key, known_hosts)) = settings.ssh.both().filter(|_| settings.over_ssh()) else { return Ok(None) };
        let path = self.path.join("ssh");
        let ssh = Ssh::new(key.expose(), known_hosts, &path);
        ssh.map(|ssh| Some(Arc::new(ssh))).map_err(|source| StartError::DataDir { path, source })
    }

    /// The port of the rehearsal model in an earlier process: runs that went on still look for it there.
    pub fn rehearsal_port(&self) -> Option<u16> {
        self.port(REHEARSAL_PORT)
    }

    /// Keeps it for the next process.
    pub fn keep_rehearsal_port(&self, port: u16) {
        self.keep_port(REHEARSAL_PORT, port);
    }

    /// The port of the model proxy in an earlier process, for the same reason.
    pub fn gateway_port(&self) -> Option<u16> {
        self.port(GATEWAY_PORT)
    }

    /// Keeps it for the next process.
    pub fn keep_gateway_port(&self, port: u16) {
        self.keep_port(GATEWAY_PORT, port);
    }

    fn port(&self, file: &str) -> Option<u16> {
        fs::read_to_string(self.path.join(file)).ok()?.trim().parse().ok()
    }

    fn keep_port(&self, file: &str, port: u16) {
        if let Err(error) = fs::write(self.path.join(file), port.to_string()) {
            tracing::warn!(%error, "runs that outlive this process will not find their model again");
        }
    }

    /// What the tokens of runs are made with; made once, kept in the directory, readable by nobody else.
    ///
    /// # Errors
    /// Where it can't be read or written.
    pub fn token_key(&self, ids: &Ids) -> Result<TokenKey, StartError> {
        let path = self.path.join("gateway.key");
        let failed = |source| StartError::DataDir { path: path.clone(), source };
        let mut key = Vec::new();
        let mut file = private_file(&path).map_err(failed)?;
        file.read_to_end(&mut key).map_err(failed)?;
        if key.len() != 32 {
            key = ids.secret().to_vec();
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&key)).map_err(failed)?;
        }
        Ok(TokenKey(key))
    }

    /// Where renewed logins are kept.
    ///
    /// # Errors
    /// Where it can't be made.
    pub fn logins(&self) -> Result<PathBuf, StartError> {
        let logins = self.path.join("logins");
        make_data_dir(&logins)?;
        Ok(logins)
    }

    /// The node's name: made once, kept in the directory.
    ///
    /// # Errors
    /// Where it can't be read or written.
    pub fn node(&self, ids: &Ids) -> Result<String, StartError> {
        let path = self.path.join("node");
        let failed = |source| StartError::DataDir { path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let random = ids.secret();
        let name = format!("node_{}", hex(&random[..8]));
        fs::write(&path, &name).map_err(failed)?;
        Ok(name)
    }
}

/// Makes the tokens that runs show to the model proxy: the same for the same attempt, also in the next process of this node.
pub struct TokenKey(Vec<u8>);

impl TokenKey {
    /// The token of the attempt that has this lease.
    pub fn token(&self, lease: Lease) -> String {
        let digest =
            Sha256::new().chain_update(&self.0).chain_update(format!("{} {}", lease.id, lease.fence)).finalize();
        format!("lwr_{}", hex(&digest[..20]))
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(***)")
    }
}

/// Makes the data directory (0700) where it does not exist.
///
/// # Errors
/// Where it can't be made.
pub fn make_data_dir(path: &Path) -> Result<(), StartError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StartError::DataDir { path: path.into(), source })
}

/// Opens the database: the one named in the settings, else the SQLite file in the data directory.
///
/// # Errors
/// Where it can't be opened.
pub async fn open_store(config: &Config, data_dir: &Path) -> Result<Store, StartError> {
    if let Some(url) = &config.database.url {
        return Ok(Store::connect(url.expose()).await?);
    }
    let path = data_dir.join("legwork.db");
    // SQLite gives its side files the mode of the database, so this keeps all of them private.
    private_file(&path).map_err(|source| StartError::DataDir { path: path.clone(), source })?;
    Ok(Store::open_sqlite(&path).await?)
}

/// All secrets among the settings. Of an address that is one, the password is one by itself, too.
pub fn secrets_of(config: &Config) -> impl Iterator<Item = String> {
    let agents = || config.agents.values();
    let of_agents = agents().flat_map(|agent| [&agent.api_key, &agent.auth_token, &agent.oauth_token]);
    let pools = || agents().flat_map(|agent| &agent.credentials);
    let of_pools = pools().flat_map(|one| [&one.api_key, &one.auth_token, &one.oauth_token]);
    let logins = agents().map(|agent| &agent.login_file).chain(pools().map(|one| &one.login_file)).flatten();
    let of_logins = logins.flat_map(|file| Credential::secrets_in(file.expose()));
    let of_doors = [&config.doors.generate.secret, &config.doors.execute.secret, &config.secret_store.master_key];
    let of_repositories = [&config.repositories.ssh.key];
    let urls = [&config.database.url, &config.redis.url, &config.doors.unified.db_base_url, &config.log.sentry_dsn];
    of_agents
        .chain(of_pools)
        .chain(of_doors)
        .chain(of_repositories)
        .chain(urls)
        .flatten()
        .map(Secret::expose)
        .chain(of_logins)
        .chain(config.secrets.values().map(Secret::expose))
        .map(str::to_owned)
        .chain(urls.into_iter().flatten().flat_map(|url| passwords_in(url.expose())))
}

/// The password of an address as it is written and as it is meant.
fn passwords_in(url: &str) -> Vec<String> {
    let url = url::Url::parse(url).ok();
    let Some(written) = url.as_ref().and_then(url::Url::password) else { return Vec::new() };
    let query = format!("p={}", written.replace('+', "%2B"));
    let meant = url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, password)| password.into_owned());
    meant.into_iter().chain([written.to_owned()]).collect()
}

fn private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
