//! What one request used, as far as prices tell it apart.

use legwork_model::Usage;

/// What one request used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// The counts that are shown.
    pub usage: Usage,
    /// How many of the tokens written to the cache stay there for an hour instead of minutes.
    pub cache_write_1h: u64,
    /// Searches of the web that the API made for the model.
    pub web_searches: u64,
}

impl Tokens {
    /// All of the prompt, cached or not.
    pub(super) fn prompt(&self) -> u64 {
        let Usage { input_tokens, cache_read_tokens, cache_write_tokens, .. } = self.usage;
        input_tokens.saturating_add(cache_read_tokens).saturating_add(cache_write_tokens)
    }
}
