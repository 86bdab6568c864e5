//! `legwork secret`

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use legwork_model::{Clock, Ids, SystemClock};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::{Failure, load_config, print};
use crate::app::{open_store, secrets_of};
use crate::config::{Config, Environment, Secret as Setting, key_bytes, resolved};
use crate::mask::Mask;
use crate::secrets::{MasterKey, SealError, is_name};
use crate::store::secrets::{RemoveSecret, ResealSecrets, Resealed, SecretRecord, SetSecret};
use crate::store::{Store, StoreError};

/// Bytes of a value at the most. A private key has a few thousand.
const LARGEST: usize = 64 * 1024;
/// Shorter ones can't be told from ordinary words.
const SHORTEST_MASKED: usize = 8;

/// Sets, lists and removes secrets, which are kept encrypted in the database. Jobs name them as `${NAME}`.
#[derive(Debug, Args)]
pub struct Secret {
    #[command(subcommand)]
    action: Action,
    /// Where everything is kept [default: legwork-data]
    #[arg(long, value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Settings file [default: legwork.toml, where it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sets a secret to what standard input holds, or to what is typed. Runs that begin from now on get it.
    Set {
        /// What jobs call it: letters, digits and `_`
        name: String,
    },
    /// Lists the secrets and when they were set, never what they are.
    List,
    /// Removes a secret.
    Rm {
        /// What jobs call it
        name: String,
    },
    /// Makes a master key and prints it, alone, on standard output. It is kept nowhere.
    Key,
    /// Encrypts all secrets anew, with the master key of the settings.
    Rotate {
        /// The master key that they are encrypted with so far: `env:NAME` or `file:PATH`
        #[arg(long, value_name = "KEY")]
        from: String,
    },
}

impl Secret {
    /// Does it.
    ///
    /// # Errors
    /// Where the database or the master key can't be used, or the name is wrong.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        if matches!(self.action, Action::Key) {
            return make_key();
        }
        let mut config = load_config(self.config.as_deref(), &environment)?;
        config.data_dir = self.data_dir.unwrap_or(config.data_dir);
        let mask = Mask::new(secrets_of(&config));
        let done = self.action.perform(&config, &environment).await;
        done.map_err(|failure| failure.without_secrets(&mask))
    }
}

impl Action {
    async fn perform(self, config: &Config, environment: &Environment) -> Result<(), Failure> {
        crate::app::make_data_dir(&config.data_dir)?;
        let store = open_store(config, &config.data_dir).await?;
        match self {
            Self::Set { name } => set(&store, config, &name).await,
            Self::List => list(&store).await,
            Self::Rm { name } => remove(&store, name).await,
            Self::Rotate { from } => rotate(&store, config, &from, environment).await,
            Self::Key => make_key(),
        }
    }
}

fn make_key() -> Result<(), Failure> {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode(Ids::from_system().secret());
    if print(&key)? { Ok(()) } else { Err(Failure::new("nobody reads standard output: make another key")) }
}

/// The master key of the settings.
fn master_key(config: &Config) -> Result<MasterKey, Failure> {
    let help = "there is no master key: set `master_key` in `[secret_store]` (`env:NAME` or `file:PATH`), or \
                LEGWORK_MASTER_KEY; `legwork secret key` makes one";
    MasterKey::of(config).ok_or_else(|| Failure::usage(help))
}

async fn set(store: &Store, config: &Config, name: &str) -> Result<(), Failure> {
    if !is_name(name) {
        return Err(Failure::usage("the name must be 1 to 128 letters, digits and `_`"));
    }
    let key = master_key(config)?;
    let value = value(name).await?;
    let record = key.seal(name, &value, &Ids::from_system(), SystemClock.now()).map_err(|error| sealed(&error))?;
    store.write(SetSecret(record)).await.map_err(|error| database(&error))?;
    if value.len() < SHORTEST_MASKED {
        eprintln!("It is shorter than {SHORTEST_MASKED} bytes, so it is not masked in what runs show.");
    }
    if config.secrets.contains_key(name) {
        eprintln!("`[secrets]` has a secret of this name, too, which comes first.");
    }
    Ok(())
}

