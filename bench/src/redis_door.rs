//! What a call by Redis takes longer than the same call over HTTP: one caller, who asks by each way in turn.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use hyper::StatusCode;
use redis::aio::{MultiplexedConnection, PubSub};

use crate::args::{Args, WARM_UP};
use crate::contender::Contender;
use crate::error::BenchError;
use crate::http::{Connection, unexpected};
use crate::report::Row;
use crate::samples::Samples;

const REQUESTS: &str = "claude:cli:requests";
const RESPONSES: &str = "claude:cli:responses";
const START: Duration = Duration::from_secs(10);

/// A Redis of the benchmark's own. Killed when dropped.
struct Redis {
    process: std::process::Child,
    url: String,
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Measures both ways.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Row>, BenchError> {
    let scratch = args.folder()?;
    let redis = start_redis(&scratch)?;
    let contender = Contender::legwork_door(args)?.with_env("REDIS_URL", redis.url.clone());
    let service = contender.start(scratch.join("redis-door")).await?;
    let mut connection = Connection::open(service.address()).await?;
    let (mut commands, mut answers) = connect(&redis.url).await?;
    let mut times = [Samples::default(), Samples::default()];
    let begun = Instant::now();
    for number in 0_u64.. {
        if begun.elapsed() > args.seconds() * args.rounds {
            break;
        }
        let job = contender.job();
        let sent = Instant::now();
        let answer = connection.call(&job, StatusCode::OK).await?;
        let http = sent.elapsed();
        if !contender.succeeded(&answer) {
            return Err(unexpected(&job, StatusCode::OK, &answer));
        }
        let by_redis = ask(&mut commands, &mut answers, number).await?;
        if begun.elapsed() > WARM_UP {
            times[0].push(by_redis);
            times[1].push(http);
        }
    }
    service.stop().await?;
    let [by_redis, http] = times.map(|samples| samples.percentile(50));
    Ok(vec![
        Row::alone("a call by Redis, 1 caller, median", by_redis),
        Row::alone("the same by `POST /execute`, in turn", http),
        Row::alone("what Redis adds", by_redis.saturating_sub(http)).wanted("under 3 ms"),
    ])
}

async fn ask(commands: &mut MultiplexedConnection, answers: &mut PubSub, number: u64) -> Result<Duration, BenchError> {
    let request = format!(r#"{{"id":"{number}","prompt":"What is the answer?","args":["-p"]}}"#);
    let sent = Instant::now();
    redis::Cmd::publish(REQUESTS, request).query_async::<()>(commands).await.map_err(failed)?;
    let answer = tokio::time::timeout(START, answers.on_message().next()).await;
    let took = sent.elapsed();
    let answer = answer.ok().flatten().ok_or_else(|| BenchError::Setup("no answer by Redis".to_owned()))?;
    let text = String::from_utf8_lossy(answer.get_payload_bytes()).into_owned();
    if text.contains(&format!(r#""id":"{number}""#)) && text.contains(r#""success":true"#) {
        return Ok(took);
    }
    Err(BenchError::Setup(format!("an unexpected answer by Redis: {text}")))
}

/// Connected as a caller is; the server may take a moment to listen.
async fn connect(url: &str) -> Result<(MultiplexedConnection, PubSub), BenchError> {
    let client = redis::Client::open(url).map_err(failed)?;
    let mut commands = client.get_multiplexed_async_connection().await.map_err(failed)?;
    let mut answers = client.get_async_pubsub().await.map_err(failed)?;
    answers.subscribe(RESPONSES).await.map_err(failed)?;
    let begun = Instant::now();
    loop {
        let count = redis::cmd("PUBSUB").arg("NUMSUB").arg(REQUESTS).to_owned();
        let (_, listeners): (String, u64) = count.query_async(&mut commands).await.map_err(failed)?;
        if listeners > 0 {
            return Ok((commands, answers));
        }
        if begun.elapsed() > START {
            return Err(BenchError::Setup("the server does not listen to Redis".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark starts what it measures")]
fn start_redis(scratch: &Path) -> Result<Redis, BenchError> {
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--dir"]).arg(scratch);
    let process = command.stdout(Stdio::null()).spawn()?;
    let redis = Redis { process, url: format!("redis://127.0.0.1:{port}") };
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begun.elapsed() > START {
            return Err(BenchError::Setup("redis-server does not answer".to_owned()));
        }
        std::thread::yield_now();
    }
    Ok(redis)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: redis::RedisError) -> BenchError {
    BenchError::Setup(format!("Redis: {error}"))
}
