//! Starts programs ahead of their jobs, and ends those that nobody took. One at a time, and when the machine has time for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use legwork_model::{Clock, FailureReason, Ids, Limits, SystemClock, Verdict};
use legwork_runner::{Attempt, Cookie, RunDirs, Survival};
use tokio::time::timeout;

use super::{Kept, Profile, WarmPool};
use crate::executor::Executor;
use crate::executor::setup::with_way_to_model;
use crate::lifecycle::{Phase, Stage};

/// How often is looked without being told.
const LOOK: Duration = Duration::from_secs(5);
/// How long a program may take to be ready.
const START_SECONDS: u64 = 20;
/// The same with a container that it needs.
const START: Duration = Duration::from_secs(2 * START_SECONDS);
/// What is ready sooner is not worth to be kept.
const WORTH: Duration = Duration::from_millis(100);
/// How long a job that runs is given precedence.
const PRECEDENCE: Duration = Duration::from_secs(5);

/// Keeps programs ready until the server ends, then ends them.
pub async fn keep(executor: Arc<Executor>, phase: Phase) {
    let pool = executor.warm.clone();
    if !pool.is_used() {
        return;
    }
    loop {
        let told = async { tokio::time::timeout(LOOK, pool.wake.notified()).await.is_ok() };
        tokio::select! {
            _ = told => {}
            () = phase.reached(Stage::Draining) => break,
        }
        pool.end_old().await;
        while let Some(profile) = pool.wanted() {
            if phase.stage() >= Stage::Draining {
                break;
            }
            executor.give_way().await;
            executor.keep_one(profile).await;
        }
        pool.measure();
    }
    pool.end_all().await;
}

impl WarmPool {
    /// A profile for which one more program should wait.
    fn wanted(&self) -> Option<Profile> {
        let now = Instant::now();
        let most = usize::try_from(self.settings.most).unwrap_or(usize::MAX);
        let mut shelves = self.lock();
        let all: usize = shelves.values().map(|shelf| shelf.kept.len()).sum();
        if all >= most {
            return None;
        }
        let lacks = |(profile, shelf): (&Profile, &mut super::Shelf)| {
            if shelf.useless_until.is_some_and(|until| now < until) {
                return None;
            }
            let peak = shelf.demand.peak(now, self.memory_of(profile));
            // In a container that is kept there is room for one.
            let wanted = if profile.kept_by().is_some() { peak.min(1) } else { peak };
            let lacking = wanted.saturating_sub(shelf.kept.len());
            (lacking > 0).then(|| (lacking, profile.clone()))
        };
        let (_, profile) = shelves.iter_mut().filter_map(lacks).max_by_key(|(lacking, _)| *lacking)?;
        has_memory(self.settings.reserve_memory_mb).then_some(profile)
    }

    fn put(&self, profile: &Profile, kept: Kept) {
        if let Some(shelf) = self.lock().get_mut(profile) {
            shelf.kept.push(kept);
        }
    }

    fn give_up(&self, profile: &Profile) {
        self.put_off(profile, self.max_age());
    }

    /// Starts nothing for this profile for a while.
    fn put_off(&self, profile: &Profile, by: Duration) {
        if let Some(shelf) = self.lock().get_mut(profile) {
            shelf.useless_until = Some(Instant::now() + by);
        }
    }

    /// Ends what waits for too long, and forgets what nobody asks for any more. What waits in a container that is kept ends
    /// with that.
    async fn end_old(&self) {
        let (now, age) = (Instant::now(), self.max_age());
        let mut old = Vec::new();
        self.lock().retain(|profile, shelf| {
            let peak = shelf.demand.peak(now, self.memory_of(profile));
            let aged = |kept: &Kept| !kept.ends_with_container() && now.duration_since(kept.since) > age;
            old.extend(shelf.kept.extract_if(.., |kept| aged(kept) || !kept.waiting.is_alive()));
            let surplus = shelf.kept.len().saturating_sub(peak);
            old.extend(shelf.kept.extract_if(.., |kept| !kept.ends_with_container()).take(surplus));
            peak > 0 || !shelf.kept.is_empty() || shelf.useless_until.is_some_and(|until| now < until)
        });
        self.count();
        end(old).await;
    }

    async fn end_all(&self) {
        let all: Vec<Kept> = self.lock().drain().flat_map(|(_, shelf)| shelf.kept).collect();
        end(all).await;
    }

