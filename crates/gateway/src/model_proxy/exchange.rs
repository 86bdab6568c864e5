//! One request, from its token to the beginning of its answer.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use legwork_model::{ModelApi, Timestamp};
use tokio::time::Instant;
use url::Url;

use super::answer::{AnswerBody, Line};
use super::asked::Asked;
use super::breaker::{Answer, Held};
use super::credential::{self, Credential, Secret};
use super::endpoint::{Endpoint, NoEndpoint, endpoint};
use super::limits::told_until;
use super::login::LoginError;
use super::meter::Meter;
use super::pool::Chosen;
use super::proxy::Shared;
use super::refusal::Refusal;
use super::run::Run;

type Answered = Response<Either<Full<Bytes>, AnswerBody>>;

/// What belongs to one connection alone, and is never passed on.
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// What says where a request comes from, or how it is written, which is for the proxy to say.
const OURS: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::EXPECT,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
];

/// Answers one request.
pub(super) async fn exchange(shared: &Shared, request: Request<Incoming>) -> Answered {
    let (parts, body) = request.into_parts();
    let token = credential::brought(&parts.headers, parts.uri.query());
    let run = match shared.runs.find(token, shared.clock.now()) {
        Ok(run) => run,
        Err(refusal) => return refused(&refusal, likely_api(&parts)),
    };
    match pass_on(shared, &run, parts, body).await {
        Ok(answer) => answer,
        Err(refusal) => refused(&refusal, run.pass.api),
    }
}

fn refused(refusal: &Refusal, api: ModelApi) -> Answered {
    tracing::debug!(?refusal, "a request to a model is refused");
    metrics::counter!("legwork_model_requests_total", "api" => api.as_str(), "status" => refusal.status().as_str().to_owned())
        .increment(1);
    refusal.respond(api).map(Either::Left)
}

/// The API that a stranger most likely means.
fn likely_api(parts: &Parts) -> ModelApi {
    match parts.uri.path() {
        path if path.starts_with("/v1beta") || parts.headers.contains_key("x-goog-api-key") => ModelApi::Gemini,
        path if path.ends_with("/responses") || path.ends_with("/completions") => ModelApi::Openai,
        _ => ModelApi::Anthropic,
    }
}

