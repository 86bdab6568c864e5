//! Where the agents' programs are: named in the settings, installed by Legwork, or on `PATH`.

use std::fs;
use std::path::{Path, PathBuf};

use legwork_agents::{Agent, Package};

use crate::config::AgentSettings;

/// Looks for agents' programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Where Legwork installs them.
    installed: PathBuf,
    /// `PATH` of agents.
    path: String,
}

impl Programs {
    /// Those installed in `data_dir` and those on `path`.
    pub fn new(data_dir: &Path, path: &str) -> Self {
        // Programs are started in other directories than this process.
        let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
        Self { installed: data_dir.join("agents"), path: path.to_owned() }
    }

    /// Where the program of `agent` in the version of its `package` is or will be installed.
    pub fn home(&self, agent: &str, package: &Package) -> PathBuf {
        self.installed.join(format!("{agent}-{}", package.version))
    }

    /// The program of `agent`; `None` where there is none.
    pub fn find(&self, agent: &dyn Agent, settings: &AgentSettings) -> Option<PathBuf> {
        match &settings.program {
            Some(program) => find_program(program, &self.path),
            None => self.installed(agent).or_else(|| self.on_path(agent)),
        }
    }

    /// The program that Legwork installed.
    pub fn installed(&self, agent: &dyn Agent) -> Option<PathBuf> {
        let home = self.home(agent.name(), &agent.package()?);
        let program = home.join(fs::read_to_string(home.join(CHOSEN)).ok()?.trim());
        program.is_file().then_some(program)
    }

    /// The program on `PATH`. What is found there may be a launcher that would outlive or be outlived by the program itself,
    /// which is in another package beside it.
    fn on_path(&self, agent: &dyn Agent) -> Option<PathBuf> {
        let found = find_program(Path::new(agent.default_program()), &self.path)?;
        let real = found.canonicalize().unwrap_or_else(|_| found.clone());
        let modules = real.ancestors().filter(|parent| parent.file_name().is_some_and(|name| name == MODULES)).last();
        let native =
            modules.zip(agent.package()).and_then(|(modules, package)| matching(modules, &package).into_iter().next());
        Some(native.unwrap_or(found))
    }
}

/// The file that says which of several programs runs on this machine.
pub(super) const CHOSEN: &str = "program";
/// Where npm puts packages.
pub(super) const MODULES: &str = "node_modules";

/// The programs of a package below `modules`, the most likely first.
pub(super) fn matching(modules: &Path, package: &Package) -> Vec<PathBuf> {
    let find = |pattern: &&str| {
        let mut found = vec![modules.to_owned()];
        for part in pattern.split('/') {
            found = found.iter().flat_map(|dir| entries(dir, part)).collect();
        }
        found.retain(|file| file.is_file());
        found
    };
    package.programs.iter().flat_map(find).collect()
}

/// The entries of `dir` that `part` describes, in which one `*` stands for any text.
fn entries(dir: &Path, part: &str) -> Vec<PathBuf> {
    let Some((start, end)) = part.split_once('*') else {
        let entry = dir.join(part);
        return if entry.exists() { vec![entry] } else { Vec::new() };
    };
    let fits = |name: &str| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end);
    let Ok(all) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<_> = all
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(fits))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// The file that a program's name stands for on `path`; `None` where there is none.
pub fn find_program(program: &Path, path: &str) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.canonicalize().ok().filter(|file| file.is_file());
    }
    std::env::split_paths(path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_pattern_in_order() {
        let modules = tempfile::tempdir().expect("a directory");
        for file in ["@a/b-linux-x64-musl/bin/b", "@a/b-linux-x64/bin/b", "@a/b/bin/b.js", "@a/b-linux-arm64/README"] {
            let file = modules.path().join(file);
            fs::create_dir_all(file.parent().expect("a parent")).expect("made");
            fs::write(file, "").expect("written");
        }
        let package = Package { name: "@a/b", version: "1", programs: &["@a/b-*/bin/b", "@a/b/bin/b.js"] };
        let found: Vec<_> = matching(modules.path(), &package)
            .into_iter()
            .filter_map(|file| Some(file.strip_prefix(modules.path()).ok()?.display().to_string()))
            .collect();
        assert_eq!(found, ["@a/b-linux-x64/bin/b", "@a/b-linux-x64-musl/bin/b", "@a/b/bin/b.js"]);
    }
}
