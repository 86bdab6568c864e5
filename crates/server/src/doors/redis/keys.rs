//! What things are called in Redis.

/// Names of channels, streams and keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// Channel of requests.
    pub(super) requests: String,
    /// Channel of answers.
    pub(super) responses: String,
    /// Stream of requests.
    pub(super) stream: String,
    /// Hash of what is to be answered.
    pub(super) unanswered: String,
    /// There as long as Redis remembers what is to be answered.
    pub(super) memory: String,
    /// Who listens to the channel.
    pub(super) listener: String,
    alive: String,
    dealt: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            requests: format!("{prefix}:requests"),
            responses: format!("{prefix}:responses"),
            stream: format!("{prefix}:requests:stream"),
            unanswered: format!("{prefix}:legwork:unanswered"),
            memory: format!("{prefix}:legwork:memory"),
            listener: format!("{prefix}:legwork:listener"),
            alive: format!("{prefix}:legwork:alive"),
            dealt: format!("{prefix}:legwork:dealt"),
        }
    }

    /// Counts how often a message was dealt with lately.
    pub(super) fn dealt(&self, digest: &str) -> String {
        format!("{}:{digest}", self.dealt)
    }

    /// Says that a server lives, while it is there.
    pub(super) fn alive(&self, node: &str) -> String {
        format!("{}:{node}", self.alive)
    }
}

/// The group in which servers share the stream.
pub(super) const GROUP: &str = "legwork";
