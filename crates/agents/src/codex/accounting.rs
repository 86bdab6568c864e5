//! What a run used.

use legwork_model::Usage;

use super::wire::Tokens;

/// Sums up the calls to the model of one process.
///
/// The server tells of each call twice: by itself, and in a running total of the thread. The total goes over what was used
/// before a resume, and is set to the size of the context window where the conversation became too long; so only the calls
/// are summed.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    turn: Usage,
    turn_calls: u32,
    usage: Option<Usage>,
    calls: u32,
}

impl Accounts {
    /// Adds a call to the model. One without tokens was none: the count of the conversation was corrected.
    pub(super) fn call(&mut self, tokens: Tokens) {
        if tokens.input_tokens > 0 || tokens.output_tokens > 0 {
            self.turn += used(tokens);
            self.turn_calls += 1;
        }
    }

    /// The turn is over: what it used, where that is anything.
    pub(super) fn end_turn(&mut self) -> Option<Usage> {
        let turn = std::mem::take(&mut self.turn);
        self.usage = Some(self.usage.unwrap_or_default() + turn);
        self.calls += std::mem::take(&mut self.turn_calls);
        (turn != Usage::default()).then_some(turn)
    }

    /// Tokens of all turns, also of one that did not come to its end; `None` where nothing is known.
    pub(super) fn usage(&self) -> Option<Usage> {
        let open = (self.turn_calls > 0).then_some(self.turn);
        match (self.usage, open) {
            (Some(ended), Some(open)) => Some(ended + open),
            (ended, open) => ended.or(open),
        }
    }

    /// Calls to the model; `None` where no turn began.
    pub(super) fn turns(&self) -> Option<u32> {
        self.usage().map(|_| self.calls + self.turn_calls)
    }
}

/// Codex counts cached tokens among the input, and thoughts among the output.
pub(super) fn used(tokens: Tokens) -> Usage {
    let cached = tokens.cached_input_tokens.saturating_add(tokens.cache_write_input_tokens);
    Usage {
        input_tokens: tokens.input_tokens.saturating_sub(cached),
        output_tokens: tokens.output_tokens,
        cache_read_tokens: tokens.cached_input_tokens,
        cache_write_tokens: tokens.cache_write_input_tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
        Tokens { input_tokens: input, cached_input_tokens: cached, cache_write_input_tokens: 0, output_tokens: output }
    }

    #[test]
    fn calls_are_summed_and_corrections_left_out() {
        let mut accounts = Accounts::default();
        assert_eq!((accounts.usage(), accounts.turns()), (None, None));
        accounts.call(tokens(1200, 300, 25));
        accounts.call(tokens(0, 0, 0));
        accounts.call(tokens(1300, 1200, 10));
        let turn = Usage { input_tokens: 1000, output_tokens: 35, cache_read_tokens: 1500, cache_write_tokens: 0 };
        assert_eq!(accounts.usage(), Some(turn));
        assert_eq!(accounts.end_turn(), Some(turn));
        assert_eq!(accounts.end_turn(), None);
        assert_eq!((accounts.usage(), accounts.turns()), (Some(turn), Some(2)));
    }
}
