//! Whether the secrets that are stored can be used.

use super::report::Check;
use crate::app::open_store;
use crate::config::Config;
use crate::secrets::MasterKey;

/// Nothing where no secrets are stored and there is no key for any.
pub(super) async fn examine(config: &Config) -> Option<Check> {
    let fix = "Set `master_key` in `[secret_store]` or LEGWORK_MASTER_KEY to the key that they were set with, or set them again.";
    let key = MasterKey::of(config);
    // The first start makes the file; until then nothing is stored.
    let there = config.database.url.is_some() || config.data_dir.join("legwork.db").exists();
    let stored = match there {
        // That the database can't be used is said elsewhere.
        true => open_store(config, &config.data_dir).await.ok()?.secrets().await.ok()?,
        false => Vec::new(),
    };
    let count = stored.len();
    let locked = |key: &MasterKey| stored.iter().filter(|secret| secret.key_id != key.fingerprint()).count();
    match key.map(|key| (locked(&key), key.fingerprint().to_owned())) {
        None if count == 0 => None,
        None => Some(Check::warning("secrets", format!("{count} stored, and there is no master key"), fix)),
        Some((0, key)) => Some(Check::ok("secrets", format!("{count} stored; the master key is {key}"))),
        Some((locked, key)) => {
            let found = format!("{locked} of {count} were encrypted with another master key than {key}");
            Some(Check::warning("secrets", found, fix))
        }
    }
}
