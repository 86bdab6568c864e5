//! All that one run sees of the file system.

use std::path::{Path, PathBuf};

use super::super::repository::Repository;
use super::super::spawn::Spawn;
use super::super::{Confinement, Network, SpawnError};
use super::mount::{Access, Mount};
use super::program_files::ProgramFiles;
use super::system::{Person, seals, system};

/// Directories in memory hold no more than this, also where the memory of the run has no limit.
const TEMPORARY: u64 = 1024 * 1024 * 1024;

/// What a run sees.
pub(super) fn view(spawn: &Spawn, confinement: &Confinement, user: u32) -> Result<Vec<Mount>, SpawnError> {
    let variable = |name: &str| spawn.env.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value);
    let person = Person { user, home: variable("HOME") };
    let own_network = matches!(confinement.network, Network::Own(_));
    let temporary = confinement.resources.memory.map_or(TEMPORARY, |memory| memory.bytes().min(TEMPORARY));
    let files = ProgramFiles::of(&spawn.program, variable("PATH"), &confinement.writable)?;

    let mut mounts = system(person, own_network, temporary);
    mounts.extend(of_the_run(&files.paths, &spawn.directory, confinement));
    mounts.extend(files.links.into_iter().map(|(at, target)| Mount::Link { at, target }));
    mounts.extend(confinement.writable.iter().flat_map(|path| obeyed_later(path, &spawn.directory)));
    mounts.extend(seals());
    Ok(mounts)
}

/// What belongs to the run, the outer directories before those in them, so that none hides another. The working directory
/// is mounted by itself also where it is in another: what is mounted can't be moved out of the way.
fn of_the_run(program: &[PathBuf], directory: &PathBuf, confinement: &Confinement) -> Vec<Mount> {
    let readable = program.iter().chain(&confinement.readable).map(|path| (path, Access::Read));
    let works_in = confinement.writable.iter().any(|path| directory.starts_with(path)).then_some(directory);
    let writable = confinement.writable.iter().chain(works_in).map(|path| (path, Access::Write));
    let mut all: Vec<_> = readable.chain(writable).collect();
    all.sort();
    // Of the same path named twice, the later one holds: writing comes after reading.
    let mut kept: Vec<(&PathBuf, Access)> = Vec::new();
    for (path, access) in all {
        match kept.last_mut() {
            Some(last) if last.0 == path => last.1 = access,
            _ => kept.push((path, access)),
        }
    }
    kept.into_iter().map(|(path, access)| Mount::Visible(path.clone(), access)).collect()
}

/// The repositories in `writable` and in the working directory, whose hooks and settings stay as they are, and which can't be
/// replaced as a whole.
fn obeyed_later(writable: &Path, directory: &Path) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for Repository { git, obeyed } in Repository::all_in(writable, directory) {
        mounts.push(Mount::Visible(git, Access::Write));
        mounts.extend(obeyed.into_iter().map(|path| Mount::Visible(path, Access::Read)));
    }
    mounts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_something_comes_after_it_and_writing_wins() {
        let confinement = Confinement {
            writable: vec!["/data/runs/1/work".into(), "/data/runs/1".into()],
            readable: vec!["/data/runs/1/work".into(), "/data/runs/1/readme".into(), "/data".into()],
            ..Confinement::default()
        };
        let directory = "/data/runs/1/work/deeper".into();
        let mounts = of_the_run(&["/agents/claude".into()], &directory, &confinement);
        let visible = |path: &str, access| Mount::Visible(path.into(), access);
        assert_eq!(
            mounts,
            [
                visible("/agents/claude", Access::Read),
                visible("/data", Access::Read),
                visible("/data/runs/1", Access::Write),
                visible("/data/runs/1/readme", Access::Read),
                visible("/data/runs/1/work", Access::Write),
                visible("/data/runs/1/work/deeper", Access::Write),
            ]
        );
    }
}
