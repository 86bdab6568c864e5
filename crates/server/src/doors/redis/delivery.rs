//! From a request to its answer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{Pipeline, Script};
use legwork_model::ExecutionId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::keys::{GROUP, Keys};
use super::lead::{Lead, MEMORY};
use super::link::{Backoff, Link};
use super::request::{Request, ended, id_of, refused};
use crate::admission::{self, Accepted, Caller, OutputFormat, Permissions, Refusal, Repeat, admit};
use crate::app::{App, hex};
use crate::doors::cli_call::{CliCall, Rules, in_their_words, output};
use crate::doors::wait::Wait;
use crate::doors::{Doors, Problem};
use crate::lifecycle::Stage;
use crate::store::Durability;

const CALLER: &str = "door:redis";
/// The longest pause before a request on the stream is tried again that could not be taken.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long an entry of the stream is tried before it is left for a later delivery, well before another server may be
/// given it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Answers what is still to be answered, once. Tells whether Redis remembers at all.
const ANSWER: &str = "if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
  redis.call('PUBLISH', ARGV[2], ARGV[3])
  return 1
end
return redis.call('EXISTS', KEYS[2])";

/// The door, as all its parts see it.
pub(super) struct Door {
    pub(super) doors: Doors,
    pub(super) link: Link,
    pub(super) keys: Keys,
    pub(super) lead: Lead,
    answer: Script,
    tasks: TaskTracker,
    /// What this server is about to answer.
    answering: Mutex<HashSet<String>>,
}

/// A request as it arrived.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) payload: Vec<u8>,
    pub(super) via: Via,
}

/// How it arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// By the channel.
    Channel,
    /// By the stream, as this entry.
    Stream(String),
}

/// A request that was taken and is to be answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    /// The caller's name for it.
    id: String,
    execution: ExecutionId,
    format: OutputFormat,
    /// The server that is about to answer.
    node: String,
}

impl Door {
    pub(super) fn new(doors: Doors, link: Link) -> Self {
        let keys = Keys::new(&doors.app.config.doors.redis.prefix);
        Self {
            doors,
            link,
            keys,
            lead: Lead::default(),
            answer: Script::new(ANSWER),
            tasks: TaskTracker::new(),
            answering: Mutex::default(),
        }
    }

    pub(super) fn app(&self) -> &App {
        &self.doors.app
    }

    pub(super) fn is_serving(&self) -> bool {
        self.app().phase.stage() == Stage::Serving
    }

    /// Whether this server does one job, and has it.
    pub(super) fn is_taken(&self) -> bool {
        self.app().config.server.ephemeral && self.doors.scheduler.running() > 0
    }

