//! A way to a server that breaks: of each event stream it lets one event through, and of the next one the number alone.
//! A reader that takes the number for the event misses it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The address of such a way to the server at `url`.
pub(super) async fn before(url: &str) -> String {
    let server = url.strip_prefix("http://").expect("an address").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.expect("the server is there");
            tokio::spawn(connect(client, server));
        }
    });
    format!("http://{address}")
}

/// Both connections end as soon as nothing more goes in either direction.
async fn connect(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async { drop(tokio::io::copy(&mut from_client, &mut to_server).await) };
    let answers = async {
        let mut passed = Vec::new();
        let mut sent = 0;
        while from_server.read_buf(&mut passed).await.is_ok_and(|bytes| bytes > 0) {
            let end = place_to_cut(&passed);
            let upto = end.unwrap_or(passed.len()).max(sent);
            if to_client.write_all(&passed[sent..upto]).await.is_err() || end.is_some() {
                return;
            }
            sent = upto;
        }
    };
    tokio::select! {
        () = questions => {}
        () = answers => {}
    }
}

/// The end of the line that numbers the second event.
fn place_to_cut(bytes: &[u8]) -> Option<usize> {
    let mut numbers = bytes.windows(5).enumerate().filter(|(_, window)| *window == b"\nid: ");
    let (second, _) = numbers.nth(1)?;
    let length = bytes[second + 1..].iter().position(|byte| *byte == b'\n')?;
    Some(second + 1 + length + 1)
}
