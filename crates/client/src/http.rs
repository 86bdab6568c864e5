//! `POST /execute`, signed with the time and a shared secret.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use legwork_model::Clock;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;

use crate::error::in_words;
use crate::settings::patience;
use crate::{Call, Error, Executing, Executor, FailureCode, InvalidSettings, Output, Secret, Settings};

/// How long a connection may take to be made; Node's `fetch` has the same.
const CONNECT: Duration = Duration::from_secs(10);

/// Calls the agent over HTTP. Giving a call up does not end its run.
#[derive(Clone)]
pub struct HttpExecutor {
    http: Client,
    url: String,
    secret: Secret,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// What the service may answer, in success or not.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body {
    success: bool,
    result: Option<Printed>,
    error: Option<String>,
    code: Option<String>,
    field: Option<String>,
    execution_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Printed {
    output: String,
    duration: Option<u64>,
}

impl HttpExecutor {
    /// An executor for that address. It asks the address itself and no proxy, and follows no redirect: a signature is
    /// good once. Installs rustls' provider where the process has none yet.
    ///
    /// # Errors
    /// Where the address is not of HTTP or holds a password, or the secret is missing.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, InvalidSettings> {
        let message = "must be an address of HTTP, without a password";
        let wrong = InvalidSettings { name: "CLAUDE_SERVICE_URL", message };
        let url = settings.url()?;
        if !url.scheme().starts_with("http") || !url.username().is_empty() || url.password().is_some() {
            return Err(wrong);
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .build()
            .map_err(|_| wrong)?;
        let url = format!("{}/execute", url.as_str().trim_end_matches('/'));
        Ok(Self { http, url, secret: settings.key()?, timeout: settings.timeout, clock })
    }

    async fn ask(&self, call: &Call, timeout: Duration) -> Result<Output, Error> {
        let mut body = json!({ "prompt": call.prompt, "args": call.args, "timeout": millis(timeout) });
        if let Some(cwd) = &call.cwd {
            body["cwd"] = json!(cwd);
        }
        let body = body.to_string();
        let time = self.clock.now().as_millis().to_string();
        let request = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("x-claude-signature", sign(&self.secret, &time, &body))
            .header("x-claude-timestamp", time)
            .body(body);
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await.map_err(broken)?;
        read(status, wait.map(Duration::from_secs), &bytes)
    }
}

impl Executor for HttpExecutor {
    fn execute<'a>(&'a self, call: &'a Call) -> Executing<'a> {
        Box::pin(async move {
            let timeout = call.timeout.unwrap_or(self.timeout);
            let patience = patience(timeout);
            let answer = tokio::time::timeout(patience, self.ask(call, timeout)).await;
            answer.unwrap_or(Err(Error::TimedOut(patience)))
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Hex HMAC-SHA256 of `<time>:<body>`.
fn sign(secret: &Secret, time: &str, body: &str) -> String {
    // A key of any length will do, so this is never empty.
    let mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).map(|mut mac| {
        for part in [time, ":", body] {
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes()
    });
    mac.iter().flatten().map(|byte| format!("{byte:02x}")).collect()
}

/// Without the address, which is the caller's business.
fn broken(error: reqwest::Error) -> Error {
    Error::Transport(in_words(&error.without_url()))
}

fn read(status: StatusCode, retry_after: Option<Duration>, bytes: &[u8]) -> Result<Output, Error> {
    let body: Option<Body> = serde_json::from_slice(bytes).ok();
    let known = body.is_some();
    let Body { success, result, error, code, field, execution_id } = body.unwrap_or_default();
    if let (StatusCode::OK, true, Some(Printed { output, duration })) = (status, success, result) {
        return Ok(Output { text: output, duration: duration.map(Duration::from_millis), execution_id });
    }
    let message = error.unwrap_or_else(|| format!("status {}", status.as_u16()));
    Err(match (status, code.as_deref().and_then(FailureCode::parse)) {
        (StatusCode::INTERNAL_SERVER_ERROR, Some(code)) => Error::Failed { code, message, execution_id },
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Error::Unauthorized,
        (StatusCode::TOO_MANY_REQUESTS, _) => Error::RateLimited { retry_after },
        (StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT, _) => {
            Error::Unavailable { message, retry_after }
        }
        (status, _) if status.is_client_error() => Error::Invalid { field, code, message },
        _ if known => Error::Unexpected(message),
        _ => Error::Unexpected(format!("status {} without JSON", status.as_u16())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_the_time_and_the_body() {
        let signed = sign(&Secret::new("key"), "1772366400000", r#"{"prompt":"hi"}"#);
        assert_eq!(signed, "604d6504857cda9a971dcda04737c6ed2ba5285df2641e4966d775b6f5d03977");
    }

    #[test]
    fn each_answer_of_the_contract_is_one_kind_of_error() {
        let seconds = |wait| Some(Duration::from_secs(wait));
        let failed = |code, message: &str, id: Option<&str>| Error::Failed {
            code,
            message: message.into(),
            execution_id: id.map(str::to_owned),
        };
        for (status, wait, body, expected) in [
            (
                500,
                None,
                r#"{"success":false,"error":"too long","code":"TIMEOUT","executionId":"exe_1"}"#,
                failed(FailureCode::Timeout, "too long", Some("exe_1")),
            ),
            (500, None, r#"{"error":"x","code":"CANCELLED"}"#, failed(FailureCode::Cancelled, "x", None)),
            (500, None, r#"{"error":"x","code":"INTERNAL"}"#, Error::Unexpected("x".into())),
            (500, None, "<html>", Error::Unexpected("status 500 without JSON".into())),
            (401, None, r#"{"error":"Unauthorized"}"#, Error::Unauthorized),
            (
                422,
                None,
                r#"{"error":"cwd: outside","code":"OUTSIDE","field":"cwd"}"#,
                Error::Invalid {
                    field: Some("cwd".into()),
                    code: Some("OUTSIDE".into()),
                    message: "cwd: outside".into(),
                },
            ),
            (413, None, "", Error::Invalid { field: None, code: None, message: "status 413".into() }),
            (429, seconds(7), "{}", Error::RateLimited { retry_after: seconds(7) }),
            (
                503,
                seconds(5),
                r#"{"error":"full"}"#,
                Error::Unavailable { message: "full".into(), retry_after: seconds(5) },
            ),
            (502, None, "", Error::Unavailable { message: "status 502".into(), retry_after: None }),
            (200, None, "{}", Error::Unexpected("status 200".into())),
            (302, None, "", Error::Unexpected("status 302 without JSON".into())),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(read(status, wait, body.as_bytes()), Err(expected), "{status} {body}");
        }
    }

    #[test]
    fn a_success_gives_what_was_printed() {
        let body =
            r#"{"success":true,"result":{"output":"hi","duration":12},"executionTime":20,"executionId":"exe_1"}"#;
        let output =
            Output { text: "hi".into(), duration: Some(Duration::from_millis(12)), execution_id: Some("exe_1".into()) };
        assert_eq!(read(StatusCode::OK, None, body.as_bytes()), Ok(output));
    }
}
