//! Why a program could not be started, in words that help.

use std::fmt::Display;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use legwork_model::FailureReason;

use super::control_group::LimitError;
use super::docker::DockerError;

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// It is named without a directory and none of `PATH` has it.
    #[error("The program `{name}` was not found in PATH ({path}). {hint}")]
    NotOnPath {
        /// Its name.
        name: String,
        /// The directories that were looked through.
        path: String,
        /// How to get it.
        hint: String,
    },
    /// It is named by a path that does not start at the root, which would let a workspace choose the program.
    #[error("The program {0} must be a name that PATH has or an absolute path.")]
    Relative(PathBuf),
    /// There is nothing at its path.
    #[error("The program {program} does not exist. {hint}")]
    Missing {
        /// Its path.
        program: PathBuf,
        /// How to get it.
        hint: String,
    },
    /// What is at its path can't be executed.
    #[error("The program {0} is not an executable file; `chmod +x` makes it one.")]
    NotExecutable(PathBuf),
    /// It is a script, and the interpreter in its first line does not exist.
    #[error("The program {0} needs an interpreter that does not exist; see its first line.")]
    NoInterpreter(PathBuf),
    /// The working directory is not there.
    #[error("The working directory {0} does not exist or can't be entered.")]
    NoWorkingDirectory(PathBuf),
    /// A limit that was asked for can't be enforced.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The sandbox can't be had here, or failed.
    #[error("The sandbox could not be set up: {0}.")]
    Sandbox(String),
    /// There is no container for it.
    #[error(transparent)]
    Container(#[from] DockerError),
    /// Anything else the system said.
    #[error("The program {program} could not be started: {source}.")]
    Other {
        /// Its path.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SpawnError {
    /// The sandbox failed at something.
    pub(super) fn sandbox(error: impl Display) -> Self {
        Self::Sandbox(error.to_string().trim_end_matches('.').to_owned())
    }

    /// What kind of failure that is.
    pub(crate) const fn reason(&self) -> FailureReason {
        match self {
            Self::Limit(_) | Self::Sandbox(_) => FailureReason::SandboxUnavailable,
            Self::Container(error) => error.reason(),
            _ => FailureReason::SpawnFailed,
        }
    }

    /// What can be seen to be wrong before anything is started.
    pub(super) fn foreseen(program: &Path, directory: &Path, hint: &str) -> Option<Self> {
        match Self::diagnose(io::ErrorKind::Other.into(), program, directory, hint) {
            Self::Other { .. } => None,
            foreseen => Some(foreseen),
        }
    }

    /// Finds out what an error of the system was about: it says no more than "not found" or "not permitted".
    pub(super) fn diagnose(source: io::Error, program: &Path, directory: &Path, hint: &str) -> Self {
        if std::fs::read_dir(directory).is_err() {
            return Self::NoWorkingDirectory(directory.to_owned());
        }
        let program = program.to_owned();
        match std::fs::metadata(&program) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing { program, hint: hint.to_owned() },
            Ok(file) if !file.is_file() || file.permissions().mode() & 0o111 == 0 => Self::NotExecutable(program),
            Ok(_) if source.kind() == io::ErrorKind::NotFound => Self::NoInterpreter(program),
            _ => Self::Other { program, source },
        }
    }
}
