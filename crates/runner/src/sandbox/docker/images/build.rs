//! Runs a setup script on top of a base, and keeps what comes of it.

use std::collections::{HashMap, VecDeque};
use std::io;

use bollard::errors::Error;
use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptionsBuilder;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http_body_util::{Either, Full};
use tokio::time::timeout;

use super::super::DockerError;
use super::super::engine::Known;
use super::super::error::words;
use super::super::labels;
use super::{Images, Progress};

/// The same for every build: what differs comes as an argument and as a file, so that nothing written by others is read
/// as an instruction.
const DOCKERFILE: &str = r#"ARG BASE
FROM ${BASE}
USER 0
COPY setup.sh /usr/local/share/legwork/setup.sh
RUN ["/bin/sh", "-e", "/usr/local/share/legwork/setup.sh"]
"#;

/// So many lines of a script that fails are told.
const LAST_LINES: usize = 12;

/// An image that is to be built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) tag: &'a str,
    pub(super) hash: &'a str,
    pub(super) base: &'a str,
    pub(super) setup: &'a str,
}

/// Builds it. Where that is given up the engine gives up as well.
pub(super) async fn build(
    known: &Known,
    images: &Images,
    wanted: Wanted<'_>,
    progress: &Progress,
) -> Result<(), DockerError> {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = HashMap::from([
        label(labels::SERVICE, "true"),
        label(labels::BUILT, wanted.hash),
        label(labels::BASE, wanted.base),
    ]);
    let arguments = HashMap::from([label("BASE", wanted.base)]);
    let mut options = BuildImageOptionsBuilder::default()
        .dockerfile("Dockerfile")
        .t(wanted.tag)
        .rm(true)
        .forcerm(true)
        .labels(&labels)
        .buildargs(&arguments);
    if let Some(network) = &images.network {
        options = options.networkmode(network);
    }
    let context = context(wanted.setup).map_err(DockerError::Files)?;
    let docker = known.patient();
    let answers = docker.build_image(options.build(), None, Some(Either::Left(Full::new(context))));
    match timeout(images.building, followed(answers, progress)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(message)) => Err(DockerError::Setup { image: wanted.base.to_owned(), message }),
        Err(_) => {
            let what = format!("The setup script on top of {}", wanted.base);
            Err(DockerError::Slow { what, seconds: images.building.as_secs() })
        }
    }
}

/// Follows a build to its end; the last that was heard of one that fails is the error.
async fn followed(answers: impl Stream<Item = Result<BuildInfo, Error>>, progress: &Progress) -> Result<(), String> {
    let mut answers = std::pin::pin!(answers);
    let mut last = VecDeque::new();
    while let Some(answer) = answers.next().await {
        let (said, failed) = match answer {
            Ok(BuildInfo { error_detail: Some(detail), .. }) => (detail.message, true),
            Ok(answer) => (answer.stream.or(answer.status), false),
            Err(error) => (Some(words(&error)), true),
        };
        let said = said.unwrap_or_default();
        progress.tell(&said);
        last.extend(said.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned));
        last.drain(..last.len().saturating_sub(LAST_LINES));
        if failed {
            return Err(Vec::from(last).join("\n"));
        }
    }
    Ok(())
}

fn context(setup: &str) -> io::Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in [("Dockerfile", DOCKERFILE), ("setup.sh", setup)] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o555);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_bytes())?;
    }
    archive.into_inner().map(Bytes::from)
}
