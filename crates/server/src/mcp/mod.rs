//! Which MCP servers a job gets: from the operator's settings, from the catalogue, or defined by the caller. The container file
//! of a project may name servers, but define none.

mod catalogue;
mod secrets;

use std::collections::BTreeMap;

use legwork_model::{McpProgram, McpRemote, McpServer, McpTransport};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::config::{Config, McpServerSettings};
use crate::parse::nearest;
use crate::secrets::named;

/// As many servers a job may have.
const MOST: usize = 20;
/// As large a definition may be.
const MOST_BYTES: usize = 16 * 1024;

/// A server that a caller asks for: one that is known, with further variables if need be, or one that is defined here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct McpRequest {
    /// How a server at `url` is talked to: `http` (streamable HTTP, the default) or `sse`.
    #[serde(rename = "type")]
    pub transport: Option<McpTransport>,
    /// A program that talks on its standard input and output.
    pub command: Option<String>,
    /// Its arguments.
    pub args: Option<Vec<String>>,
    /// Its variables; for a server that is known, in addition to its own.
    pub env: BTreeMap<String, String>,
    /// The address of a server that is reached by HTTP.
    pub url: Option<String>,
    /// Headers of each request to it.
    pub headers: BTreeMap<String, String>,
}

/// Why a server can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct McpError {
    /// The path of what is wrong, such as `mcpServers.github.env.TOKEN`.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Who asks for a server: it decides which secrets it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A caller, who may be trusted with what the operator's own servers hold.
    Caller,
    /// A project's container file, which anybody may have written who can propose a change to the project.
    Project,
}

/// The servers that a caller asks for. Secrets stay in them as `${NAME}`.
///
/// # Errors
/// The first that can't be had.
pub fn servers(asked: &BTreeMap<String, McpRequest>, config: &Config) -> Result<BTreeMap<String, McpServer>, McpError> {
    if asked.len() > MOST {
        let message = format!("has {} servers; at most {MOST} are taken", asked.len());
        return Err(invalid("mcpServers", message));
    }
    asked.iter().map(|(name, request)| Ok((name.clone(), server(name, request, config)?))).collect()
}

/// A server that a project names, with further variables if need be.
///
/// # Errors
/// Why it can't be had.
pub fn of_project(name: &str, env: &BTreeMap<String, String>, config: &Config) -> Result<McpServer, McpError> {
    let field = format!("mcpServers.{name}");
    let request = McpRequest { env: env.clone(), ..McpRequest::default() };
    let server = known(&field, name, &request, config, Asker::Project)?;
    secrets::check(&field, &server, config, Asker::Project, false)?;
    Ok(server)
}

fn server(name: &str, request: &McpRequest, config: &Config) -> Result<McpServer, McpError> {
    let field = format!("mcpServers.{}", name.chars().filter(|one| !one.is_control()).take(64).collect::<String>());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_name) {
        return Err(invalid(&field, "is no name of a server; use up to 64 letters, digits, `-` and `_`"));
    }
    let defined = request.command.is_some() || request.url.is_some();
    let server =
        if defined { define(&field, request, config)? } else { known(&field, name, request, config, Asker::Caller)? };
    secrets::check(&field, &server, config, Asker::Caller, defined)?;
    Ok(server)
}

/// A server of the operator's, or of the catalogue.
fn known(field: &str, name: &str, request: &McpRequest, config: &Config, asker: Asker) -> Result<McpServer, McpError> {
    let own = config.mcp.servers.get(name).map(of_settings);
    let Some(mut server) = own.or_else(|| catalogue::find(name)) else {
        let own = config.mcp.servers.keys().map(String::as_str);
        let names: Vec<&str> = own.chain(catalogue::names().map(|name| name as &str)).collect();
        let near =
            nearest(name, names.iter().copied()).map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
        let names = names.join(", ");
        let defined = if asker == Asker::Caller { ", and has neither `command` nor `url`" } else { "" };
        let message = format!("is no server that is known here{defined}.{near} Known: {names}");
        return Err(invalid(field, message));
    };
    if request.args.is_some() || request.transport.is_some() || !request.headers.is_empty() {
        return Err(invalid(field, "is known here: only `env` can be added to it"));
    }
    match &mut server {
        McpServer::Program(program) => program.env.extend(request.env.clone()),
        McpServer::Remote(_) if request.env.is_empty() => {}
        McpServer::Remote(_) => {
            return Err(invalid(&format!("{field}.env"), "is for programs; this server is reached by HTTP"));
        }
    }
    for (name, value) in &request.env {
        variable(&format!("{field}.env.{name}"), name, value)?;
        secrets::check_value(&format!("{field}.env.{name}"), value, config, asker, true)?;
    }
    Ok(server)
}

