//! The two services that are compared, and what one job is for each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::args::Args;
use crate::error::BenchError;
use crate::http::{self, Call};
use crate::service::{Launch, Service};

/// Agents at once, the same for both.
pub(crate) const CONCURRENCY: usize = 5;
const PROMPT: &str = "What is the answer?";
const SECRET: &str = "secret";
pub(crate) const TIMESTAMP: &str = "x-claude-timestamp";
pub(crate) const SIGNATURE: &str = "x-claude-signature";

/// A service that runs the agent for its callers.
#[derive(Debug, Clone)]
pub(crate) struct Contender {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    ready: &'static str,
    job: Job,
    done: &'static [u8],
}

/// What is asked of a contender.
#[derive(Debug, Clone)]
enum Job {
    /// The same every time.
    Same(Box<Call>),
    /// Signed anew every time, for a signature is good once.
    Signed { asked: Arc<AtomicU64> },
}

impl Contender {
    /// Legwork: answers when the job is over and on record.
    pub(crate) fn legwork(args: &Args) -> Result<Self, BenchError> {
        let body = format!(r#"{{"prompt":"{PROMPT}"}}"#);
        Ok(Self {
            name: "legwork",
            program: absolute(&args.legwork)?,
            args: ["serve", "--listen", "127.0.0.1:{port}", "--data-dir", "{data}"].map(str::to_owned).into(),
            env: vec![
                ("LEGWORK_AGENTS__CLAUDE_CODE__PROGRAM", absolute(&args.agent)?.display().to_string()),
                ("LEGWORK_AGENTS__CLAUDE_CODE__API_KEY", "key-of-the-instant-agent".into()),
                ("LEGWORK_LANES__DEFAULT__CONCURRENCY", CONCURRENCY.to_string()),
                ("LEGWORK_LOG__FILTER", "warn".into()),
                // The peer has neither; what they cost has rows of its own.
                ("LEGWORK_SANDBOX__KIND", "process".into()),
                ("LEGWORK_RUNS__DETACH", "false".into()),
            ],
            ready: "/readyz",
            job: Job::Same(Box::new(http::post("/v1/executions", &[("prefer", "wait=30".into())], body))),
            done: br#""state":"succeeded""#,
        })
    }

    /// Legwork by the door that speaks the Node worker's contract.
    pub(crate) fn legwork_door(args: &Args) -> Result<Self, BenchError> {
        let mut legwork = Self::legwork(args)?;
        legwork.env.push(("CLAUDE_SERVICE_SECRET", SECRET.into()));
        legwork.env.push(("LEGWORK_LANES__EXECUTE__CONCURRENCY", CONCURRENCY.to_string()));
        legwork.job = Job::Signed { asked: Arc::default() };
        legwork.done = br#""success":true"#;
        Ok(legwork)
    }

    /// The same with one more variable in its environment.
    pub(crate) fn with_env(mut self, name: &'static str, value: String) -> Self {
        self.env.push((name, value));
        self
    }

    /// The Node worker: answers when the job is over, and forgets it.
    pub(crate) fn peer(args: &Args) -> Result<Self, BenchError> {
        let body = format!(r#"{{"prompt":"{PROMPT}","args":["-p","--output-format","stream-json","--verbose"]}}"#);
        let timestamp = "1700000000".to_owned();
        let signature = signature(&timestamp, &body)?;
        let headers = [(TIMESTAMP, timestamp), (SIGNATURE, signature)];
        Ok(Self {
            name: "node",
            program: "node".into(),
            args: vec![absolute(&args.peer)?.display().to_string()],
            env: vec![
                ("AGENT", absolute(&args.agent)?.display().to_string()),
                ("CONCURRENCY", CONCURRENCY.to_string()),
                ("PORT", "{port}".into()),
                ("NODE_ENV", "production".into()),
            ],
            ready: "/health",
            job: Job::Same(Box::new(http::post("/execute", &headers, body))),
            done: br#""success":true"#,
        })
    }

    /// The least that a worker can do.
    pub(crate) fn bare(args: &Args) -> Result<Self, BenchError> {
        let path = |path: &Path| Ok::<_, BenchError>(absolute(path)?.display().to_string());
        let mut words: Vec<String> = vec!["--bare-worker".into(), "{port}".into()];
        // The others are not used, but have to be there.
        for (option, value) in
            [("--agent", path(&args.agent)?), ("--legwork", path(&args.legwork)?), ("--peer", path(&args.peer)?)]
        {
            words.extend([option.into(), value]);
        }
        words.extend(["--readme", "-", "--scratch", "-"].map(str::to_owned));
        Ok(Self {
            name: "bare",
            program: std::env::current_exe()?,
            args: words,
            env: Vec::new(),
            ready: "/",
            job: Job::Same(Box::new(http::post("/", &[], PROMPT))),
            done: br#""success":true"#,
        })
    }

    /// The least that keeps its jobs.
    pub(crate) fn keeping(args: &Args) -> Result<Self, BenchError> {
        let mut bare = Self::bare(args)?;
        bare.name = "keeping";
        bare.args.push("--keeps".into());
        bare.job = Job::Signed { asked: Arc::default() };
        Ok(bare)
    }

    /// As it is called in tables.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// One job: the answer comes when it is over.
    pub(crate) fn job(&self) -> Call {
        match &self.job {
            Job::Same(call) => (**call).clone(),
            Job::Signed { asked } => signed_now(asked.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Whether that answer says that the job succeeded.
    pub(crate) fn succeeded(&self, answer: &[u8]) -> bool {
        answer.windows(self.done.len()).any(|window| window == self.done)
    }

    /// Starts it with that data folder, on a free port, and waits until it says that it is ready.
    pub(crate) async fn start(&self, data: PathBuf) -> Result<Service, BenchError> {
        let launch =
            Launch { name: self.name, program: &self.program, args: &self.args, env: &self.env, ready: self.ready };
        Service::start(launch, &data).await
    }
}

/// The peer's job as a caller signs it. The number makes it another one than all before.
fn signed_now(number: u64) -> Call {
    let body = format!(r#"{{"prompt":"{PROMPT}","args":["-p"],"number":{number}}}"#);
    #[expect(clippy::disallowed_methods, reason = "a signature covers the time that the service's clock has")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let timestamp = now.to_string();
    let signature = signature(&timestamp, &body).unwrap_or_default();
    http::post("/execute", &[(TIMESTAMP, timestamp), (SIGNATURE, signature)], body)
}

/// HMAC-SHA256 over `timestamp:body`, in hex.
pub(crate) fn signature(timestamp: &str, body: &str) -> Result<String, BenchError> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map_err(|error| BenchError::Setup(error.to_string()))?;
    mac.update(format!("{timestamp}:{body}").as_bytes());
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn absolute(path: &Path) -> Result<PathBuf, BenchError> {
    path.canonicalize().map_err(|error| BenchError::Setup(format!("{}: {error}; run make bench", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_says() {
        // printf '1:{}' | openssl dgst -sha256 -hmac secret
        let expected = "24b3563d1c10654ea38e2d983adf97d9c40f6103e9cf9041c116f0d1f8676eb4";
        assert_eq!(signature("1", "{}").unwrap(), expected);
    }
}
