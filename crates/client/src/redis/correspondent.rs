//! The one task that owns the connection and knows who waits for which answer.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, Value, cmd};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, sleep, timeout};

use super::Delivery;
use super::wire::{FIELD, REQUESTS, RESPONSES, Response, STREAM};
use crate::error::in_words;
use crate::{Error, Output};

/// How long Redis may take for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How often the connection is asked whether it lives: one that was cut says nothing.
const PULSE: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MOST_BACKOFF: Duration = Duration::from_secs(5);

/// A request on its way.
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) payload: String,
    pub(super) delivery: Delivery,
    pub(super) reply: Reply,
}

/// What the sender waits for.
pub(super) enum Reply {
    /// The service's answer.
    Answer(oneshot::Sender<Result<Output, Error>>),
    /// That Redis has the request.
    Taken(oneshot::Sender<Result<(), Error>>),
}

/// Sends letters and hands answers out.
pub(super) struct Correspondent {
    client: Client,
    inbox: mpsc::Receiver<Letter>,
    waiting: HashMap<String, Vec<Waiting>>,
}

struct Waiting {
    letter: Letter,
    /// Whether it left at all, so that there may be an answer.
    sent: bool,
}

/// Both connections. Answers are listened for before anything is sent.
struct Link {
    requests: MultiplexedConnection,
    pulse: PubSubSink,
    answers: PubSubStream,
}

/// Why a link is no longer served.
enum End {
    Lost,
    NobodyLeft,
}

impl Correspondent {
    pub(super) fn new(client: Client, inbox: mpsc::Receiver<Letter>) -> Self {
        Self { client, inbox, waiting: HashMap::new() }
    }

    /// Until the executor is dropped.
    pub(super) async fn run(mut self) {
        while let Some(link) = self.connect().await {
            match self.serve(link).await {
                End::Lost => sleep(FIRST_BACKOFF).await,
                End::NobodyLeft => return,
            }
        }
    }

    /// Connects as soon as there is something to send; `None` where there never will be. What can't be sent fails at once,
    /// what was sent waits on.
    async fn connect(&mut self) -> Option<Link> {
        let mut backoff = FIRST_BACKOFF;
        loop {
            self.forget_who_left();
            if self.waiting.is_empty() {
                let letter = self.inbox.recv().await?;
                self.keep(letter);
            }
            while let Ok(letter) = self.inbox.try_recv() {
                self.keep(letter);
            }
            let error = match timeout(PATIENCE, Link::open(&self.client)).await {
                Ok(Ok(link)) => return Some(link),
                Ok(Err(error)) => in_words(&error),
                Err(_) => "Redis does not answer".to_owned(),
            };
            self.fail_unsent(&error);
            if !self.waiting.is_empty() {
                sleep(backoff).await;
                backoff = (backoff * 2).min(MOST_BACKOFF);
            }
        }
    }

    async fn serve(&mut self, mut link: Link) -> End {
        let mut pulse = interval(PULSE);
        let ids: Vec<String> = self.waiting.keys().cloned().collect();
        for id in ids {
            if self.send(&mut link, &id).await.is_err() {
                return End::Lost;
            }
        }
        loop {
            tokio::select! {
                letter = self.inbox.recv() => {
                    let Some(letter) = letter else { return End::NobodyLeft };
                    let id = letter.id.clone();
                    self.forget_who_left();
                    self.keep(letter);
                    if self.send(&mut link, &id).await.is_err() {
                        return End::Lost;
                    }
                }
                answer = link.answers.next() => match answer {
                    Some(message) => self.deliver(message.get_payload_bytes()),
                    None => return End::Lost,
                },
                _ = pulse.tick() => if !link.lives().await {
                    return End::Lost;
                },
            }
        }
    }

