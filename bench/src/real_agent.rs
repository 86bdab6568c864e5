//! The real Claude Code, by Legwork and by itself, with a model that answers at once: `claude -p` as a shell starts it, Legwork
//! starting it for the job, and Legwork with one that waits. In turn, so that the machine is the same for all.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::StatusCode;
use legwork_gateway::rehearsal::Rehearsal;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

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
    let [mut bare, mut started, mut waiting, mut least] = [(); 4].map(|()| Way::default());
    let [mut alone, mut beside] = [Samples::default(), Samples::default()];
    for round in 0..ROUNDS {
        bare.take(&by_itself(claude, &model.base_url(), &scratch.join(format!("bare-{round}"))).await?);
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
        row("one that waits in bare mode: result, against `claude -p`", &least.result, &bare.result)
            .wanted("at most 0.2x"),
        row("started for the job: result, against `claude -p`", &started.result, &bare.result).wanted("at most 1.05x"),
        row("a job while the next one is started, against alone", &beside, &alone).wanted("at most 1.1x"),
    ])
}

/// The program as a shell starts it.
#[expect(clippy::disallowed_methods, reason = "what Legwork is compared with is a process of the benchmark's own")]
async fn by_itself(claude: &Path, base_url: &str, folder: &Path) -> Result<Times, BenchError> {
    std::fs::create_dir_all(folder)?;
    let begun = Instant::now();
    let mut child = Command::new(claude)
        .args(["-p", "--output-format", "stream-json", "--verbose"])
        .env("HOME", folder)
        .env("ANTHROPIC_BASE_URL", base_url)
        .env("ANTHROPIC_API_KEY", "rehearsed")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let nothing = || BenchError::Setup("the agent has no pipes".to_owned());
    child.stdin.take().ok_or_else(nothing)?.write_all(SHORT.as_bytes()).await?;
    let mut lines = BufReader::new(child.stdout.take().ok_or_else(nothing)?).lines();
    let mut first = None;
    while let Some(line) = tokio::time::timeout(PATIENCE, lines.next_line()).await.map_err(|_| late())?? {
        first.get_or_insert_with(|| begun.elapsed());
        if line.contains(r#""type":"result""#) {
            let times = Times { first: first.unwrap_or_default(), result: begun.elapsed() };
            child.wait().await?;
            return Ok(times);
        }
    }
    Err(BenchError::Setup("the agent gave no result".to_owned()))
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
