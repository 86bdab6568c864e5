//! Reads the first message of TLS without taking part: which server does the client name?

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::decision::Reason;

/// No first message is longer, not even with keys against quantum computers.
const MOST_BYTES: usize = 64 * 1024;

/// The server name of a first message, in lower case; `None` where it names none.
pub(super) type ServerName = Option<String>;

/// Reads from `client` until the first message is whole, however it is cut into records and segments. All that was read is
/// then in `read`, which may hold some of it before.
///
/// # Errors
/// [`Reason::NotTls`], where it is anything else, or the client leaves before the message is whole.
pub(super) async fn server_name(
    client: &mut (impl AsyncRead + Unpin),
    read: &mut Vec<u8>,
) -> Result<ServerName, Reason> {
    let mut acceptor = Acceptor::default();
    let mut fed = 0;
    loop {
        if let Some(name) = feed(&mut acceptor, &read[fed..])? {
            return Ok(name);
        }
        fed = read.len();
        if fed >= MOST_BYTES || !matches!(client.read_buf(read).await, Ok(1..)) {
            return Err(Reason::NotTls);
        }
    }
}

/// `None` while the message is not whole.
fn feed(acceptor: &mut Acceptor, mut bytes: &[u8]) -> Result<Option<ServerName>, Reason> {
    // It takes some kilobytes at a time.
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes).map_err(|_| Reason::NotTls)?;
        if let Some(accepted) = acceptor.accept().map_err(|_| Reason::NotTls)? {
            return Ok(Some(accepted.client_hello().server_name().map(str::to_owned)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName as Name;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    /// What a client of `host` sends first.
    fn first_message(host: &'static str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = versions.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), Name::try_from(host).unwrap()).unwrap();
        let mut message = Vec::new();
        client.write_tls(&mut message).unwrap();
        message
    }

    /// The same message in records of so many bytes.
    fn cut(message: &[u8], length: usize) -> Vec<u8> {
        let (header, body) = message.split_at(5);
        let record = |part: &[u8]| {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&header[..3], &length, part].concat()
        };
        body.chunks(length).flat_map(record).collect()
    }

    async fn check(sent: &[u8], expect: Result<Option<&str>, Reason>) {
        let mut read = Vec::new();
        let found = server_name(&mut &*sent, &mut read).await;
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(|reason| *reason), expect);
        assert!(sent.starts_with(&read));
    }

    #[tokio::test]
    async fn the_name_is_found_however_the_message_is_cut() {
        let message = first_message("api.example.com");
        check(&message, Ok(Some("api.example.com"))).await;
        for length in [1, 2, 7, 100] {
            check(&cut(&message, length), Ok(Some("api.example.com"))).await;
        }
        check(&first_message("192.0.2.7"), Ok(None)).await;
    }

    #[tokio::test]
    async fn what_came_before_is_part_of_it() {
        let message = first_message("api.example.com");
        let (before, mut rest) = message.split_at(60);
        let mut read = before.to_vec();
        assert_eq!(server_name(&mut rest, &mut read).await, Ok(Some("api.example.com".to_owned())));
        assert_eq!(read, message);
    }

    #[tokio::test]
    async fn anything_else_is_not_tls() {
        let message = first_message("api.example.com");
        check(b"", Err(Reason::NotTls)).await;
        check(b"GET / HTTP/1.1\r\n", Err(Reason::NotTls)).await;
        check(b"SSH-2.0-OpenSSH\r\n", Err(Reason::NotTls)).await;
        check(&message[..message.len() - 1], Err(Reason::NotTls)).await;
        // An endless message.
        check(&[&[22, 3, 1, 64, 0, 1, 255, 255, 255], &[0; 100_000][..]].concat(), Err(Reason::NotTls)).await;
        check(&vec![0; 100_000], Err(Reason::NotTls)).await;
    }
}