    fn measure(&self) {
        self.count();
        let bytes: u64 = self.lock().values().flat_map(|shelf| &shelf.kept).map(|kept| kept.waiting.memory()).sum();
        #[expect(clippy::cast_precision_loss, reason = "memory stays far below 2^53 bytes")]
        metrics::gauge!("legwork_warm_memory_bytes").set(bytes as f64);
    }
}

async fn end(kept: Vec<Kept>) {
    for Kept { waiting, dirs, .. } in kept {
        waiting.end().await;
        remove(&dirs);
    }
}

fn remove(dirs: &RunDirs) {
    if let Err(error) = dirs.remove() {
        tracing::warn!(%error, "failed to remove the directories of a program that nobody took");
    }
}

impl Executor {
    /// Lets what runs have the machine for a while: starting a program takes a processor for most of a second.
    async fn give_way(&self) {
        let until = Instant::now() + PRECEDENCE;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let waiting = || self.warm.lock().values().map(|shelf| shelf.kept.len()).sum::<usize>();
        while self.runner.live_runs().saturating_sub(waiting()) >= (processors / 2).max(1) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn keep_one(&self, profile: Profile) {
        let has_place = || profile.kept_by().is_none_or(|name| self.docker.is_free(&name));
        if !has_place() {
            return self.warm.put_off(&profile, LOOK);
        }
        let begun = Instant::now();
        let late = |_| Err(Verdict::failed(FailureReason::StartTimeout, "It was not ready in time."));
        match timeout(START, self.start_ahead(&profile)).await.unwrap_or_else(late) {
            Ok(kept) if begun.elapsed() < WORTH => {
                self.warm.is_quick(&profile);
                self.warm.give_up(&profile);
                end(vec![kept]).await;
            }
            Ok(kept) => self.warm.put(&profile, kept),
            // It was in the way of a job.
            Err(_) if !has_place() => self.warm.put_off(&profile, LOOK),
            Err(verdict) => {
                tracing::warn!(agent = profile.agent(), ?verdict, "a program could not be started ahead of its job");
                self.warm.give_up(&profile);
            }
        }
    }

    async fn start_ahead(&self, profile: &Profile) -> Result<Kept, Verdict> {
        let failed = |error: std::io::Error| Verdict::failed(FailureReason::WorkspaceFailed, error.to_string());
        let agent = self
            .config
            .known_agents
            .find(profile.agent())
            .ok_or_else(|| Verdict::failed(FailureReason::SpawnFailed, "The agent is not known."))?;
        let id = Ids::from_system().execution(SystemClock.now());
        let dirs = RunDirs::create_ahead(&self.runs, id).map_err(failed)?;
        let setup = profile.setup(&dirs, || Some(self.models.as_ref()?.token_ahead(id)));
        let confined = match self.confine(agent, profile.task(), &setup, &dirs, profile.owner(), None).await {
            Ok(confined) => confined,
            Err(verdict) => {
                remove(&dirs);
                return Err(verdict);
            }
        };
        let setup = with_way_to_model(setup, &confined);
        let Some((mut launch, dialogue)) = agent.waiting(profile.task(), &setup) else {
            remove(&dirs);
            return Err(Verdict::failed(FailureReason::SpawnFailed, "The agent can't wait."));
        };
        launch.env.extend(confined.uplink.iter().flat_map(|uplink| uplink.variables()));
        dirs.place(&launch.files).map_err(failed)?;
        let attempt = Attempt {
            launch,
            install_hint: agent.install_hint().to_owned(),
            workspace: dirs.work(),
            limits: Limits { first_event_seconds: START_SECONDS, ..Limits::default() },
            idle: None,
            confinement: confined.confinement.clone(),
            survival: Survival::Later,
            cookie: Cookie::new(&self.node, id, 0),
            stdout_path: dirs.stdout(),
            so_far: None,
        };
        match self.runner.start_waiting(attempt, dialogue).await {
            Ok(waiting) => Ok(Kept { waiting, dirs, confined, since: Instant::now() }),
            Err(verdict) => {
                remove(&dirs);
                Err(verdict)
            }
        }
    }
}

/// Whether the machine has so much memory left, and some for one more program.
fn has_memory(reserve_mb: u64) -> bool {
    const ONE_MB: u64 = 170;
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available =
        info.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse().ok());
    // Where the system does not tell, the operator's number of programs is the limit.
    available.is_none_or(|kilobytes: u64| kilobytes / 1024 >= reserve_mb + ONE_MB)
}
