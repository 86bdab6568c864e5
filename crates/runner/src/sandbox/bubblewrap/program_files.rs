//! What has to be there for a program to run: itself, what is shipped with it, and its interpreter.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::SpawnError;
use super::system::PROGRAMS;

/// A script that is interpreted by a script that is interpreted by a script is as far as this goes; the kernel goes no further.
const MOST_INTERPRETERS: u32 = 4;

/// Directories that hold more than programs: of what is in them a program gets itself alone.
const TOO_WIDE: &[&str] = &["/", "/etc", "/home", "/mnt", "/root", "/srv", "/tmp", "/var", "/var/lib", "/var/tmp"];

/// What has to be there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ProgramFiles {
    /// To be seen at the same paths.
    pub(super) paths: Vec<PathBuf>,
    /// Links to be made: where, and to what.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
}

impl ProgramFiles {
    /// Finds it out. `private` are directories that are not to be shown as something that comes with a program.
    pub(super) fn of(program: &Path, path: &str, private: &[PathBuf]) -> Result<Self, SpawnError> {
        let mut files = Self::default();
        for directory in path.split(':').map(Path::new).filter(|it| it.is_absolute() && it.is_dir()) {
            files.add_directory(directory, private);
        }
        let mut next = Some(program.to_owned());
        for _ in 0..MOST_INTERPRETERS {
            let Some(file) = next else { break };
            let real = file.canonicalize().map_err(|_| SpawnError::NoInterpreter(program.to_owned()))?;
            files.add_program(&file, &real, private);
            next = interpreter(&real, path);
        }
        Ok(files)
    }

    /// A directory of programs; what npm installs is reached by links from there to beside it.
    fn add_directory(&mut self, directory: &Path, private: &[PathBuf]) {
        if is_of_the_system(directory) || is_too_wide(directory, private) {
            return;
        }
        self.paths.push(directory.to_owned());
        let modules = directory.parent().map(|prefix| prefix.join("lib/node_modules"));
        self.paths.extend(modules.filter(|modules| modules.is_dir()));
    }

    fn add_program(&mut self, file: &Path, real: &Path, private: &[PathBuf]) {
        if !is_of_the_system(real) {
            let home = with_modules(real).or_else(|| real.parent().map(Path::to_owned));
            let home = home.filter(|home| !is_too_wide(home, private)).unwrap_or_else(|| real.to_owned());
            self.paths.push(home);
        }
        let is_there = |file: &Path| is_of_the_system(file) || self.paths.iter().any(|path| file.starts_with(path));
        if file != real && !is_there(file) {
            self.links.push((file.to_owned(), real.to_owned()));
        }
    }
}

/// The outermost `node_modules` that a file is in.
fn with_modules(file: &Path) -> Option<PathBuf> {
    let outermost = file.ancestors().filter(|it| it.file_name().is_some_and(|name| name == "node_modules")).last();
    outermost.map(Path::to_owned)
}

fn is_of_the_system(path: &Path) -> bool {
    PROGRAMS.iter().any(|programs| path.starts_with(programs))
        || path.canonicalize().is_ok_and(|real| PROGRAMS.iter().any(|programs| real.starts_with(programs)))
}

/// Whether a directory holds more than programs: the homes of people, say, or what belongs to a run.
fn is_too_wide(directory: &Path, private: &[PathBuf]) -> bool {
    let is_a_home = directory.parent() == Some(Path::new("/home"));
    is_a_home
        || TOO_WIDE.iter().any(|it| directory == Path::new(it))
        || private.iter().any(|it| it.starts_with(directory))
}

/// The program in the first line of a script; none where the file is no script.
fn interpreter(file: &Path, path: &str) -> Option<PathBuf> {
    let mut start = Vec::with_capacity(256);
    File::open(file).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let named = PathBuf::from(words.next()?);
    if named.file_name().is_none_or(|name| name != "env") {
        return Some(named);
    }
    let wanted = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    path.split(':').map(|directory| Path::new(directory).join(wanted)).find(|file| file.is_file()).or(Some(named))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(file: &Path, text: &str) {
        fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        fs::write(file, text).expect("written");
    }

    #[test]
    fn a_program_of_the_system_needs_nothing_more() {
        let files = ProgramFiles::of(Path::new("/bin/sh"), "/usr/bin:/bin", &[]).expect("it is there");
        assert_eq!(files, ProgramFiles::default());
    }

    #[test]
    fn a_script_that_npm_installed_comes_with_its_modules_and_its_interpreter() {
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path().canonicalize().expect("it is there");
        let real = place.join("lib/node_modules/agent/node_modules/cli/cli.js");
        write(&real, "#!/usr/bin/env -S node --flag\n");
        write(&place.join("node/bin/node"), "\x7fELF");
        fs::create_dir(place.join("bin")).expect("made");
        symlink("../lib/node_modules/agent/node_modules/cli/cli.js", place.join("bin/agent")).expect("linked");
        let path = format!("{}:/usr/bin", place.join("node/bin").display());
        let files = ProgramFiles::of(&place.join("bin/agent"), &path, &[]).expect("it is there");
        assert_eq!(files.paths, [place.join("node/bin"), place.join("lib/node_modules"), place.join("node/bin")]);
        assert_eq!(files.links, [(place.join("bin/agent"), real)]);
    }

    #[test]
    fn a_program_in_the_home_of_somebody_comes_alone() {
        let place = tempfile::tempdir().expect("a directory");
        let place = place.path().canonicalize().expect("it is there");
        write(&place.join("agent"), "");
        let private = [place.join("data/runs/1")];
        let files = ProgramFiles::of(&place.join("agent"), "", &private).expect("it is there");
        assert_eq!(files.paths, [place.join("agent")]);
    }

    #[test]
    fn an_interpreter_that_is_missing_is_named() {
        let place = tempfile::tempdir().expect("a directory");
        let file = place.path().join("agent");
        write(&file, "#!/no/such/interpreter\n");
        assert!(matches!(ProgramFiles::of(&file, "", &[]), Err(SpawnError::NoInterpreter(named)) if named == file));
    }
}
