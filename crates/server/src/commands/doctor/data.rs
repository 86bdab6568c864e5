//! Where everything is kept.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access, statvfs};

use super::report::Check;
use crate::app::open_store;
use crate::config::Config;

const MIB: u64 = 1024 * 1024;
/// Below this agents soon fail in the middle of their work.
const SCARCE: u64 = 1024 * MIB;
/// Below this nothing can be recorded for long.
const TOO_LITTLE: u64 = 64 * MIB;
const PATIENCE: Duration = Duration::from_secs(10);

/// Data directory, disk and database.
pub(super) async fn examine(config: &Config) -> Vec<Check> {
    let dir = &config.data_dir;
    vec![directory(dir), disk(dir), database(config).await]
}

fn directory(dir: &Path) -> Check {
    let fix = "Give Legwork a directory that it may write to with --data-dir or LEGWORK_DATA_DIR.";
    let shown = dir.display();
    if dir.exists() && !dir.is_dir() {
        return Check::missing("data directory", format!("{shown} is not a directory"), fix);
    }
    match access(nearest_existing(dir), Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) if dir.exists() => Check::ok("data directory", format!("{shown} can be written to")),
        Ok(()) => Check::ok("data directory", format!("{shown} is not there yet and can be made")),
        Err(error) => Check::missing("data directory", format!("{shown} can't be written to: {error}"), fix),
    }
}

fn disk(dir: &Path) -> Check {
    match statvfs(nearest_existing(dir)) {
        Ok(disk) => free_space(disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => Check::warning("disk", format!("can't be looked at: {error}"), "Look with `df`."),
    }
}

fn free_space(free: u64) -> Check {
    let found =
        if free >= SCARCE { format!("{} GiB free", free / (1024 * MIB)) } else { format!("{} MiB free", free / MIB) };
    let fix = "Make room, or choose a directory on another disk with --data-dir.";
    match free {
        SCARCE.. => Check::ok("disk", found),
        TOO_LITTLE.. => Check::warning("disk", found, fix),
        _ => Check::missing("disk", found, fix),
    }
}

async fn database(config: &Config) -> Check {
    let file = config.data_dir.join("legwork.db");
    let name = match &config.database.url {
        Some(url) => kind(url.expose()).to_owned(),
        None if !file.exists() => return Check::ok("database", "SQLite inside; its file is made at the first start"),
        None => format!("SQLite inside, {}", file.display()),
    };
    let fix = "See that it runs and that database.url (or DATABASE_URL) is right, or move the broken file away.";
    match tokio::time::timeout(PATIENCE, open_store(config, &config.data_dir)).await {
        Ok(Ok(_)) => Check::ok("database", format!("{name} opens")),
        Ok(Err(error)) => Check::missing("database", format!("{name} does not open: {error}"), fix),
        Err(_) => Check::missing("database", format!("{name} does not answer within {} s", PATIENCE.as_secs()), fix),
    }
}

/// The kind of database alone: its URL may hold a password.
fn kind(url: &str) -> &str {
    url.split_once("://").map_or("the database", |(scheme, _)| scheme)
}

/// The directory itself, or the one in which it would be made.
fn nearest_existing(dir: &Path) -> &Path {
    let place = dir.ancestors().find(|place| place.exists());
    place.filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn little_space_is_told_before_it_is_too_little() {
        for (free, status) in [
            (5 * SCARCE, Status::Ok),
            (SCARCE - 1, Status::Warning),
            (TOO_LITTLE - 1, Status::Missing),
            (0, Status::Missing),
        ] {
            assert_eq!(free_space(free).status, status, "{free}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_judged_by_where_it_would_be() {
        let place = tempfile::tempdir().expect("a directory");
        assert_eq!(directory(&place.path().join("a/b")).status, Status::Ok);
        assert!(!place.path().join("a").exists(), "nothing is made");
        let file = place.path().join("file");
        std::fs::write(&file, "").expect("written");
        assert_eq!(directory(&file).status, Status::Missing);
    }

    #[tokio::test]
    async fn a_database_that_does_not_open_is_named_without_its_password() {
        let place = tempfile::tempdir().expect("a directory");
        let mut config = Config { data_dir: place.path().to_owned(), ..Config::default() };
        assert_eq!(database(&config).await.status, Status::Ok);
        config.database.url = Some(crate::config::Secret::new("oracle://user:geheim@db"));
        let check = database(&config).await;
        assert_eq!(check.status, Status::Missing);
        assert!(check.found.starts_with("oracle does not open") && !check.found.contains("geheim"), "{}", check.found);
    }
}
