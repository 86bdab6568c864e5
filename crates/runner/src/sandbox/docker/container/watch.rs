//! Waits for the end of a container's first process, once for all who want to know.

use bollard::errors::Error;
use bollard::query_parameters::WaitContainerOptionsBuilder;
use futures::StreamExt;
use legwork_model::Exit;
use tokio::sync::watch;

use super::super::engine::Known;
use super::super::error::words;

/// What becomes known about an end: its exit code, or why it can't be known.
pub(in super::super) type End = watch::Receiver<Option<Result<i64, String>>>;

/// Watches a container that was started.
pub(in super::super) fn watched(known: &Known, id: &str) -> End {
    let (sender, end) = watch::channel(None);
    let (docker, id) = (known.patient(), id.to_owned());
    tokio::spawn(async move {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let answer = docker.wait_container(&id, Some(options)).next().await;
        sender.send_replace(Some(code(answer.map(|answer| answer.map(|answer| answer.status_code)))));
    });
    end
}

/// An exit code other than zero comes as an error.
fn code(answer: Option<Result<i64, Error>>) -> Result<i64, String> {
    match answer {
        Some(Ok(code)) => Ok(code),
        Some(Err(Error::DockerContainerWaitError { code, error })) if error.is_empty() => Ok(code),
        Some(Err(error)) => Err(words(&error)),
        None => Err("it hung up".to_owned()),
    }
}

/// An engine tells of a signal as shells do, as a code from 128 on.
pub(in super::super) fn exit_of(code: i64) -> Exit {
    match i32::try_from(code) {
        Ok(code @ 129..=159) => Exit { code: None, signal: Some(code - 128) },
        Ok(code) => Exit { code: Some(code), signal: None },
        Err(_) => Exit::default(),
    }
}
