//! What is wrong in a container file, and where.

use std::fmt;

use legwork_model::QuantityError;

/// A place in the file, counted from 1 in lines and characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The character of the line.
    pub column: u64,
}

/// Something with the place that it was written at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<T> {
    /// What was written.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The path of the key, such as `security.allowedDomains[2]`; empty for the whole file.
    pub key: String,
    /// What.
    pub problem: Problem,
}

/// What is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file is not text in UTF-8.
    #[error("is not UTF-8; save the file as UTF-8")]
    Encoding,
    /// The file is not YAML.
    #[error("{0}")]
    Syntax(String),
    /// It is more than such a file can need: what multiplies by references is counted as often as it stands for something.
    #[error("holds more than a container file may; write it out, with fewer entries, references and levels")]
    TooMuch,
    /// Nothing is called so.
    #[error("is not known{} Known: {known}", near.map_or_else(|| ".".to_owned(), |near| format!(", did you mean `{near}`?")))]
    Unknown {
        /// The key or word that is most like it.
        near: Option<&'static str>,
        /// Those that there are.
        known: String,
    },
    /// The same key again.
    #[error("stands here a second time, after line {0}; one of them has to go")]
    Twice(u64),
    /// A value of another type.
    #[error("is {found}; write {expected}")]
    Type {
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// No size, number of processors or length of time.
    #[error("{0}")]
    Quantity(QuantityError),
    /// A value that can't be.
    #[error("`{written}` {problem}")]
    Value {
        /// What was written.
        written: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A list that is too long.
    #[error("has {0} entries; at most {1} are taken")]
    TooMany(usize, usize),
    /// Privileges that can be gained.
    #[error("is false; no process of a run may gain privileges, so leave it out or write true")]
    NewPrivileges,
    /// The root user.
    #[error("is 0, which is root; take the id of another user, such as 1000")]
    Root,
    /// The machine's own network.
    #[error(
        "`host` is the network of the machine itself, which no run gets; leave it out, or write `none` or `bridge`"
    )]
    HostNetwork,
    /// A direct route where there is a list.
    #[error(
        "`bridge` would be a way around `allowedDomains`; where there is a list, nothing else can be reached: leave \
         `networkMode` out, or remove the list"
    )]
    WayAround,
    /// It is right, but the operator does not let a project have it.
    #[error("{0}")]
    NotAllowed(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, ".claude/container.yaml:{}: {}", self.place, self.problem),
            key => write!(f, ".claude/container.yaml:{}: {key}: {}", self.place, self.problem),
        }
    }
}

/// What was written, short enough and plain enough to be shown again.
pub(super) fn shown(written: &str) -> String {
    let short: String = written.chars().take(64).flat_map(char::escape_debug).collect();
    if written.chars().nth(64).is_some() { format!("{short}…") } else { short }
}