/// A request that may be sent.
struct Outgoing {
    /// The model that it asks for.
    model: Option<String>,
    method: http::Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

async fn pass_on(shared: &Shared, run: &Arc<Run>, parts: Parts, body: Incoming) -> Result<Answered, Refusal> {
    let began = Instant::now();
    let pass = &run.pass;
    let path = parts.uri.path().strip_prefix(pass.api_path).unwrap_or(parts.uri.path());
    let wanted = endpoint(pass.api, &parts.method, path).map_err(|none| match none {
        NoEndpoint::NotFound => Refusal::NotFound(parts.uri.path().to_owned()),
        NoEndpoint::Method(allowed) => Refusal::Method(allowed),
    })?;
    let body = whole(shared, &parts.headers, body).await?;
    let line = match wanted {
        Endpoint::Free => None,
        Endpoint::Generate { model, streamed } => {
            let asked = Asked::read(&body, model, streamed);
            judge(shared, run, asked.model.as_deref()).await?;
            Some((asked, body.len()))
        }
    };
    let url = below(&pass.upstream, path, parts.uri.query()).ok_or(Refusal::Misconfigured)?;
    let model = line.as_ref().and_then(|(asked, _)| asked.model.clone());
    let outgoing = Outgoing { model, method: parts.method, url, headers: clean(parts.headers), body };
    let (answer, chosen) = send(shared, run, &outgoing).await?;
    let status = answer.status();
    metrics::counter!("legwork_model_requests_total", "api" => pass.api.as_str(), "status" => status.as_str().to_owned())
        .increment(1);
    let line = line.map(|(asked, bytes)| Line {
        meter: status
            .is_success()
            .then(|| Meter::new(pass.api, asked.streamed || is_stream(answer.headers()), bytes as u64)),
        run: Arc::clone(run),
        prices: Arc::clone(&shared.prices),
        model: asked.model,
        credential: chosen.account.name.clone(),
        imputed: chosen.account.credential.is_subscription(),
        status: status.as_u16(),
        began,
        first_byte: None,
    });
    let (mut head, body) = Response::<reqwest::Body>::from(answer).into_parts();
    HOP_BY_HOP.iter().for_each(|name| drop(head.headers.remove(name)));
    head.headers.remove(header::SET_COOKIE);
    Ok(Response::from_parts(head, Either::Right(AnswerBody::new(body, line))))
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Whether the run may ask this model now.
async fn judge(shared: &Shared, run: &Run, model: Option<&str>) -> Result<(), Refusal> {
    if let Some(model) = model {
        if let Some(allowed) = run.pass.models.without(model) {
            run.pass.books.not_allowed(model, allowed);
            return Err(Refusal::Model { asked: model.to_owned(), allowed: allowed.to_vec() });
        }
        if run.pass.priced_as.is_none() && shared.prices.of(model).is_none() {
            run.pass.books.unpriced(model);
            return Err(Refusal::Unpriced(model.to_owned()));
        }
    }
    run.pass.books.permit().await.map_err(Refusal::Books)
}

/// The whole body of a request, if it is not too long.
async fn whole(shared: &Shared, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refusal> {
    let most = shared.limits.body;
    let told = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > most as u64) {
        return Err(Refusal::TooLarge(most));
    }
    let arrived = tokio::time::timeout(shared.limits.silence, Limited::new(body, most).collect()).await;
    match arrived {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(most)),
        Ok(Err(_)) | Err(_) => Err(Refusal::Unreadable),
    }
}

/// What may go out of the headers that came in.
fn clean(mut headers: HeaderMap) -> HeaderMap {
    // A sender may name more that belongs to its connection alone.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    named.iter().chain(&HOP_BY_HOP).chain(&OURS).for_each(|name| drop(headers.remove(name)));
    credential::strip(&mut headers);
    // What is compressed can't be read along.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// The address of `path` below the base URL.
fn below(base: &Url, path: &str, query: Option<&str>) -> Option<Url> {
    let query = query.map(credential::strip_query).filter(|query| !query.is_empty());
    let text = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let mut url = Url::parse(&text).ok()?;
    url.set_query(query.as_deref());
    Some(url)
}

/// Sends a request by an account that may be used, and notes what its answer tells of the account.
async fn send(shared: &Shared, run: &Run, outgoing: &Outgoing) -> Result<(reqwest::Response, Chosen), Refusal> {
    let chosen = run.choose(outgoing.model.as_deref(), shared.clock.now()).map_err(|held| hold(shared, run, held))?;
    let mut rejected: Option<String> = None;
    loop {
        let secret = match secret_of(&chosen.account.credential, rejected.as_deref()).await {
            Ok(secret) => secret,
            Err(answer) => return Err(note_failure(shared, run, &chosen, answer)),
        };
        let mut headers = outgoing.headers.clone();
        if !credential::inject(&mut headers, run.pass.api, &secret) {
            return Err(Refusal::Misconfigured);
        }
        let client = shared.clients.of(&outgoing.url).map_err(|error| {
            tracing::error!(%error, "the APIs of models can't be asked");
            Refusal::Unreachable
        })?;
        let request = client.request(outgoing.method.clone(), outgoing.url.clone()).headers(headers);
        let answer = match request.body(outgoing.body.clone()).send().await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "the API of a model can't be reached");
                return Err(note_failure(shared, run, &chosen, Answer::Unavailable(None)));
            }
        };
        // The token of a login may be good for nothing before its time: with a new one the request is still to be answered.
        if let (StatusCode::UNAUTHORIZED, Credential::Login(_), Secret::Oauth(token), None) =
            (answer.status(), &chosen.account.credential, secret, &rejected)
        {
            rejected = Some(token);
            continue;
        }
        note(shared, run, &chosen, outgoing.model.as_deref(), verdict(&answer, shared.clock.now()));
        return Ok((answer, chosen));
    }
}

async fn secret_of(credential: &Credential, rejected: Option<&str>) -> Result<Secret, Answer> {
    match credential {
        Credential::ApiKey(key) => Ok(Secret::Key(key.clone())),
        Credential::BearerToken(token) => Ok(Secret::Bearer(token.clone())),
        Credential::OauthToken(token) => Ok(Secret::Oauth(token.clone())),
        Credential::Login(login) => login.token(rejected).await.map(Secret::Oauth).map_err(|error| {
            tracing::error!(%error, "a login can't be used");
            if matches!(error, LoginError::Unavailable(_)) { Answer::Unavailable(None) } else { Answer::Rejected }
        }),
    }
}

/// What an answer tells of the account that it was asked by.
fn verdict(answer: &reqwest::Response, now: Timestamp) -> Answer {
    match answer.status().as_u16() {
        401 => Answer::Rejected,
        402 => Answer::Limited(None),
        429 => Answer::Limited(told_until(answer.headers(), now)),
        500..=599 => Answer::Unavailable(told_until(answer.headers(), now)),
        _ => Answer::Good,
    }
}

fn note(shared: &Shared, run: &Run, chosen: &Chosen, model: Option<&str>, answer: Answer) {
    let now = shared.clock.now();
    run.pass.pool.note(chosen, model, answer, now);
    if let (true, Some(held)) = (answer != Answer::Good, run.pass.pool.held(now)) {
        run.pass.books.held(held);
    }
}

fn note_failure(shared: &Shared, run: &Run, chosen: &Chosen, answer: Answer) -> Refusal {
    // That it is not reached at all has nothing to do with the model.
    note(shared, run, chosen, None, answer);
    match run.pass.pool.held(shared.clock.now()) {
        Some(held) => hold(shared, run, held),
        None => Refusal::Unreachable,
    }
}

/// The refusal while no account can be used.
fn hold(shared: &Shared, run: &Run, held: Held) -> Refusal {
    run.pass.books.held(held);
    let seconds = held.until.millis_since(shared.clock.now()).div_ceil(1_000).max(1);
    Refusal::Held { cause: held.cause, seconds }
}
