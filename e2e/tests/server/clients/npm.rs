//! Runs Node in a folder whose packages `make test` installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::lab::PATIENCE;

/// A folder with a `package.json`.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder at this path of the repository; `None` (said aloud) where `needed` is not there.
    pub(super) fn at(path: &str, needed: &str) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
        if folder.join(needed).exists() {
            return Some(Self(folder));
        }
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{path}/{needed} must be there under CI");
        eprintln!("SKIPPED: {path}/{needed} is not there; `make test` installs and builds it");
        None
    }

    /// Programs of the folder, by how their paths end.
    pub(super) fn files(&self, folder: &str, end: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(folder)).expect("it can be read");
        let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
        let mut files: Vec<_> =
            names.filter(|name| name.ends_with(end)).map(|name| format!("{folder}/{name}")).collect();
        files.sort();
        assert!(!files.is_empty(), "no {end} in {folder}");
        files
    }

    /// Node with these arguments, which must end well. Gives what it prints.
    pub(super) async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let running = self.node(arguments, environment).output();
        let output = tokio::time::timeout(PATIENCE, running).await;
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("Node starts");
        let stdout = String::from_utf8(output.stdout).expect("text");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}:\n{stdout}\n{stderr}");
        stdout
    }

    pub(super) fn node(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new("node");
        command.args(arguments).current_dir(&self.0).env("no_proxy", "*").envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}
