//! Finds the program of a launch.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use legwork_agents::Launch;

use super::SpawnError;

/// The program's path. It is looked up here, in the `PATH` that the agent gets and never in a directory relative to
/// its workspace; a lookup by the standard library would rule out `posix_spawn`.
pub(super) fn find(launch: &Launch, install_hint: &str) -> Result<PathBuf, SpawnError> {
    let program = &launch.program;
    if program.is_absolute() {
        return Ok(program.clone());
    }
    if program.components().count() != 1 {
        return Err(SpawnError::Relative(program.clone()));
    }
    let path = launch.env.iter().find(|(name, _)| name == "PATH").map_or("", |(_, value)| value);
    let places = path.split(':').map(Path::new).filter(|place| place.is_absolute());
    places.map(|place| place.join(program)).find(|file| is_executable(file)).ok_or_else(|| SpawnError::NotOnPath {
        name: program.display().to_string(),
        path: path.to_owned(),
        hint: install_hint.to_owned(),
    })
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
