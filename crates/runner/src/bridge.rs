//! Between a program that serves HTTP on this machine and the dialogue with it, which knows lines alone
//! ([`HttpServer`] says which). Nothing else is spoken to than the loopback address that the program announced, in the network
//! that the program has. It stands where the program was started, so with a run that outlives the server it stays where it is.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use legwork_agents::HttpServer;
use legwork_agents::framing::{DEFAULT_LINE_CAP, LineSplitter};
use legwork_model::Ids;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::network::RunNetwork;
use crate::pipes::Source;
use crate::stdin::{Stdin, StdinFeed};
use crate::supervisor::Speaker;

/// How long the program may take for one request. What takes longer is told of in events.
const REQUEST: Duration = Duration::from_secs(60);

/// Room between the program and whoever reads its lines.
const BUFFER: usize = 64 * 1024;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a bridge is built to.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Served {
    server: HttpServer,
    /// What only the program and the bridge know; a new one for each run.
    password: String,
}

/// A bridge, which has to be told the network of its program.
#[derive(Debug)]
pub(crate) enum Bridge {
    /// It stands here, and falls with this.
    Here(Standing),
    /// It stands in the supervisor, with the program.
    Supervised(Speaker),
}

/// A bridge that stands.
#[derive(Debug)]
pub(crate) struct Standing {
    task: JoinHandle<()>,
    network: Option<oneshot::Sender<RunNetwork>>,
}

/// What is between a program and its run, and where the run finds the program's streams.
pub(crate) struct Bridged {
    pub(crate) stdin: Stdin,
    pub(crate) stdout: Source,
    pub(crate) bridge: Bridge,
}

impl std::fmt::Debug for Served {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bridge {
    /// The program listens there.
    pub(crate) fn leads_to(&mut self, network: RunNetwork) {
        match self {
            // Where nobody waits for it, the program has ended.
            Self::Here(standing) => _ = standing.network.take().map(|told| told.send(network)),
            Self::Supervised(speaker) => speaker.leads_to(network),
        }
    }
}

impl Served {
    pub(crate) fn new(server: HttpServer) -> Self {
        let password = BASE64_URL_SAFE_NO_PAD.encode(Ids::from_system().secret());
        Self { server, password }
    }

    /// What the program is told its password with: the variable and its value.
    pub(crate) fn password(&self) -> (&str, &str) {
        (&self.server.password_variable, &self.password)
    }

    /// Builds a bridge to a program that prints to `printed`. The run says `said` first, and more where its input stays open.
    pub(crate) fn bridge(
        self,
        printed: impl AsyncRead + Send + Unpin + 'static,
        said: Vec<u8>,
        stays_open: bool,
    ) -> io::Result<Bridged> {
        let (feed, requests) = StdinFeed::new(said, stays_open)?;
        let requests = pipe::Receiver::from_owned_fd(requests)?;
        let (near, far) = duplex(BUFFER);
        let (network, told) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Nobody reads on, or the program has ended: both are known where it matters.
            let _ = self.stand(printed, requests, far, told).await;
        });
        let bridge = Bridge::Here(Standing { task, network: Some(network) });
        Ok(Bridged { stdin: Stdin::Pipe(feed), stdout: Box::new(near), bridge })
    }

    /// Stands until the program closes its standard output.
    async fn stand(
        self,
        mut printed: impl AsyncRead + Unpin,
        requests: pipe::Receiver,
        mut lines: DuplexStream,
        network: oneshot::Receiver<RunNetwork>,
    ) -> Result<(), Error> {
        let Self { server, password } = self;
        let (sender, mut told) = mpsc::channel(16);
        let mut ways = JoinSet::new();
        let mut unbuilt = Some((password, requests, network));
        let mut splitter = LineSplitter::new(BUFFER);
        let mut buffer = vec![0; BUFFER];
        loop {
            tokio::select! {
                read = printed.read(&mut buffer) => {
                    let read = read?;
                    if read == 0 {
                        return Ok(());
                    }
                    let mut heard = Vec::new();
                    splitter.push(&buffer[..read], |line| heard.push(String::from_utf8_lossy(line.bytes).into_owned()));
                    for line in heard {
                        match (announced(&server, &line), unbuilt.take()) {
                            (Some(address), Some((password, requests, network))) => {
                                let authorization = basic(&server.user, &password);
                                let door = Door { address: address?, authorization, network: network.await? };
                                ways.spawn(events(door.clone(), server.clone(), sender.clone()));
                                ways.spawn(answers(door, requests, sender.clone()));
                            }
                            (_, still) => {
                                unbuilt = still;
                                write(&mut lines, &json!({"line": line}).to_string()).await?;
                            }
                        }
                    }
                }
                Some(line) = told.recv() => write(&mut lines, &line).await?,
            }
        }
    }
}