/// What is typed, or what standard input holds, without the line break behind it.
async fn value(name: &str) -> Result<String, Failure> {
    let prompt = format!("{name}: ");
    let reading = tokio::task::spawn_blocking(move || if io::stdin().is_terminal() { typed(&prompt) } else { piped() });
    let read = reading.await.map_err(|error| Failure::new(error.to_string()))?;
    let text = read.map_err(|error| Failure::new(format!("failed to read the value: {error}")))?;
    let value = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    match value {
        "" => Err(Failure::usage("the value is empty; `legwork secret rm` removes a secret")),
        _ if value.len() > LARGEST => Err(Failure::usage(format!("the value is larger than {LARGEST} bytes"))),
        _ if value.contains('\0') => Err(Failure::usage("the value holds a NUL character, which no variable may")),
        _ => Ok(value.to_owned()),
    }
}

fn piped() -> io::Result<String> {
    let mut text = String::new();
    // One more than is taken, to tell that there is more.
    io::stdin().lock().take(LARGEST as u64 + 3).read_to_string(&mut text)?;
    Ok(text)
}

fn typed(prompt: &str) -> io::Result<String> {
    let _silent = Silent::begin()?;
    let mut out = io::stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    let mut line = String::new();
    let read = io::stdin().read_line(&mut line);
    writeln!(out)?;
    read?;
    // Where a key press is no signal, it is a character.
    if line.contains('\u{3}') { Err(io::ErrorKind::Interrupted.into()) } else { Ok(line) }
}

/// The terminal, not showing what is typed until this is dropped.
struct Silent(Termios);

impl Silent {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // Interrupted, the process would end without showing anything any more.
        silent.local_modes.remove(LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // The terminal may have gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

async fn list(store: &Store) -> Result<(), Failure> {
    let secrets = store.secrets().await.map_err(|error| database(&error))?;
    let row = |name: &str, set: &str, key: &str| format!("{name:<32} {set:<26} {key}");
    let head = row("NAME", "SET", "MASTER KEY");
    let rows = secrets.iter().map(|one| row(&one.name, &one.updated_at.to_string(), &one.key_id));
    print(&std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")).map(drop)
}

async fn remove(store: &Store, name: String) -> Result<(), Failure> {
    let unknown = format!("there is no secret named `{name}`; `legwork secret list` shows all");
    let removed = store.write(RemoveSecret { name }).await.map_err(|error| database(&error))?;
    if removed { Ok(()) } else { Err(Failure::new(unknown)) }
}

async fn rotate(store: &Store, config: &Config, from: &str, environment: &Environment) -> Result<(), Failure> {
    if !from.starts_with("env:") && !from.starts_with("file:") {
        return Err(Failure::usage("--from must be env:NAME or file:PATH: arguments are seen by all on the machine"));
    }
    let from: Setting = resolved("--from", from, environment)?;
    let wrong = |message: &str| Failure::usage(format!("--from: {message}"));
    let (old, new) = (MasterKey::new(&key_bytes(&from).map_err(wrong)?), master_key(config)?);
    let (ids, mut changes) = (Ids::from_system(), Vec::new());
    let secrets = store.secrets().await.map_err(|error| database(&error))?;
    for before in secrets.into_iter().filter(|secret| secret.key_id != new.fingerprint()) {
        let after = resealed(&before, &old, &new, &ids).map_err(|error| sealed(&error))?;
        changes.push(Resealed { before, after });
    }
    let changed = store.write(ResealSecrets(changes)).await.map_err(|error| database(&error))?;
    print(&format!("{changed} encrypted with {}", new.fingerprint())).map(drop)
}

fn resealed(before: &SecretRecord, old: &MasterKey, new: &MasterKey, ids: &Ids) -> Result<SecretRecord, SealError> {
    new.seal(&before.name, &old.open(before)?, ids, before.updated_at)
}

fn sealed(error: &SealError) -> Failure {
    Failure::new(error.to_string())
}

fn database(error: &StoreError) -> Failure {
    Failure::new(error.to_string())
}
