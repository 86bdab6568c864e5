//! Runs that went on without their server, and are taken up by the next.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use legwork_agents::Dialogue;
use legwork_model::{EventBody, Limits};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::attempt::{Lines, Wires};
use crate::cookie::Cookie;
use crate::output::{Output, Recorder};
use crate::passage::{Left, Passage, Terms};
use crate::runner::{Ended, Runner};
use crate::sandbox::{Adopted, Again, Confinement, Running};
use crate::starter::Started;
use crate::stdin::Stdin;
use crate::supervisor::{Found, History, Link, Note, Supervisor};

/// As long may it take to tell again what a program printed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that a supervisor has. It ends like one whose server has gone where nobody takes it up.
#[derive(Debug)]
pub struct Survivor {
    cookie: Cookie,
    directory: PathBuf,
    supervisor: Arc<Supervisor>,
}

/// A run that is this process's again, but does not go on yet. Dropping it ends the run.
pub struct TakenUp {
    found: Found,
    cookie: Cookie,
}

/// How a run that is taken up goes on.
#[derive(Debug)]
pub struct Resumption {
    /// Its limits, from when it was kept.
    pub limits: Limits,
    /// How long it stays for a further message after a turn.
    pub idle: Option<Duration>,
    /// Where its standard output goes, anew.
    pub stdout_path: PathBuf,
    /// Bytes in there of earlier processes of the run, which stay.
    pub so_far: u64,
    /// Whether its input is open until its turn ends.
    pub listens: bool,
    /// How it was confined.
    pub confinement: Confinement,
    /// Whether its program is a server.
    pub serves: bool,
}

/// A run that is where it was. Dropping it ends the run.
pub struct Resumed {
    stands: Stands,
    /// All events of its dialogue so far, in order; those that are on record are among them.
    pub events: Vec<EventBody>,
}

/// How far a run is that was taken up.
enum Stands {
    Working(Box<Passage>),
    /// Its program has ended, and was heard to its end.
    Over(Box<Left>),
}

impl std::fmt::Debug for TakenUp {
    /// Without its memo, which may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TakenUp")
    }
}

impl Survivor {
    /// The mark of the run.
    pub fn cookie(&self) -> &Cookie {
        &self.cookie
    }

    /// Takes the run up; `None` where it is there no more.
    ///
    /// # Errors
    /// What the connection with the supervisor says.
    pub async fn take_up(&self) -> io::Result<Option<TakenUp>> {
        let found = Link::attach(&self.supervisor, &self.directory, &self.cookie).await?;
        Ok(found.map(|found| TakenUp { found, cookie: self.cookie.clone() }))
    }
}

impl TakenUp {
    /// What whoever kept the run wanted to have known.
    pub fn memo(&self) -> &[u8] {
        &self.found.history.memo
    }

    /// What the program was told since it was started.
    pub fn notes(&self) -> &[Note] {
        &self.found.history.notes
    }
}

impl Runner {
    /// The runs of earlier server processes that went on. To be asked before the first run is started.
    ///
    /// # Errors
    /// Where their directory can't be read.
    pub async fn survivors(&self) -> io::Result<Vec<Survivor>> {
        let Some(supervisor) = self.supervisor() else { return Ok(Vec::new()) };
        let survivor = |(cookie, directory)| Survivor { cookie, directory, supervisor: Arc::clone(supervisor) };
        Ok(supervisor.runs().await?.into_iter().map(survivor).collect())
    }

    /// Brings a run that was taken up to where it was. `dialogue` is as it was when the program was started.
    ///
    /// # Errors
    /// Where its output can't be kept, or does not come.
    pub async fn resume(
        &self,
        taken: TakenUp,
        resumption: Resumption,
        dialogue: Box<dyn Dialogue>,
    ) -> io::Result<Resumed> {
        let Found { started, history } = taken.found;
        let Resumption { limits, idle, stdout_path, so_far, listens, confinement, serves } = resumption;
        let so_far = Output::taken_up(stdout_path.clone(), so_far)?;
        let output = Recorder::new(stdout_path, limits.max_output_bytes, Some(so_far))?;
        let sandbox = self.sandbox(confinement.kind).map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        let (printed, complained, tells) = (history.printed, history.complained, history.tells);
        let again = Again { started, printed, complained, tells };
        let adopted = Adopted { again, place: history.place.clone(), cookie: &taken.cookie, confinement: &confinement };
        let adopted = sandbox.adopt(adopted).await.map_err(|error| io::Error::other(error.to_string()))?;
        let Again { started, printed, complained, .. } = adopted;
        let Started { process, stdin, stdout, stderr, bridge } = started;
        let stdin = if listens { stdin } else { Stdin::Closed };
        let running = Running { process, stdin, stdout, stderr, bridge };
        let (_, stop) = watch::channel(None);
        let (events, _) = mpsc::channel(1);
        let terms = Terms { limits, idle, serves };
        let mut passage = Passage::new(running, terms, output, Wires::one_way(dialogue, stop, events), self.graces());
        passage.began(history.elapsed);
        let has_ended = history.exited;
        timeout(PATIENCE, async {
            let events = passage.replay(History { printed, complained, ..history }).await;
            if has_ended {
                rest_of(passage, events).await
            } else {
                Resumed { stands: Stands::Working(Box::new(passage)), events }
            }
        })
        .await
        .map_err(io::Error::from)
    }

    /// Goes on with a run that is where it was, as [`run`](Self::run) does.
    pub async fn go_on(&self, resumed: Resumed, lines: Lines) -> Ended {
        let left = match resumed.stands {
            Stands::Working(mut passage) => {
                passage.connect(lines);
                passage.run().await
            }
            Stands::Over(left) => left.without_orders(lines.orders),
        };
        self.ended(left).await
    }
}

/// Hears what there still is to be heard of a program that has ended. All that comes of it may be on record.
async fn rest_of(passage: Passage, mut events: Vec<EventBody>) -> Resumed {
    let (sender, mut said) = mpsc::channel(1);
    let hear = async {
        while let Some(event) = said.recv().await {
            events.push(event);
        }
    };
    let (left, ()) = tokio::join!(passage.end_of_ended(sender), hear);
    Resumed { stands: Stands::Over(Box::new(left)), events }
}
