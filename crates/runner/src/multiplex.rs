//! Both outputs of a program that a container engine sends over one connection: pieces, each with a head of eight bytes that
//! says which output it is of and how long it is
//! (<https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach>).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy, duplex, sink};
use tokio::task::JoinHandle;

use crate::pipes::Source;

/// Room between the connection and whoever reads.
const ROOM: usize = 64 * 1024;

/// The first byte of the head of a piece of standard error.
const ERROR: u8 = 2;

/// Standard output, standard error, and what ends when there is no more of either. One that nobody reads any more is read on, so that it does not hold up the other.
pub(crate) fn divided(
    connection: impl AsyncRead + Send + Unpin + 'static,
) -> (Source, Source, JoinHandle<io::Result<()>>) {
    let ((out, stdout), (err, stderr)) = (duplex(ROOM), duplex(ROOM));
    let dividing = tokio::spawn(divide(connection, out, err));
    (Box::new(stdout), Box::new(stderr), dividing)
}

/// Ends with the connection: how the program ended is for others to find out.
async fn divide(
    mut connection: impl AsyncRead + Unpin,
    mut out: impl AsyncWrite + Unpin,
    mut err: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    loop {
        let mut head = [0; 8];
        connection.read_exact(&mut head).await?;
        let [kind, _, _, _, length @ ..] = head;
        let mut piece = (&mut connection).take(u32::from_be_bytes(length).into());
        let copied = if kind == ERROR { copy(&mut piece, &mut err).await } else { copy(&mut piece, &mut out).await };
        if copied.is_err() {
            copy(&mut piece, &mut sink()).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_are_told_apart_and_one_that_nobody_reads_holds_up_nobody() {
        let piece = |kind: u8, text: &str| {
            let length = u32::try_from(text.len()).expect("short").to_be_bytes();
            [&[kind, 0, 0, 0], &length[..], text.as_bytes()].concat()
        };
        let long = "x".repeat(2 * ROOM);
        let sent = [piece(1, "out"), piece(2, &long), piece(2, "err"), piece(1, "put"), piece(1, "cut")[..9].to_vec()];
        let (mut stdout, stderr, _) = divided(io::Cursor::new(sent.concat()));
        drop(stderr);
        let mut heard = String::new();
        stdout.read_to_string(&mut heard).await.expect("text");
        assert_eq!(heard, "outputc");
    }
}
