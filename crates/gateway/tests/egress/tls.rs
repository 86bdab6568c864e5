//! Tunnels to an allowed host that are used for something else.

use tokio::io::AsyncWriteExt;

use crate::run::{World, rest_of};

/// Row 15.
#[tokio::test]
async fn another_server_name_is_denied_before_the_host_hears_of_it() {
    let world = World::new().await;
    let run = world.run();
    let error = world.get(&run, "allowed.test", "denied.test").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("unrecogni"), "{error}");
    assert_eq!(run.end().await, ["allowed.test:443 denied SniMismatch x1"]);
    assert_eq!(world.https.heard(), "");
}

/// Row 15.
#[tokio::test]
async fn no_server_name_is_denied() {
    let world = World::new().await;
    let run = world.run();
    assert!(world.get(&run, "allowed.test", "127.0.0.1").await.is_err());
    assert_eq!(run.end().await, ["allowed.test:443 denied SniMismatch x1"]);
    assert_eq!(world.https.heard(), "");
}

#[tokio::test]
async fn what_is_not_tls_is_denied() {
    let world = World::new().await;
    world.names.set("allowed.test", 443, &[world.http.address]);
    let run = world.run();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: denied.test\r\n\r\n"[..], b"SSH-2.0-OpenSSH_9.9\r\n", &[0; 64]] {
        let mut stream = run.tunnel("allowed.test").await;
        stream.write_all(bytes).await.unwrap();
        assert_eq!(rest_of(&mut stream).await, "");
    }
    assert_eq!(run.end().await, ["allowed.test:443 denied NotTls x3"]);
    assert_eq!(world.http.heard(), "");
}

#[tokio::test]
async fn a_client_may_begin_with_tls_before_it_is_answered() {
    let world = World::new().await;
    let run = world.run();
    let mut stream = run.connect().await;
    let request = "CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\nKEY\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    stream.write_all(request.replace("KEY\r\n", crate::run::KEY).as_bytes()).await.unwrap();
    assert!(rest_of(&mut stream).await.starts_with("HTTP/1.1 200"));
    // What came with the request was judged as the beginning of TLS.
    assert_eq!(run.end().await, ["allowed.test:443 denied NotTls x1"]);
}
