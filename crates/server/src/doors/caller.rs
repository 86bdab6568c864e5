//! Finds out who sent a request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, header};

use super::peer::{is_local, is_trusted};
use super::{Doors, Problem};
use crate::admission::Caller;

impl FromRequestParts<Doors> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Problem> {
        identify(doors, &parts.extensions, &parts.headers).await
    }
}

/// Who sent a request with these headers.
pub(super) async fn identify(doors: &Doors, extensions: &Extensions, headers: &HeaderMap) -> Result<Caller, Problem> {
    if bearer(headers).is_none() && is_trusted(doors, extensions, headers) {
        refuse_pages(headers)?;
        return Ok(Caller::trusted());
    }
    let app = &doors.app;
    let caller = app.keyring.identify(bearer(headers), app.clock.now()).await?;
    if caller.key.is_none() {
        refuse_other_machines(is_local(doors, extensions, headers))?;
        refuse_other_sites(headers)?;
    }
    Ok(caller)
}

/// A trusted network is one of programs. A browser in it may show a page of anybody's, which says where it is from, or
/// has a name of anybody's lead here.
fn refuse_pages(headers: &HeaderMap) -> Result<(), Problem> {
    let of_a_page = ["origin", "referer", "sec-fetch-mode", "sec-fetch-site"];
    if !of_a_page.iter().any(|name| headers.contains_key(*name)) {
        return Ok(());
    }
    let detail = "pages need an API key, also in a trusted network; make one with `legwork key create`";
    Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A server that is reached from outside because of a door with a lock of its own has no other door open there.
fn refuse_other_machines(is_local: bool) -> Result<(), Problem> {
    if is_local {
        return Ok(());
    }
    let detail =
        "this server has no API keys, so this serves its own machine only; make a key with `legwork key create`";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail))
}

/// Without keys everybody on this machine is trusted, and that includes the user's browser. A page of another site must
/// not use it to start agents, nor a name that it lets point to this machine.
fn refuse_other_sites(headers: &HeaderMap) -> Result<(), Problem> {
    let own_host = headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(is_loopback));
    let own_origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        origin.to_str().is_ok_and(|origin| origin.split_once("://").is_some_and(|(_, host)| is_loopback(host)))
    });
    if own_host && own_origin {
        return Ok(());
    }
    let detail =
        "without API keys only this machine's own pages and programs are served; make a key with `legwork key create`";
    Err(Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail))
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:7070", "127.0.0.1:80", "[::1]:7070", "127.8.8.8"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "null"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