    /// Sends what waits under this id. What Redis refuses fails; an error is a lost connection.
    async fn send(&mut self, link: &mut Link, id: &str) -> Result<(), RedisError> {
        let Some(letters) = self.waiting.remove(id) else { return Ok(()) };
        let mut lost = Ok(());
        for mut waiting in letters {
            if lost.is_ok() {
                match link.send(&waiting.letter).await {
                    Ok(()) => waiting.sent = true,
                    Err(Trouble::Lost(error)) => lost = Err(error),
                    Err(Trouble::Refused(error)) => {
                        waiting.letter.reply.fail(error);
                        continue;
                    }
                }
            }
            self.go_on(waiting);
        }
        lost
    }

    /// Who wanted only to know that Redis has it knows now; the others wait.
    fn go_on(&mut self, waiting: Waiting) {
        let Waiting { letter: Letter { id, payload, delivery, reply }, sent } = waiting;
        match reply {
            Reply::Taken(taken) if sent => {
                // Whoever left does not want to know.
                let _ = taken.send(Ok(()));
            }
            reply => {
                let letter = Letter { id: id.clone(), payload, delivery, reply };
                self.waiting.entry(id).or_default().push(Waiting { letter, sent });
            }
        }
    }

    fn keep(&mut self, letter: Letter) {
        self.go_on(Waiting { letter, sent: false });
    }

    fn deliver(&mut self, payload: &[u8]) {
        let Some(response) = Response::parse(payload) else { return };
        let Some(letters) = self.waiting.remove(&response.id) else { return };
        let read = response.read();
        for waiting in letters {
            if let Reply::Answer(answer) = waiting.letter.reply {
                // As above.
                let _ = answer.send(read.clone());
            }
        }
    }

    fn fail_unsent(&mut self, error: &str) {
        for letters in self.waiting.values_mut() {
            for unsent in letters.extract_if(.., |waiting| !waiting.sent) {
                unsent.letter.reply.fail(Error::Transport(error.to_owned()));
            }
        }
        self.forget_who_left();
    }

    fn forget_who_left(&mut self) {
        self.waiting.retain(|_, letters| {
            letters.retain(|waiting| !waiting.letter.reply.is_closed());
            !letters.is_empty()
        });
    }
}

impl Reply {
    fn is_closed(&self) -> bool {
        match self {
            Self::Answer(answer) => answer.is_closed(),
            Self::Taken(taken) => taken.is_closed(),
        }
    }

    fn fail(self, error: Error) {
        // Whoever left does not want to know.
        match self {
            Self::Answer(answer) => drop(answer.send(Err(error))),
            Self::Taken(taken) => drop(taken.send(Err(error))),
        }
    }
}

/// Why a request did not leave.
enum Trouble {
    Lost(RedisError),
    Refused(Error),
}

impl Link {
    async fn open(client: &Client) -> Result<Self, RedisError> {
        let (mut pulse, answers) = client.get_async_pubsub().await?.split();
        pulse.subscribe(RESPONSES).await?;
        let config = AsyncConnectionConfig::new();
        let config = config.set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let requests = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(Self { requests, pulse, answers })
    }

    async fn send(&mut self, letter: &Letter) -> Result<(), Trouble> {
        let answer = command(letter).query_async::<Value>(&mut self.requests).await;
        match answer {
            Ok(Value::Int(0)) => Err(Trouble::Refused(Error::Unavailable {
                message: "no service listens on this Redis".into(),
                retry_after: None,
            })),
            Ok(_) => Ok(()),
            Err(error) if error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error() => {
                Err(Trouble::Lost(error))
            }
            Err(error) => Err(Trouble::Refused(Error::Transport(in_words(&error)))),
        }
    }

    async fn lives(&mut self) -> bool {
        timeout(PATIENCE, self.pulse.ping::<Value>()).await.is_ok_and(|pong| pong.is_ok())
    }
}

fn command(letter: &Letter) -> Cmd {
    match letter.delivery {
        Delivery::Stream => cmd("XADD").arg(STREAM).arg("*").arg(FIELD).arg(&letter.payload).clone(),
        Delivery::Channel => cmd("PUBLISH").arg(REQUESTS).arg(&letter.payload).clone(),
    }
}
