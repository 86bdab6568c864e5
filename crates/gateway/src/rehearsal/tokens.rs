//! How many tokens a request and its answer have, made up from their lengths.

use super::reply::Reply;
use super::step::TokenCounts;

/// Characters of JSON for one token, roughly.
const CHARS_PER_TOKEN: usize = 4;

/// What an answer is said to have cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// System prompt and tools, which a real API would have cached.
    pub(crate) cached: u64,
    /// Everything else in the request.
    pub(crate) fresh: u64,
    /// The answer itself.
    pub(crate) output: u64,
}

impl Usage {
    /// Of a request of `length` characters of which `stable` are the same in every request of a conversation.
    pub(crate) fn of_request(length: usize, stable: usize) -> Self {
        Self { cached: tokens_in(stable), fresh: tokens_in(length.saturating_sub(stable)).max(1), output: 0 }
    }

    /// With the answer counted, or with the numbers that the script gives.
    pub(crate) fn answered_by(self, reply: &Reply) -> Self {
        match reply.tokens {
            Some(TokenCounts { input, output }) => Self { cached: 0, fresh: input, output },
            None => Self { output: tokens_in(reply.length()).max(1), ..self },
        }
    }

    /// All of the request.
    pub(crate) fn input(self) -> u64 {
        self.cached.saturating_add(self.fresh)
    }

    /// Request and answer.
    pub(crate) fn total(self) -> u64 {
        self.input().saturating_add(self.output)
    }
}

fn tokens_in(chars: usize) -> u64 {
    u64::try_from(chars.div_ceil(CHARS_PER_TOKEN)).unwrap_or(u64::MAX)
}
