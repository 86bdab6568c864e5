//! One answer as it will be given: content, then an ending. The same for every wire format and with or without
//! streaming.

use std::time::Duration;

use super::step::{Call, Mishap, Step, TokenCounts};
use super::tool::{ToolCall, Toolbox};

/// The time from one token of a slow answer to the next.
pub(crate) const TOKEN_INTERVAL: Duration = Duration::from_millis(100);

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) blocks: Vec<Block>,
    pub(crate) ending: Ending,
    /// The tokens to report, where the script says how many.
    pub(crate) tokens: Option<TokenCounts>,
}

/// One part of an answer's content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Thinking(String),
    Text(String),
    /// So many tokens, one every [`TOKEN_INTERVAL`].
    SlowText(u32),
    Call(ToolCall),
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was said.
    Done,
    /// A tool is to be called.
    ToolCall,
    /// It grew too long.
    Truncated,
    /// It went wrong here, whatever was said before.
    Mishap(Mishap),
}

/// A text, and how fast it is said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Speech<'a> {
    /// Without a pause.
    Fluent(&'a str),
    /// So many tokens, one every [`TOKEN_INTERVAL`].
    Slow(u32),
}

impl Speech<'_> {
    /// All of it at once.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Fluent(text) => text.to_owned(),
            Self::Slow(tokens) => (1..=tokens).map(slow_token).collect(),
        }
    }
}

impl Block {
    fn length(&self) -> usize {
        match self {
            Self::Thinking(text) | Self::Text(text) => text.len(),
            Self::SlowText(tokens) => usize::try_from(*tokens).unwrap_or(usize::MAX).saturating_mul(4),
            Self::Call(call) => call.input.to_string().len(),
        }
    }
}

impl Reply {
    /// The answer that `steps` make when it is asked for the `attempt`-th time, counted from 1. Calls become those of
    /// the agent's own `tools`.
    pub(crate) fn of(steps: &[Step], attempt: u32, tools: &Toolbox) -> Self {
        let mut reply = Self { blocks: Vec::new(), ending: Ending::Done, tokens: None };
        let mut attempt = attempt;
        for step in steps {
            match step {
                Step::Say(text) => reply.blocks.push(Block::Text(text.clone())),
                Step::Think(text) => reply.blocks.push(Block::Thinking(text.clone())),
                Step::Slow(duration) => reply.blocks.push(Block::SlowText(tokens_in(*duration))),
                Step::Long(length) => reply.blocks.push(Block::Text(filler(*length))),
                Step::Call(call) | Step::Loop(call) => return reply.calling(call, tools),
                Step::Mishap(mishap, None) => return reply.ending(Ending::Mishap(*mishap)),
                Step::Mishap(mishap, Some(times)) if attempt <= *times => return reply.ending(Ending::Mishap(*mishap)),
                Step::Mishap(_, Some(times)) => attempt -= times,
                Step::Truncate => return reply.or_saying("This answer is cut off in the").ending(Ending::Truncated),
                Step::Usage(tokens) => reply.tokens = Some(*tokens),
            }
        }
        reply.or_saying("Done: that was the whole rehearsal.")
    }

    /// Whether the answer depends on how often it was asked for.
    pub(crate) fn depends_on_attempt(steps: &[Step]) -> bool {
        steps.iter().any(|step| matches!(step, Step::Mishap(_, Some(_))))
    }

    /// How long it is, about, in bytes.
    pub(crate) fn length(&self) -> usize {
        self.blocks.iter().map(Block::length).sum()
    }

    /// How long a slow answer takes.
    pub(crate) fn duration(&self) -> Duration {
        let tokens: u32 = self.blocks.iter().map(|block| if let Block::SlowText(n) = block { *n } else { 0 }).sum();
        TOKEN_INTERVAL * tokens
    }

    fn calling(mut self, call: &Call, tools: &Toolbox) -> Self {
        match tools.call(call) {
            Ok(call) => {
                self.blocks.push(Block::Call(call));
                self.ending(Ending::ToolCall)
            }
            Err(error) => {
                self.blocks.push(Block::Text(format!("This step of the rehearsal is left out: {error}.")));
                self
            }
        }
    }

    fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Adds `text` where nothing was said: an answer without any text would look like a fault.
    fn or_saying(mut self, text: &str) -> Self {
        if self.blocks.iter().all(|block| matches!(block, Block::Thinking(_))) {
            self.blocks.push(Block::Text(text.to_owned()));
        }
        self
    }
}

/// The `number`-th token of a slow text.
pub(crate) fn slow_token(number: u32) -> String {
    format!("token {number} ")
}

fn tokens_in(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis() / TOKEN_INTERVAL.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// No sentence is like another: some agents stop a model that repeats itself.
fn filler(length: usize) -> String {
    let mut text = String::with_capacity(length + 64);
    let mut number = 0_u32;
    while text.len() < length {
        number += 1;
        text += &format!("Sentence {number} of a long answer is not sentence {}. ", number + 1);
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(steps: &[&str], attempt: u32) -> Reply {
        let steps: Vec<_> = steps.iter().map(|step| Step::parse(step).unwrap()).collect();
        Reply::of(&steps, attempt, &Toolbox::default())
    }

    #[test]
    fn mishaps_pass_one_after_the_other() {
        let endings: Vec<_> =
            (1..=5).map(|attempt| reply(&["error: 429 x2", "cut: x1", "say: at last"], attempt).ending).collect();
        let rate_limited = Ending::Mishap(Mishap::Error(429));
        assert_eq!(endings, [rate_limited, rate_limited, Ending::Mishap(Mishap::Cut), Ending::Done, Ending::Done]);
        assert_eq!(reply(&["error: 401"], 99).ending, Ending::Mishap(Mishap::Error(401)));
    }

    #[test]
    fn every_whole_answer_has_a_text() {
        assert_eq!(reply(&["think: hm"], 1).blocks.len(), 2);
        assert_eq!(reply(&["truncate"], 1).blocks.len(), 1);
        assert_eq!(reply(&["slow: 1s"], 1).blocks, [Block::SlowText(10)]);
    }

    #[test]
    fn a_call_without_a_tool_becomes_a_text() {
        let reply = reply(&["say: a", "bash: ls"], 1);
        assert_eq!((reply.blocks.len(), reply.ending), (2, Ending::Done));
    }

    #[test]
    fn sizes_are_kept() {
        assert_eq!(filler(300_000).len(), 300_000);
        assert_eq!(reply(&["slow: 50ms", "slow: 2s"], 1).duration(), Duration::from_millis(2_100));
    }
}
