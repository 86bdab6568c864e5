//! Which server to talk to, and as whom.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::{Client, ClientError};
use crate::commands::Failure;
use crate::config::{Environment, Secret};

const SERVER: &str = "LEGWORK_SERVER";
const HERE: &str = "http://127.0.0.1:7070";
const KEY: &str = "LEGWORK_API_KEY";

/// Which server to talk to, and as whom.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// Talk to this server, such as http://127.0.0.1:7070 [env: LEGWORK_SERVER]
    #[arg(long, value_name = "URL", value_parser = parse_url, global = true)]
    server: Option<Url>,
    /// File that holds the API key [env: LEGWORK_API_KEY holds the key itself]
    #[arg(long, value_name = "FILE", global = true)]
    api_key_file: Option<PathBuf>,
}

impl ServerArgs {
    /// The server that was named by flag or environment.
    ///
    /// # Errors
    /// Where the environment names none that could be.
    pub fn named(&self, environment: &Environment) -> Result<Option<Url>, Failure> {
        if self.server.is_some() {
            return Ok(self.server.clone());
        }
        let named = environment.get(SERVER).map(parse_url).transpose();
        named.map_err(|message| Failure::usage(format!("{SERVER}: {message}")))
    }

    /// A client of the server that was named, else of the one on this machine.
    ///
    /// # Errors
    /// Where the address or the key makes no sense.
    pub fn connect(&self, environment: &Environment) -> Result<Client, Failure> {
        let server = match self.named(environment)? {
            Some(server) => server,
            None => parse_url(HERE).map_err(Failure::usage)?,
        };
        self.client(server, environment)
    }

    /// A client of the server at `server`, with the caller's key.
    ///
    /// # Errors
    /// Where the key can't be read.
    pub fn client(&self, server: Url, environment: &Environment) -> Result<Client, Failure> {
        let key = match &self.api_key_file {
            Some(file) => Some(fs::read_to_string(file).map_err(|error| {
                Failure::usage(format!("--api-key-file: failed to read {}: {error}", file.display()))
            })?),
            None => environment.get(KEY).map(str::to_owned),
        };
        let key = key.map(|key| key.trim().to_owned()).map(checked).transpose()?;
        Client::new(server, key).map_err(|error: ClientError| error.into())
    }
}

fn checked(key: String) -> Result<Secret, Failure> {
    if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Secret::new(key));
    }
    Err(Failure::usage("the API key is empty or holds what no key holds; `legwork key create` prints one"))
}

fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| format!("`{text}` is no address of a server; write it like http://127.0.0.1:7070"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_url_of_http() {
        for right in ["http://127.0.0.1:7070", "https://legwork.example/base", "http://[::1]:1"] {
            assert!(parse_url(right).is_ok(), "{right}");
        }
        for wrong in ["", "127.0.0.1:7070", "localhost:7070", "ftp://x", "unix:/run/x"] {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_flag_wins_over_the_environment() {
        let environment = Environment::from([("LEGWORK_SERVER", "http://env:1")]);
        let named = |server: Option<&str>| {
            let args = ServerArgs { server: server.map(|url| url.parse().expect("a URL")), api_key_file: None };
            args.named(&environment).expect("a server").map(String::from)
        };
        assert_eq!(named(None).as_deref(), Some("http://env:1/"));
        assert_eq!(named(Some("http://flag:1")).as_deref(), Some("http://flag:1/"));
        let wrong = Environment::from([("LEGWORK_SERVER", "nonsense")]);
        assert_eq!(ServerArgs::default().named(&wrong).map_err(|failure| failure.code), Err(2));
        assert_eq!(ServerArgs::default().named(&Environment::default()).map_err(drop), Ok(None));
    }

    #[test]
    fn a_key_that_no_header_takes_is_refused() {
        for (key, code) in [("lw_abc", None), ("", Some(2)), ("a b", Some(2)), ("ä", Some(2))] {
            assert_eq!(checked(key.into()).err().map(|failure| failure.code), code, "{key}");
        }
    }
}
