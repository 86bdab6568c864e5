//! `.claude/container.yaml`: in which container a project wants its runs, with which tools and servers, and within which limits.
//! Read as what a stranger wrote. What the operator lets it have is not decided here.

mod decode;
mod fault;
mod open;
mod reader;
mod resources;
mod security;
mod tools;
mod yaml;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use legwork_model::{ByteSize, Cpus};

pub use fault::{Fault, Place, Placed, Problem};
pub use open::OpenError;
use reader::Reader;
pub use security::{MOST_DOMAINS, MOST_USER, Network};
pub use tools::NamedServer;

use crate::parse::image;

const KEYS: [&str; 7] = ["name", "baseImage", "setup", "tools", "mcpServers", "resources", "security"];

/// As long a script may be.
const MOST_SETUP_BYTES: usize = 16 * 1024;

/// What the container file of a project asks for. What it does not name is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerFile {
    /// The project's own name for its container.
    pub name: Option<String>,
    /// `baseImage`: the image of the container.
    pub image: Option<Placed<String>>,
    /// A shell script that is run once on that image.
    pub setup: Option<Placed<String>>,
    /// `tools.allowed`: the tools that an agent may use without asking, in its own pattern language.
    pub tools: Option<Vec<String>>,
    /// Servers that the operator or the catalogue knows.
    pub mcp_servers: Vec<Placed<NamedServer>>,
    /// Memory of all processes together.
    pub memory: Option<ByteSize>,
    /// Processors.
    pub cpus: Option<Cpus>,
    /// Processes and threads at once.
    pub pids: Option<u32>,
    /// What home and workspace may take on the disk.
    pub disk: Option<ByteSize>,
    /// Wall-clock time of a run.
    pub timeout: Option<Duration>,
    /// `runAsUser`: never 0.
    pub user: Option<u32>,
    /// `readOnlyRoot`.
    pub read_only_root: Option<Placed<bool>>,
    /// `networkMode`.
    pub network: Option<Placed<Network>>,
    /// The hosts that may be reached and nothing else; an empty list means none.
    pub allowed_domains: Option<Vec<Placed<String>>>,
}

/// Why a container file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ContainerFileError {
    /// It can't be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is wrong.
    #[error(transparent)]
    Wrong(#[from] Faults),
}

/// Everything that is wrong in a file, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

/// As many are told.
const MOST_FAULTS: usize = 10;

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().take(MOST_FAULTS).enumerate() {
            let line_break = if number == 0 { "" } else { "\n" };
            write!(f, "{line_break}{fault}")?;
        }
        match self.0.len().saturating_sub(MOST_FAULTS) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl ContainerFile {
    /// The container file of the project in `workspace`; nothing where it has none. No link of the project is followed.
    ///
    /// # Errors
    /// Where it can't be read, or is wrong.
    pub fn of(workspace: &Path) -> Result<Option<Self>, ContainerFileError> {
        match open::read(workspace)? {
            Some(bytes) => Ok(Some(Self::parse(&bytes)?)),
            None => Ok(None),
        }
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// Everything that is wrong in it; of a file that is no YAML, the first.
    pub fn parse(bytes: &[u8]) -> Result<Self, Faults> {
        let node = yaml::read(decode::text(bytes)?)?;
        let mut reader = Reader::default();
        let file = reader.container_file(node);
        reader.faults.sort_by_key(|fault| fault.place);
        if reader.faults.is_empty() { Ok(file) } else { Err(Faults(reader.faults)) }
    }
}

impl Reader {
    fn container_file(&mut self, node: yaml::Node) -> ContainerFile {
        let mut file = ContainerFile::default();
        let mut top = self.mapping(node, "", &KEYS);
        if let Some(node) = top.take("name") {
            file.name = self.checked(node, "name", name).map(|name| name.value);
        }
        if let Some(node) = top.take("baseImage") {
            file.image = self.checked(node, "baseImage", image);
        }
        if let Some(node) = top.take("setup") {
            file.setup = self.checked(node, "setup", setup);
        }
        if let Some(node) = top.take("tools") {
            self.tools(node, &mut file);
        }
        if let Some(node) = top.take("mcpServers") {
            self.mcp_servers(node, &mut file);
        }
        if let Some(node) = top.take("resources") {
            self.resources(node, &mut file);
        }
        if let Some(node) = top.take("security") {
            self.security(node, &mut file);
        }
        file
    }
}

/// What may become part of the name of a container: nothing that means more to whatever it is handed to.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, String> {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if first && plain && text.len() <= 63 {
        return Ok(text.to_owned());
    }
    Err("is no name; use up to 63 letters, digits, `.`, `_` and `-`, a letter or digit first".to_owned())
}

/// A script that can be run on an image.
///
/// # Errors
/// What is wrong with it.
pub fn setup(script: &str) -> Result<String, String> {
    if script.trim().is_empty() {
        return Err("is empty; leave it out instead".to_owned());
    }
    if script.chars().any(|one| one.is_control() && one != '\n' && one != '\t') {
        return Err("holds control characters".to_owned());
    }
    if script.len() > MOST_SETUP_BYTES {
        return Err(format!("is longer than {MOST_SETUP_BYTES} bytes; put it into a script of the image"));
    }
    Ok(script.to_owned())
}

#[cfg(test)]
mod tests;
