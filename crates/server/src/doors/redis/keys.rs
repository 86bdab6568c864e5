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
    /// Who listens to the channel.
    pub(super) listener: String,
    alive: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            requests: format!("{prefix}:requests"),
            responses: format!("{prefix}:responses"),
            stream: format!("{prefix}:requests:stream"),
            unanswered: format!("{prefix}:legwork:unanswered"),
            listener: format!("{prefix}:legwork:listener"),
            alive: format!("{prefix}:legwork:alive"),
        }
    }

    /// Says that a server lives, while it is there.
    pub(super) fn alive(&self, node: &str) -> String {
        format!("{}:{node}", self.alive)
    }
}

/// The group in which servers share the stream.
pub(super) const GROUP: &str = "legwork";