fn of_settings(settings: &McpServerSettings) -> McpServer {
    match &settings.url {
        Some(url) => McpServer::Remote(McpRemote {
            transport: McpTransport::default(),
            url: url.clone(),
            headers: settings.headers.clone(),
        }),
        None => McpServer::Program(McpProgram {
            command: settings.command.clone().unwrap_or_default(),
            args: settings.args.clone(),
            env: settings.env.clone(),
        }),
    }
}

/// A server that the caller defines.
fn define(field: &str, request: &McpRequest, config: &Config) -> Result<McpServer, McpError> {
    if !config.mcp.allow_definitions {
        return Err(invalid(field, "can't be defined here: the operator lets jobs use known servers only"));
    }
    let server = match (&request.command, &request.url) {
        (Some(command), None) => {
            if request.transport.is_some() || !request.headers.is_empty() {
                return Err(invalid(field, "has a `command`; `type` and `headers` are for a server with a `url`"));
            }
            program(field, command, request)?
        }
        (None, Some(url)) => {
            if request.args.is_some() || !request.env.is_empty() {
                return Err(invalid(field, "has a `url`; `args` and `env` are for a server with a `command`"));
            }
            remote(field, url, request)?
        }
        _ => return Err(invalid(field, "has both `command` and `url`; a server has one of them")),
    };
    let bytes = serde_json::to_string(&server).map_or(usize::MAX, |json| json.len());
    if bytes > MOST_BYTES {
        return Err(invalid(field, format!("is {bytes} bytes as JSON; at most {MOST_BYTES} are taken")));
    }
    Ok(server)
}

fn program(field: &str, command: &str, request: &McpRequest) -> Result<McpServer, McpError> {
    if command.trim().is_empty() || command.starts_with('-') || command.chars().any(char::is_control) {
        return Err(invalid(&format!("{field}.command"), "is no name or path of a program"));
    }
    let args = request.args.clone().unwrap_or_default();
    if let Some(at) = args.iter().position(|argument| argument.contains('\0')) {
        return Err(invalid(&format!("{field}.args[{at}]"), "holds a NUL character"));
    }
    if let Some(at) = args.iter().position(|argument| named(argument).next().is_some()) {
        let message = "names a secret; arguments are seen by all on the machine, put it into `env`";
        return Err(invalid(&format!("{field}.args[{at}]"), message));
    }
    for (name, value) in &request.env {
        variable(&format!("{field}.env.{name}"), name, value)?;
    }
    Ok(McpServer::Program(McpProgram { command: command.to_owned(), args, env: request.env.clone() }))
}

fn variable(field: &str, name: &str, value: &str) -> Result<(), McpError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(invalid(field, "is no name of a variable; use letters, digits and `_`"));
    }
    if value.contains('\0') { Err(invalid(field, "holds a NUL character")) } else { Ok(()) }
}

fn remote(field: &str, url: &str, request: &McpRequest) -> Result<McpServer, McpError> {
    let parsed = url::Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let Some(parsed) = parsed else {
        return Err(invalid(&format!("{field}.url"), "must look like https://host/path"));
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(invalid(&format!("{field}.url"), "holds a user or password; use `headers`"));
    }
    for (name, value) in &request.headers {
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_name || value.chars().any(char::is_control) {
            return Err(invalid(
                &format!("{field}.headers.{name}"),
                "is no header: letters, digits and `-`, and one line",
            ));
        }
    }
    let transport = request.transport.unwrap_or_default();
    Ok(McpServer::Remote(McpRemote { transport, url: url.to_owned(), headers: request.headers.clone() }))
}

fn invalid(field: &str, message: impl Into<String>) -> McpError {
    McpError { field: field.to_owned(), message: message.into() }
}
