//! What a program prints to its two standard outputs, which comes over one connection.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use crate::pipes::Source;

/// Room between the connection and whoever reads.
const ROOM: usize = 64 * 1024;

/// What comes from the engine.
pub(super) type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, Error>> + Send>>;

/// Standard output, standard error, and what ends when there is no more of either.
pub(super) fn divided(output: Output) -> (Source, Source, JoinHandle<()>) {
    let ((out, stdout), (err, stderr)) = (duplex(ROOM), duplex(ROOM));
    let dividing = tokio::spawn(divide(output, out, err));
    (Box::new(stdout), Box::new(stderr), dividing)
}

/// Ends with the connection: how the program ended is for others to find out. One that nobody reads is read on, so that
/// it does not hold up the other.
async fn divide(mut output: Output, mut out: DuplexStream, mut err: DuplexStream) {
    while let Some(Ok(piece)) = output.next().await {
        let _ = match piece {
            LogOutput::StdOut { message } => out.write_all(&message).await,
            LogOutput::StdErr { message } | LogOutput::Console { message } => err.write_all(&message).await,
            LogOutput::StdIn { .. } => Ok(()),
        };
    }
}
