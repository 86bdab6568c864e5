//! Which of several servers listens to the channel.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::{RedisResult, Script};
use tokio::time::Instant;

use super::delivery::Door;
use crate::lifecycle::Stage;

/// How long a server listens without saying so again.
const TERM: Duration = Duration::from_secs(5);
/// How long a server counts as alive that says nothing.
const ALIVE: Duration = Duration::from_secs(10);
/// How often to look, and how often while Redis is away.
const TICK: Duration = Duration::from_secs(1);
const TICK_WHILE_AWAY: Duration = Duration::from_millis(250);
/// How often to look for what others left unanswered.
const ADOPT: Duration = Duration::from_secs(5);
/// What the listener may not have dealt with when its term ended.
pub(super) const MEMORY: Duration = Duration::from_secs(10);
const MOST_REMEMBERED: usize = 10_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Says that this server lives; tells whether it is the one that listens.
const CLAIM: &str = "redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
local listener = redis.call('GET', KEYS[1])
if listener and listener ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return true";

const RESIGN: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end";

/// Whether this server listens, and what it overhears while it does not.
#[derive(Debug, Default)]
pub(super) struct Lead(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    until: Option<Instant>,
    overheard: VecDeque<(Instant, Vec<u8>)>,
    /// Of all that is overheard.
    bytes: usize,
}

impl Lead {
    /// Gives the message back where this server is to deal with it; else remembers it for a while.
    pub(super) fn hear(&self, payload: Vec<u8>, now: Instant) -> Option<Vec<u8>> {
        let mut state = self.lock();
        if state.until.is_some_and(|until| now < until) {
            return Some(payload);
        }
        state.bytes += payload.len();
        state.overheard.push_back((now, payload));
        while state.overheard.len() > MOST_REMEMBERED
            || state.bytes > MOST_BYTES
            || state.overheard.front().is_some_and(|(at, _)| now - *at > MEMORY)
        {
            let forgotten = state.overheard.pop_front();
            state.bytes -= forgotten.map_or(0, |(_, payload)| payload.len());
        }
        None
    }

    /// This server listens until then; gives what it overheard if it did not before.
    fn listens(&self, until: Instant, now: Instant) -> Vec<Vec<u8>> {
        let mut state = self.lock();
        state.until = Some(until);
        state.bytes = 0;
        let overheard = std::mem::take(&mut state.overheard);
        overheard.into_iter().filter(|(at, _)| now - *at <= MEMORY).map(|(_, payload)| payload).collect()
    }

    fn listens_no_more(&self) {
        self.lock().until = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks after the link, and after who listens, until the server drains.
pub(super) async fn lead(door: &Arc<Door>) {
    let (claim, mut adopted) = (Script::new(CLAIM), Adopted::default());
    loop {
        let tick = match turn(door, &claim, &mut adopted).await {
            Ok(()) => TICK,
            Err(_) => TICK_WHILE_AWAY,
        };
        tokio::select! {
            () = tokio::time::sleep(tick) => {}
            () = door.app().phase.reached(Stage::Draining) => break,
        }
    }
    // Redis may not answer, but the end of the server does not wait for it.
    tokio::select! {
        () = async {
            resign(door).await;
            stay_alive(door).await;
        } => {}
        () = door.app().phase.reached(Stage::Ended) => {}
    }
}

/// Lets another server listen.
async fn resign(door: &Door) {
    door.lead.listens_no_more();
    let resign = Script::new(RESIGN);
    let _ = door.link.invoke::<()>(resign.key(&door.keys.listener).arg(&door.app().node)).await;
}

/// When answers of others, or of an earlier life, were last looked for.
#[derive(Debug, Default)]
struct Adopted {
    own: bool,
    others: Option<Instant>,
}

async fn turn(door: &Arc<Door>, claim: &Script, adopted: &mut Adopted) -> RedisResult<()> {
    let began = Instant::now();
    door.link.look().await?;
    if !adopted.own {
        door.adopt(false).await?;
        adopted.own = true;
    }
    if door.is_taken() {
        resign(door).await;
        return Ok(());
    }
    let mut claim = claim.key(&door.keys.listener);
    claim.key(door.keys.alive(&door.app().node));
    claim.arg(&door.app().node).arg(millis(TERM)).arg(millis(ALIVE));
    if !door.link.invoke::<bool>(&claim).await? {
        door.lead.listens_no_more();
        return Ok(());
    }
    door.take_over(door.lead.listens(began + TERM, Instant::now())).await?;
    if adopted.others.is_none_or(|at| at.elapsed() >= ADOPT) {
        door.adopt(true).await?;
        adopted.others = Some(Instant::now());
    }
    Ok(())
}

/// While it drains, a server still answers what it took.
async fn stay_alive(door: &Door) {
    let alive =
        ::redis::cmd("SET").arg(door.keys.alive(&door.app().node)).arg(1).arg("PX").arg(millis(ALIVE)).to_owned();
    loop {
        let _ = door.link.look().await;
        let _ = door.link.run::<()>(&alive).await;
        tokio::time::sleep(TICK).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_overheard_is_remembered_for_whoever_listens_next() {
        let (lead, start) = (Lead::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(lead.hear(b"old".to_vec(), at(0)), None);
        assert_eq!(lead.hear(b"new".to_vec(), at(11)), None);
        assert_eq!(lead.listens(at(16), at(11)), [b"new".to_vec()]);
        assert_eq!(lead.hear(b"mine".to_vec(), at(15)), Some(b"mine".to_vec()));
        assert_eq!(lead.listens(at(20), at(15)), [] as [Vec<u8>; 0]);
        // A server that was stopped for a while does not know who listens now.
        assert_eq!(lead.hear(b"somebody's".to_vec(), at(20)), None);
        for number in 0..2 * MOST_REMEMBERED {
            lead.hear(number.to_string().into_bytes(), at(21));
        }
        assert_eq!(lead.listens(at(26), at(21)).len(), MOST_REMEMBERED);
        for _ in 0..3 {
            lead.hear(vec![0; MOST_BYTES / 2], at(26));
        }
        assert_eq!(lead.listens(at(31), at(26)).len(), 2);
    }
}
