//! Whether the engine can do what is asked of it.

use bollard::models::SystemInfo;

use super::engine::{Engine, Known};
use crate::sandbox::Works;

/// What the engine is, with a warning where one is due; or what it can't do.
pub(super) async fn probe(engine: &Engine) -> Result<Works, String> {
    let known = engine.known().await.map_err(|error| error.to_string())?;
    let info = known.docker.info().await.map_err(|source| engine.unreachable(source).to_string())?;
    let missing = missing(&info);
    if !missing.is_empty() {
        return Err(format!("{} can't limit {} on this machine; see its own `info`.", name(known), missing.join(", ")));
    }
    let warning = if !known.is_podman && leaks_names(&known.version) {
        " (forwards names from internal networks, CVE-2024-29018; Legwork makes none, upgrade it all the same)"
    } else {
        ""
    };
    let is_root = rustix::process::geteuid().is_root();
    let no_network = (!is_root).then(|| "a server that may enter it: run it as root".to_owned());
    Ok(Works { made_of: format!("{}{warning}", name(known)), no_network })
}

fn name(known: &Known) -> String {
    format!("{} {}", if known.is_podman { "Podman" } else { "Docker" }, known.version)
}

/// Engines that don't say so are believed to be able.
fn missing(info: &SystemInfo) -> Vec<&'static str> {
    let limits = [("memory", info.memory_limit), ("processors", info.cpu_cfs_quota), ("processes", info.pids_limit)];
    limits.into_iter().filter(|(_, can)| *can == Some(false)).map(|(name, _)| name).collect()
}

/// Mended in 23.0.11, 25.0.5 and 26.
fn leaks_names(version: &str) -> bool {
    let mut numbers = version.split(['.', '+', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    match (next(), next(), next()) {
        (23 | 25, 0, patch) if patch >= 11 => false,
        (25, 0, patch) => patch < 5,
        (major, ..) => major < 26,
    }
}

#[cfg(test)]
mod tests {
    use super::leaks_names;

    #[test]
    fn which_versions_leak_names() {
        for (version, leaks) in [
            ("20.10.24+dfsg1", true),
            ("23.0.10", true),
            ("23.0.11", false),
            ("24.0.9", true),
            ("25.0.4", true),
            ("25.0.5", false),
            ("26.0.0-rc3", false),
            ("28.2.2", false),
        ] {
            assert_eq!(leaks_names(version), leaks, "{version}");
        }
    }
}
