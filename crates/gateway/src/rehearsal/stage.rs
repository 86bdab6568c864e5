//! What all requests share, and how a request that was read becomes a reply.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use super::attempts::Attempts;
use super::conversation::{self, Turn};
use super::refusal::Refusal;
use super::reply::{Block, Ending, Reply};
use super::script::Script;
use super::tool::Toolbox;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Stage {
    script: Script,
    attempts: Attempts,
    requests: AtomicU64,
}

/// Whoever asks: tries are counted for each by itself.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) struct Asker<'a> {
    pub(crate) credential: &'a [u8],
    /// What the agent calls its session, where it says so.
    pub(crate) session: Option<&'a str>,
}

/// What is answered to one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// Makes ids unlike those of any other answer: of this server by the number in it, of an earlier one by the hash.
    pub(crate) suffix: String,
}

impl Stage {
    pub(crate) fn new(script: Script) -> Self {
        Self { script, attempts: Attempts::default(), requests: AtomicU64::new(1) }
    }

    /// The number of the next request.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Finds what to answer to request `number`.
    pub(crate) fn answer(
        &self,
        number: u64,
        asker: Asker<'_>,
        turns: &[Turn],
        tools: &Toolbox,
    ) -> Result<Answer, Refusal> {
        let reply = self.reply(asker, turns, tools)?;
        tracing::debug!(number, ending = ?reply.ending, "the rehearsal model answers");
        let mut hasher = DefaultHasher::new();
        (asker.session, turns.len()).hash(&mut hasher);
        Ok(Answer { reply, suffix: format!("rehearsal{:08x}{number:06}", hasher.finish() >> 32) })
    }

    /// The answer to request `number` that says `text`, whatever was asked.
    pub(crate) fn saying(number: u64, text: String) -> Answer {
        let reply = Reply { blocks: vec![Block::Text(text)], ending: Ending::Done, tokens: None };
        Answer { reply, suffix: format!("rehearsal{number:06}") }
    }

    fn reply(&self, asker: Asker<'_>, turns: &[Turn], tools: &Toolbox) -> Result<Reply, Refusal> {
        let due = conversation::due(turns, &self.script)
            .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, &format!("rehearsal: {error}")))?;
        if !Reply::depends_on_attempt(&due.steps) {
            return Ok(Reply::of(&due.steps, 1, tools));
        }
        let prompt = match turns.get(due.place.0) {
            Some(Turn::Asked(prompt)) => prompt.as_str(),
            _ => "",
        };
        let attempt = self.attempts.next(&(asker, prompt, due.place));
        Ok(Reply::of(&due.steps, attempt, tools))
    }
}
