//! Servers that are known by name, as their vendors describe them. Secrets are named like the variables of their tools.

use legwork_model::{McpProgram, McpRemote, McpServer, McpTransport};

/// A server: its name and how it is reached.
type Entry = (&'static str, How);

enum How {
    /// A package of the npm registry: its name and arguments, and variables with their values.
    Npm(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// A package of the Python index.
    Python(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// An address, and headers.
    Remote(&'static str, &'static [(&'static str, &'static str)]),
}

const CATALOGUE: [Entry; 12] = [
    ("context7", How::Remote("https://mcp.context7.com/mcp", &[("CONTEXT7_API_KEY", "${CONTEXT7_API_KEY}")])),
    ("fetch", How::Python(&["mcp-server-fetch"], &[])),
    // Its directory is the workspace.
    ("filesystem", How::Npm(&["@modelcontextprotocol/server-filesystem", "."], &[])),
    ("github", How::Remote("https://api.githubcopilot.com/mcp/", &[("Authorization", "Bearer ${GITHUB_TOKEN}")])),
    (
        "gitlab",
        How::Npm(&["@modelcontextprotocol/server-gitlab"], &[("GITLAB_PERSONAL_ACCESS_TOKEN", "${GITLAB_TOKEN}")]),
    ),
    ("linear", How::Remote("https://mcp.linear.app/mcp", &[("Authorization", "Bearer ${LINEAR_API_KEY}")])),
    ("memory", How::Npm(&["@modelcontextprotocol/server-memory"], &[])),
    ("playwright", How::Npm(&["@playwright/mcp", "--headless"], &[])),
    ("postgres", How::Python(&["postgres-mcp", "--access-mode=restricted"], &[("DATABASE_URI", "${POSTGRES_URL}")])),
    ("sentry", How::Remote("https://mcp.sentry.dev/mcp", &[("Authorization", "Bearer ${SENTRY_AUTH_TOKEN}")])),
    (
        "slack",
        How::Npm(
            &["@modelcontextprotocol/server-slack"],
            &[("SLACK_BOT_TOKEN", "${SLACK_BOT_TOKEN}"), ("SLACK_TEAM_ID", "${SLACK_TEAM_ID}")],
        ),
    ),
    ("sqlite", How::Python(&["mcp-server-sqlite", "--db-path", "database.sqlite"], &[])),
];

/// All names, in alphabetical order.
pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
    CATALOGUE.iter().map(|(name, _)| *name)
}

/// The server of that name.
pub(super) fn find(name: &str) -> Option<McpServer> {
    let (_, how) = CATALOGUE.iter().find(|(known, _)| *known == name)?;
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let program = |command: &str, first: &[&str], args: &[&str], env| {
        let args = first.iter().chain(args).map(|argument| (*argument).to_owned()).collect();
        McpServer::Program(McpProgram { command: command.to_owned(), args, env: pairs(env) })
    };
    Some(match how {
        How::Npm(args, env) => program("npx", &["--yes"], args, env),
        How::Python(args, env) => program("uvx", &[], args, env),
        How::Remote(url, headers) => McpServer::Remote(McpRemote {
            transport: McpTransport::Http,
            url: (*url).to_owned(),
            headers: pairs(headers),
        }),
    })
}
