//! Why there is no container for a run, in words that help.

use std::io;
use std::path::PathBuf;

use bollard::errors::Error;
use legwork_model::FailureReason;

use super::SeccompError;

/// Why there is no container, or no image.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// Nobody answers at the socket.
    #[error(
        "No container engine answers at {socket} ({source}); start Docker or Podman, or name the socket it listens at."
    )]
    Unreachable {
        /// Where it should.
        socket: PathBuf,
        /// What happened.
        source: Error,
    },
    /// Neither the run nor the operator names an image.
    #[error("No image is named: the run has to name one, or the operator a default.")]
    NoImage,
    /// What is given as an image is none.
    #[error("`{0}` is not the name of an image.")]
    ImageName(String),
    /// The image is neither here nor to be had.
    #[error(
        "The image {image} is not on this machine and can't be pulled ({message}); build or load it, or name another."
    )]
    ImageMissing {
        /// Its name.
        image: String,
        /// What the engine said.
        message: String,
    },
    /// It took too long.
    #[error("{what} took longer than {seconds} s.")]
    Slow {
        /// What did.
        what: String,
        /// How long it might have.
        seconds: u64,
    },
    /// A setup script failed.
    #[error("The setup script failed on top of {image}: {message}")]
    Setup {
        /// On top of what.
        image: String,
        /// What the engine said.
        message: String,
    },
    /// The operator's filter of system calls is not to be had any more.
    #[error("The filter of system calls of containers is not to be had: {0}.")]
    Seccomp(#[from] SeccompError),
    /// Something would not arrive as it was meant.
    #[error("A container can't be given {0}.")]
    Refused(String),
    /// A directory can't be given to a container.
    #[error("The directory {directory} can't be given to a container: {why}.")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The directories of a run could not be prepared.
    #[error("The directories of the container could not be prepared: {0}.")]
    Files(io::Error),
    /// Nothing can be opened in the network of the container.
    #[error(
        "Nothing can listen in the container's network: {0}. That takes Legwork to be root on the engine's own machine, and the ports of its proxies to be free in there."
    )]
    Namespace(io::Error),
    /// The supervisor does not take it.
    #[error("The container can't be left to the supervisor of this server: {0}.")]
    Unheld(io::Error),
    /// It is there no more.
    #[error("The container is gone.")]
    Gone,
    /// The engine refused.
    #[error("The container could not be started: {0}.")]
    Engine(String),
}

impl DockerError {
    /// How a run says it.
    pub const fn reason(&self) -> FailureReason {
        match self {
            Self::Unreachable { .. }
            | Self::NoImage
            | Self::ImageMissing { .. }
            | Self::Slow { .. }
            | Self::Setup { .. }
            | Self::Gone
            | Self::Seccomp(_)
            | Self::Namespace(_) => FailureReason::SandboxUnavailable,
            Self::ImageName(_)
            | Self::Refused(_)
            | Self::Directory { .. }
            | Self::Files(_)
            | Self::Unheld(_)
            | Self::Engine(_) => FailureReason::SpawnFailed,
        }
    }
}

/// What the engine answered with, where it answered at all.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Its words, without those of the client.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().trim_end_matches('.').to_owned(),
        Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    }
}