async fn write(lines: &mut DuplexStream, line: &str) -> io::Result<()> {
    lines.write_all(line.as_bytes()).await?;
    lines.write_all(b"\n").await
}

/// The address in the line that announces it.
fn announced(server: &HttpServer, line: &str) -> Option<Result<SocketAddr, Error>> {
    let (_, address) = line.split_once(&server.announced_by)?;
    let address = address.trim().trim_start_matches("http://").trim_end_matches('/');
    Some(match address.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => Err(format!("{address} is not on this machine alone").into()),
        Err(error) => Err(error.into()),
    })
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// The way to the program.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    authorization: String,
    network: RunNetwork,
}

impl Door {
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Response<Incoming>, Error> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.address.to_string())
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let (mut sender, connection) = handshake(TokioIo::new(self.network.connect(self.address).await?)).await?;
        // Ends with the answer's body.
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

/// Tells of the events until their stream ends, and of that.
async fn events(door: Door, server: HttpServer, told: mpsc::Sender<String>) {
    let ended = match listen(&door, &server, &told).await {
        Ok(()) => "the stream of events ended".to_owned(),
        Err(error) => format!("the stream of events broke: {error}"),
    };
    let _ = told.send(json!({"error": ended}).to_string()).await;
}

async fn listen(door: &Door, server: &HttpServer, told: &mpsc::Sender<String>) -> Result<(), Error> {
    let answer = timeout(REQUEST, door.ask("GET", &server.events, None)).await??;
    if !answer.status().is_success() {
        return Err(format!("{} says {}", server.events, answer.status()).into());
    }
    let unwanted: Vec<_> = server.unwanted.iter().map(|kind| format!("\"type\":\"{kind}\"")).collect();
    let mut body = answer.into_body();
    let mut splitter = LineSplitter::default();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        let mut events = Vec::new();
        splitter.push(&bytes, |line| {
            let text = String::from_utf8_lossy(line.bytes);
            let data = text.strip_prefix("data:").map(str::trim);
            events.extend(data.filter(|data| !unwanted.iter().any(|kind| data.contains(kind))).map(event));
        });
        for event in events {
            told.send(event).await?;
        }
    }
    Ok(())
}

/// Data that is no JSON is passed on as a text.
fn event(data: &str) -> String {
    match serde_json::from_str::<&serde_json::value::RawValue>(data) {
        Ok(data) => format!("{{\"event\":{data}}}"),
        Err(_) => json!({"event": data}).to_string(),
    }
}

/// A request of the dialogue.
#[derive(Deserialize)]
struct Asked {
    id: Value,
    method: String,
    path: String,
    #[serde(default)]
    body: Option<Value>,
}

/// Makes the requests that come, and tells of their answers.
async fn answers(door: Door, mut requests: impl AsyncRead + Unpin, told: mpsc::Sender<String>) {
    let mut splitter = LineSplitter::default();
    let mut buffer = Vec::with_capacity(BUFFER);
    while requests.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
        let mut asked = Vec::new();
        splitter.push(&buffer, |line| asked.extend(serde_json::from_slice::<Asked>(line.bytes).ok()));
        buffer.clear();
        for Asked { id, method, path, body } in asked {
            let answer = timeout(REQUEST, answer(&door, &method, &path, body.as_ref())).await;
            let line = match answer {
                Ok(Ok((status, body))) => json!({"id": id, "status": status, "body": body}),
                Ok(Err(error)) => json!({"id": id, "error": error.to_string()}),
                Err(_) => json!({"id": id, "error": format!("no answer within {} seconds", REQUEST.as_secs())}),
            };
            if told.send(line.to_string()).await.is_err() {
                return;
            }
        }
    }
}

