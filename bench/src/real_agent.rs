//! The real Claude Code, by Legwork and by itself, with a model that answers at once: `claude -p` as a shell starts it, Legwork
//! starting it for the job, and Legwork with one that waits. In turn, so that the machine is the same for all. One that waits
//! without Legwork tells how much of that the program takes by itself.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::StatusCode;
use legwork_gateway::rehearsal::Rehearsal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::args::Args;
use crate::contender::Contender;
use crate::error::BenchError;
use crate::http::{self, Connection, unexpected};
use crate::report::Row;
use crate::samples::Samples;
use crate::service::Service;

const ROUNDS: u32 = 10;
const SHORT: &str = "[[say: hi]]";
/// Takes about a second: what a program that is started beside it does to it can be seen.
const LONGER: &str =
    "[[bash: true]] [[bash: true]] [[bash: true]] [[bash: true]] [[bash: true]] [[bash: true]] [[say: hi]]";
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a program that says that it is ready goes on loading.
const SETTLED: Duration = Duration::from_millis(500);

/// When the first event and the result came, counted from the request.
struct Times {
    first: Duration,
    result: Duration,
}

/// What is kept of one way.
#[derive(Default)]
struct Way {
    first: Samples,
    result: Samples,
}

impl Way {
    fn take(&mut self, times: &Times) {
        self.first.push(times.first);
        self.result.push(times.result);
    }
}

/// Measures all ways; nothing where no program is named.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Row>, BenchError> {
    let Some(claude) = &args.claude else { return Ok(Vec::new()) };
    let scratch = args.folder()?;
    let model = Rehearsal::start(None, None).await?;
    let start = async |name: &str, most: &str, bare: &str| {
        let contender = Contender::legwork(args)?
            .with_env("LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM", claude.display().to_string())
            .with_env("LEGWORK_AGENTS__CLAUDE_CODE__BASE_URL", model.base_url())
            .with_env("ANTHROPIC_API_KEY", "rehearsed".into())
            .with_env("LEGWORK_WARM__MOST", most.into())
            .with_env("LEGWORK_AGENTS__CLAUDE_CODE__BARE", bare.into())
            .with_env("LEGWORK_WARM__RESERVE_MEMORY_MB", "0".into());
        contender.start(scratch.join(name)).await
    };
    let (cold, warm) = (start("cold", "0", "false").await?, start("warm", "1", "false").await?);
    let in_bare_mode = start("bare", "1", "true").await?;
    // The first job teaches what to keep.
    by_legwork(&warm, SHORT).await?;
    by_legwork(&in_bare_mode, SHORT).await?;
    let [mut bare, mut started, mut waiting, mut least, mut waited, mut least_waited] =
        [(); 6].map(|()| Way::default());
    let [mut alone, mut beside] = [Samples::default(), Samples::default()];
    for round in 0..ROUNDS {
        let itself = Itself { claude, base_url: model.base_url(), folder: scratch.join(format!("itself-{round}")) };
        bare.take(&itself.starts().await?);
        waited.take(&itself.waits(&[]).await?);
        least_waited.take(&itself.waits(&["--bare"]).await?);
        started.take(&by_legwork(&cold, SHORT).await?);
        until_waiting(&warm).await?;
        waiting.take(&by_legwork(&warm, SHORT).await?);
        until_waiting(&in_bare_mode).await?;
        least.take(&by_legwork(&in_bare_mode, SHORT).await?);
        let times = by_legwork(&cold, LONGER).await?;
        alone.push(times.result.saturating_sub(times.first));
        until_waiting(&warm).await?;
        // Taking it has the next one started.
        let times = by_legwork(&warm, LONGER).await?;
        beside.push(times.result.saturating_sub(times.first));
    }
    cold.stop().await?;
    warm.stop().await?;
    in_bare_mode.stop().await?;
    let median = |samples: &Samples| samples.percentile(50);
    let row = |what: &str, way: &Samples, base: &Samples| {
        Row::compared(format!("real Claude Code, {what}, median"), [median(way), median(base)])
    };
    Ok(vec![
        row("one that waits: first event, against `claude -p`", &waiting.first, &bare.first).wanted("at most 0.2x"),
        row("one that waits: result, against `claude -p`", &waiting.result, &bare.result).wanted("at most 0.2x"),
        row("one that waits without Legwork: result, against `claude -p`", &waited.result, &bare.result),
        row("one that waits in bare mode: result, against `claude -p`", &least.result, &bare.result)
            .wanted("at most 0.2x"),
        row(
            "one that waits in bare mode without Legwork: result, against `claude -p`",
            &least_waited.result,
            &bare.result,
        ),
        row("started for the job: result, against `claude -p`", &started.result, &bare.result).wanted("at most 1.05x"),
        row("a job while the next one is started, against alone", &beside, &alone).wanted("at most 1.1x"),
    ])
}

