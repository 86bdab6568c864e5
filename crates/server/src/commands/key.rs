//! `legwork key`

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use legwork_model::{Clock, Ids, SystemClock};

use super::{Failure, load_config, print};
use crate::admission::{Permissions, new_key};
use crate::app::{open_store, secrets_of};
use crate::config::{Config, Environment};
use crate::mask::Mask;
use crate::store::api_keys::{AddApiKey, RevokeApiKey};
use crate::store::{Store, StoreError};

/// Makes, lists and revokes API keys.
#[derive(Debug, Args)]
pub struct Key {
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
    /// Makes a key and prints it, alone, on standard output. It is shown this once.
    Create {
        /// Your name for it
        #[arg(long)]
        name: String,
        /// Some of execute,read,approve,admin
        #[arg(long, default_value = "execute,read")]
        permissions: Permissions,
        /// After how many days it is refused; never where absent
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires_in_days: Option<u32>,
    },
    /// Lists all keys; the keys themselves are not kept.
    List,
    /// Revokes a key: it is refused within a second.
    Revoke {
        /// Your name for it
        #[arg(long)]
        name: String,
    },
}

impl Key {
    /// Does it.
    ///
    /// # Errors
    /// Where the database can't be used or the name is wrong.
    pub async fn run(self, environment: Environment) -> Result<(), Failure> {
        let mut config = load_config(self.config.as_deref(), &environment)?;
        config.data_dir = self.data_dir.unwrap_or(config.data_dir);
        let mask = Mask::new(secrets_of(&config));
        self.action.perform(&config).await.map_err(|failure| failure.without_secrets(&mask))
    }
}

impl Action {
    async fn perform(self, config: &Config) -> Result<(), Failure> {
        crate::app::make_data_dir(&config.data_dir)?;
        let store = open_store(config, &config.data_dir).await?;
        match self {
            Self::Create { name, permissions, expires_in_days } => {
                create(&store, &name, &permissions, expires_in_days).await
            }
            Self::List => list(&store).await,
            Self::Revoke { name } => revoke(&store, name).await,
        }
    }
}

async fn create(store: &Store, name: &str, permissions: &Permissions, days: Option<u32>) -> Result<(), Failure> {
    if name.trim().is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Failure::usage("--name must be 1 to 100 characters"));
    }
    let now = SystemClock.now();
    let lifetime = days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
    let expires_at =
        lifetime.and_then(|lifetime| i64::try_from(lifetime.as_millis()).ok()).map(|millis| now.plus_millis(millis));
    let new = new_key(&Ids::from_system(), name, permissions, now, expires_at);
    store.write(AddApiKey(new.record)).await.map_err(|error| {
        if error.is_duplicate() {
            return Failure::new(format!("there is a key named `{name}` already; choose another name"));
        }
        database(&error)
    })?;
    if print(&new.key)? {
        return Ok(());
    }
    let lost = format!("nobody reads standard output: revoke the key `{name}`, which nobody saw, and make another one");
    Err(Failure::new(lost))
}

async fn list(store: &Store) -> Result<(), Failure> {
    let keys = store.api_keys().await.map_err(|error| database(&error))?;
    let moment = |at: Option<legwork_model::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let row = |[name, permissions, created, expires, revoked]: [&str; 5]| {
        format!("{name:<24} {permissions:<20} {created:<26} {expires:<26} {revoked}")
    };
    let head = row(["NAME", "PERMISSIONS", "CREATED", "EXPIRES", "REVOKED"]);
    let rows = keys.iter().map(|key| {
        let [expires, revoked] = [key.expires_at, key.revoked_at].map(moment);
        row([&key.name, &key.permissions, &key.created_at.to_string(), &expires, &revoked])
    });
    print(&std::iter::once(head).chain(rows).collect::<Vec<_>>().join("\n")).map(drop)
}

async fn revoke(store: &Store, name: String) -> Result<(), Failure> {
    let unknown = format!("there is no key named `{name}` that is not revoked yet; `legwork key list` shows all");
    let revoked = store.write(RevokeApiKey { name, now: SystemClock.now() }).await.map_err(|error| database(&error))?;
    if revoked { Ok(()) } else { Err(Failure::new(unknown)) }
}

fn database(error: &StoreError) -> Failure {
    Failure::new(error.to_string())
}