async fn answer(door: &Door, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Error> {
    let answer = door.ask(method, path, body).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), DEFAULT_LINE_CAP).collect().await?.to_bytes();
    let text = || Value::String(String::from_utf8_lossy(&body).into_owned());
    Ok((status, serde_json::from_slice(&body).unwrap_or_else(|_| text())))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, BufReader, Lines};
    use tokio::net::TcpListener;

    use super::*;

    const USER: &str = "me";

    fn served() -> Served {
        Served::new(HttpServer {
            announced_by: "listening on ".into(),
            events: "/event".into(),
            unwanted: vec!["beat".into()],
            user: USER.into(),
            password_variable: "PASSWORD".into(),
        })
    }

    /// Answers each connection with what there is for its path, if it knows the password.
    async fn serve(listener: TcpListener, password: String) {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.expect("a request");
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            assert!(request.contains(&basic(USER, &password)), "{request}");
            let path = request.split(' ').nth(1).expect("a path").to_owned();
            let body = match path.as_str() {
                "/event" => "data: {\"type\":\"a\"}\n\n: comment\ndata: {\"type\":\"beat\"}\n\ndata: no JSON\n\n",
                "/json" => "{\"a\": 1}",
                _ => "text",
            };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.expect("written");
        }
    }

    struct Built {
        printed: DuplexStream,
        requests: Stdin,
        lines: Lines<BufReader<crate::pipes::Source>>,
        password: String,
        _bridge: Bridge,
    }

    fn build() -> Built {
        let served = served();
        let password = served.password().1.to_owned();
        let (printed, far) = duplex(1024);
        let Bridged { stdin, stdout, mut bridge } = served.bridge(far, Vec::new(), true).expect("built");
        bridge.leads_to(RunNetwork::Machine);
        Built { printed, requests: stdin, lines: BufReader::new(stdout).lines(), password, _bridge: bridge }
    }

    impl Built {
        async fn next(&mut self) -> Option<String> {
            self.lines.next_line().await.expect("a line")
        }
    }

    #[tokio::test]
    async fn events_and_answers_become_lines() {
        let mut built = build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let served = tokio::spawn(serve(listener, built.password.clone()));
        built.printed.write_all(format!("hello\nlistening on http://{address}\n").as_bytes()).await.expect("printed");
        assert_eq!(built.next().await.as_deref(), Some(r#"{"line":"hello"}"#));
        assert_eq!(built.next().await.as_deref(), Some(r#"{"event":{"type":"a"}}"#));
        assert_eq!(built.next().await.as_deref(), Some(r#"{"event":"no JSON"}"#));
        assert_eq!(built.next().await.as_deref(), Some(r#"{"error":"the stream of events ended"}"#));
        let asked = b"not JSON\n{\"id\":\"1\",\"method\":\"GET\",\"path\":\"/json\"}\n{\"id\":\"2\",\"method\":\"POST\",\"path\":\"/x\",\"body\":{}}\n{\"id\":\"3\",\"method\":\"\",\"path\":\"\"}\n";
        built.requests.push(asked);
        assert_eq!(built.next().await.as_deref(), Some(r#"{"body":{"a":1},"id":"1","status":200}"#));
        assert_eq!(built.next().await.as_deref(), Some(r#"{"body":"text","id":"2","status":200}"#));
        assert!(built.next().await.is_some_and(|line| line.contains(r#""error""#) && line.contains(r#""id":"3""#)));
        drop(built.printed);
        assert_eq!(built.lines.next_line().await.expect("the end"), None);
        served.abort();
    }

    #[tokio::test]
    async fn nothing_but_this_machine_is_spoken_to() {
        for address in ["http://192.0.2.1:80", "http://example.com:80", "http://127.0.0.1"] {
            let mut built = build();
            built.printed.write_all(format!("listening on {address}\n").as_bytes()).await.expect("printed");
            assert_eq!(built.next().await, None, "{address}");
        }
    }

    #[test]
    fn every_run_has_a_password_of_its_own() {
        let password = || served().password().1.to_owned();
        assert!(password() != password() && password().len() > 40);
    }
}