/// The program without Legwork.
struct Itself<'a> {
    claude: &'a Path,
    base_url: String,
    folder: PathBuf,
}

/// How a program is told to wait, and what it answers once everything is loaded.
const INITIALIZE: &str = r#"{"type":"control_request","request_id":"ready","request":{"subtype":"initialize"}}"#;
const READY: &str = r#""request_id":"ready""#;

impl Itself<'_> {
    /// As a shell starts it.
    async fn starts(&self) -> Result<Times, BenchError> {
        let begun = Instant::now();
        let (mut child, mut stdin, mut lines) = self.spawn(&["-p", "--output-format", "stream-json", "--verbose"])?;
        stdin.write_all(SHORT.as_bytes()).await?;
        drop(stdin);
        let times = until_result(&mut lines, begun).await?;
        child.wait().await?;
        Ok(times)
    }

    /// Started ahead of its prompt, with what Legwork starts it with.
    async fn waits(&self, more: &[&str]) -> Result<Times, BenchError> {
        let streaming = ["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"];
        let distrusting = ["--setting-sources=user", "--strict-mcp-config", "--allowedTools=Bash"];
        let (mut child, mut stdin, mut lines) = self.spawn(&[&streaming[..], &distrusting, more].concat())?;
        stdin.write_all(format!("{INITIALIZE}\n").as_bytes()).await?;
        while !next(&mut lines).await?.contains(READY) {}
        tokio::time::sleep(SETTLED).await;
        let message = format!(r#"{{"type":"user","message":{{"role":"user","content":"{SHORT}"}}}}"#);
        let begun = Instant::now();
        stdin.write_all(format!("{message}\n").as_bytes()).await?;
        let times = until_result(&mut lines, begun).await?;
        drop(stdin);
        child.wait().await?;
        Ok(times)
    }

    #[expect(clippy::disallowed_methods, reason = "what Legwork is compared with is a process of the benchmark's own")]
    fn spawn(&self, args: &[&str]) -> Result<(Child, ChildStdin, Output), BenchError> {
        std::fs::create_dir_all(&self.folder)?;
        let mut child = Command::new(self.claude)
            .args(args)
            .env("HOME", &self.folder)
            .env("ANTHROPIC_BASE_URL", &self.base_url)
            .env("ANTHROPIC_API_KEY", "rehearsed")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let nothing = || BenchError::Setup("the agent has no pipes".to_owned());
        let stdin = child.stdin.take().ok_or_else(nothing)?;
        let lines = BufReader::new(child.stdout.take().ok_or_else(nothing)?).lines();
        Ok((child, stdin, lines))
    }
}

type Output = Lines<BufReader<ChildStdout>>;

async fn next(lines: &mut Output) -> Result<String, BenchError> {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.map_err(|_| late())??;
    line.ok_or_else(|| BenchError::Setup("the agent gave no result".to_owned()))
}

async fn until_result(lines: &mut Output, begun: Instant) -> Result<Times, BenchError> {
    let mut first = None;
    loop {
        let line = next(lines).await?;
        let first = *first.get_or_insert_with(|| begun.elapsed());
        if line.contains(r#""type":"result""#) {
            return Ok(Times { first, result: begun.elapsed() });
        }
    }
}

/// A job by Legwork, followed live.
async fn by_legwork(service: &Service, prompt: &str) -> Result<Times, BenchError> {
    let body = format!(r#"{{"prompt":"{prompt}","tools":{{"allow":["Bash"]}}}}"#);
    let call = http::post("/v1/executions", &[("accept", "text/event-stream".into())], body);
    let mut connection = Connection::open(service.address()).await?;
    let begun = Instant::now();
    let mut body = connection.send(&call).await?.into_body();
    let (mut text, mut first, mut result) = (String::new(), None, None);
    while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame()).await.map_err(|_| late())? {
        let now = begun.elapsed();
        if let Some(data) = frame?.data_ref() {
            text += &String::from_utf8_lossy(data);
        }
        let has = |kind: &str| text.contains(&format!("event: {kind}\n"));
        first = first.or_else(|| has("started").then_some(now));
        result = result.or_else(|| has("turn_ended").then_some(now));
    }
    match (first, result, text.contains(r#""state":"succeeded""#)) {
        (Some(first), Some(result), true) => Ok(Times { first, result }),
        _ => Err(unexpected(&call, StatusCode::OK, text.as_bytes())),
    }
}

async fn until_waiting(service: &Service) -> Result<(), BenchError> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let mut connection = Connection::open(service.address()).await?;
        let metrics = connection.call(&http::get("/metrics"), StatusCode::OK).await?;
        if String::from_utf8_lossy(&metrics).contains("legwork_warm_processes 1") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(BenchError::Setup("no agent waits".to_owned()))
}

fn late() -> BenchError {
    BenchError::Setup(format!("nothing came for {} s", PATIENCE.as_secs()))
}