    /// Does something beside what the caller does; it is waited for at the end.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for the last answers.
    pub(super) async fn finish(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("requests by Redis are left unanswered; another server, or the next start, answers them");
        }
        let gone = ::redis::Cmd::del(self.keys.alive(&self.app().node));
        let _ = tokio::time::timeout(patience, self.link.run::<()>(&gone)).await;
    }

    /// Puts the job on record and sees to its answer. A request on the stream that can't be taken now is tried again
    /// until it can.
    pub(super) async fn take(self: &Arc<Self>, delivery: Delivery) {
        let request = match Request::read(&delivery.payload, self.app().config.server.max_body_bytes) {
            Ok(request) => request,
            Err(problem) => return self.refuse(delivery, problem).await,
        };
        let Request { id, call, canonical } = request;
        let (submission, format) = match self.submission(call) {
            Ok(job) => job,
            Err(refusal) => return self.refuse(delivery, refusal.into()).await,
        };
        let begun = Instant::now();
        loop {
            match self.admit(&id, submission.clone(), &canonical).await {
                Ok(accepted) => return self.accepted(&delivery, id, accepted, format).await,
                // Days may pass until there is room, and somebody may want to make some.
                Err(refusal @ Refusal::BudgetExceeded { .. }) => return self.refuse(delivery, refusal.into()).await,
                Err(refusal) => match (&delivery.via, refusal.retry_after()) {
                    (Via::Stream(_), Some(_)) if begun.elapsed() > PATIENCE => return,
                    (Via::Stream(_), Some(pause)) => {
                        tokio::select! {
                            () = tokio::time::sleep(pause.min(LONGEST_PAUSE)) => {}
                            () = self.app().phase.reached(Stage::Draining) => return,
                        }
                    }
                    _ => return self.refuse(delivery, refusal.into()).await,
                },
            }
        }
    }

    fn submission(&self, call: CliCall) -> Result<(admission::Submission, OutputFormat), Refusal> {
        let settings = &self.app().config.doors.redis;
        call.submission(Rules {
            door: "redis",
            lane: &settings.lane,
            allow_flags: &settings.allow_flags,
            most_timeout_seconds: self.app().config.limits.most_timeout_seconds,
        })
    }

    async fn admit(&self, id: &str, job: admission::Submission, canonical: &[u8]) -> Result<Accepted, Refusal> {
        let app = self.app();
        let caller = Caller { key: Some(CALLER.to_owned()), permissions: Permissions::execute() };
        let execution = app.ids.execution(app.clock.now());
        let request = admission::Request {
            caller: &caller,
            id: execution,
            repeat: Repeat::Same(id),
            quota: None,
            durability: Durability::Now,
        };
        admit(app, &self.doors.scheduler, request, job, canonical).await
    }

    /// Tells the caller why its request is not taken.
    async fn refuse(&self, delivery: Delivery, problem: Problem) {
        let id = id_of(&delivery.payload);
        tracing::info!(%id, code = problem.code, "refused a request by Redis");
        let mut commands = ::redis::pipe();
        commands.publish(&self.keys.responses, refused(&id, in_their_words(problem))).ignore();
        self.settle(&mut commands, &delivery);
        self.insist(&commands).await;
    }

    /// Notes what is to be answered, and answers it when it has ended.
    async fn accepted(self: &Arc<Self>, delivery: &Delivery, id: String, accepted: Accepted, format: OutputFormat) {
        let app = self.app();
        let wait = Wait::for_answer(app, accepted.id);
        let note = Note { id, execution: accepted.id, format, node: app.node.clone() };
        // An entry that is delivered again, because it was not acknowledged, is still to be answered once.
        let token = match &delivery.via {
            Via::Stream(entry) => entry.clone(),
            Via::Channel => app.ids.execution(app.clock.now()).to_string(),
        };
        let mut commands = self.noted(&token, &note);
        self.settle(&mut commands, delivery);
        self.insist(&commands).await;
        let known = accepted.replayed;
        self.answer_when_ended(token, note, wait, known);
    }

    /// Leaves a note, and the sign that Redis has not forgotten any.
    fn noted(&self, token: &str, note: &Note) -> Pipeline {
        let mut commands = ::redis::pipe();
        commands.atomic();
        commands.hset(&self.keys.unanswered, token, json!(note).to_string()).ignore();
        commands.set(&self.keys.memory, 1).ignore();
        commands
    }

    /// Takes an entry that was dealt with off the stream; counts a message for those who overheard it.
    fn settle(&self, commands: &mut Pipeline, delivery: &Delivery) {
        commands.atomic();
        match &delivery.via {
            Via::Stream(entry) => {
                commands.xack(&self.keys.stream, GROUP, &[entry]).ignore();
                commands.xdel(&self.keys.stream, &[entry]).ignore();
            }
            Via::Channel => {
                let key = self.keys.dealt(&digest(&delivery.payload));
                commands.incr(&key, 1).ignore();
                commands.pexpire(&key, i64::try_from(MEMORY.as_millis()).unwrap_or(i64::MAX)).ignore();
            }
        }
    }

    /// Deals with what this server overheard and the last listener did not deal with.
    pub(super) async fn take_over(self: &Arc<Self>, overheard: Vec<Vec<u8>>) -> ::redis::RedisResult<()> {
        let mut heard: HashMap<String, Vec<Vec<u8>>> = HashMap::new();
        for payload in overheard {
            heard.entry(digest(&payload)).or_default().push(payload);
        }
        for (digest, payloads) in heard {
            let dealt: Option<usize> = self.link.run(&::redis::Cmd::get(self.keys.dealt(&digest))).await?;
            for payload in payloads.into_iter().skip(dealt.unwrap_or(0)) {
                let taker = Arc::clone(self);
                self.spawn(async move { taker.take(Delivery { payload, via: Via::Channel }).await });
            }
        }
        Ok(())
    }

    fn answer_when_ended(self: &Arc<Self>, token: String, note: Note, mut wait: Wait, known: bool) {
        if !self.answering().insert(token.clone()) {
            return;
        }
        let door = Arc::clone(self);
        self.spawn(async move {
            let record = if known { wait.for_end_of_known(door.app()).await } else { wait.for_end(door.app()).await };
            if let Some(record) = record
                && let Some(outcome) = record.outcome.clone()
            {
                let text = match output(door.app(), &record, &outcome, note.format).await {
                    Ok(output) => ended(&note.id, note.execution, &outcome, &output),
                    Err(error) => refused(&note.id.clone().into(), error.into()),
                };
                door.publish(&token, &note, &text).await;
            }
            door.answering().remove(&token);
        });
    }

    /// Answers, unless another server has.
    async fn publish(&self, token: &str, note: &Note, text: &str) {
        let mut backoff = Backoff::default();
        loop {
            let mut answer = self.answer.key(&self.keys.unanswered);
            answer.key(&self.keys.memory).arg(token).arg(&self.keys.responses).arg(text);
            match self.link.invoke::<bool>(&answer).await {
                Ok(true) => return,
                // Redis was started anew without its data, or emptied.
                Ok(false) => self.insist(&self.noted(token, note)).await,
                Err(error) => tracing::debug!(%error, "failed to answer by Redis; trying again"),
            }
            backoff.pause().await;
        }
    }

    /// Has Redis do something, now or once it is back.
    async fn insist(&self, commands: &Pipeline) {
        let mut backoff = Backoff::default();
        while let Err(error) = self.link.run_all(commands).await {
            tracing::debug!(%error, "failed to write to Redis; trying again");
            backoff.pause().await;
        }
    }

    /// Sees to the answers that this server owes from before it was started; where it `listens`, also to those of
    /// servers that are gone.
    pub(super) async fn adopt(self: &Arc<Self>, listens: bool) -> ::redis::RedisResult<()> {
        let notes: HashMap<String, String> = self.link.run(&::redis::Cmd::hgetall(&self.keys.unanswered)).await?;
        let mut alive: HashMap<String, bool> = HashMap::new();
        for (token, note) in notes {
            let Ok(note) = serde_json::from_str::<Note>(&note) else { continue };
            if note.node != self.app().node {
                if !listens {
                    continue;
                }
                if !alive.contains_key(&note.node) {
                    let lives = self.link.run(&::redis::Cmd::exists(self.keys.alive(&note.node))).await?;
                    alive.insert(note.node.clone(), lives);
                }
                if alive.get(&note.node) == Some(&true) {
                    continue;
                }
            }
            if matches!(self.app().store.execution(note.execution).await, Ok(None)) {
                // Of another database.
                self.link.run::<()>(&::redis::Cmd::hdel(&self.keys.unanswered, &token)).await?;
                continue;
            }
            let wait = Wait::for_answer(self.app(), note.execution);
            self.answer_when_ended(token, note, wait, true);
        }
        Ok(())
    }

    fn answering(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing panics while the lock is held.
        self.answering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(payload: &[u8]) -> String {
    hex(&Sha256::digest(payload))
}

/// How many requests wait for their answer; `None` where Redis does not say.
pub(super) async fn pending(link: &Link, doors: &Doors) -> Option<u64> {
    let keys = Keys::new(&doors.app.config.doors.redis.prefix);
    let asked = link.is_open().then(|| ::redis::Cmd::hlen(&keys.unanswered))?;
    tokio::time::timeout(LONGEST_PAUSE, link.run(&asked)).await.ok()?.ok()
}
