//! URLs of repositories over SSH. Git hands their user and host on to ssh's command line, so both are read more strictly
//! than in other URLs.

use std::borrow::Cow;

use url::{Host, Url};

use super::super::repository_url::{RepositoryError, RepositoryPolicy, check_host, check_path};
use super::PORT;

const LONGEST_USER: usize = 64;

/// Git's short form (`git@host:owner/name.git`) as a URL; whatever else as it is.
pub(in super::super) fn long_form(text: &str) -> Cow<'_, str> {
    match text.split_once(':') {
        Some((place, path)) if place.contains('@') && !place.contains('/') && !path.starts_with("//") => {
            Cow::Owned(format!("ssh://{place}/{}", path.trim_start_matches('/')))
        }
        _ => Cow::Borrowed(text),
    }
}

/// The URL as git gets to see it. `authority` is what stands between its slashes.
pub(in super::super) fn parse(text: &str, authority: &str, policy: &RepositoryPolicy) -> Result<Url, RepositoryError> {
    let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| !is_user(user)) {
        return Err(RepositoryError::User);
    }
    let path = text.split_once("://").and_then(|(_, rest)| rest.strip_prefix(authority));
    let path = path.ok_or(RepositoryError::NotAnSshUrl)?;
    // Only in URLs of the web are all spellings of an address taken for one.
    let like_others = Url::parse(&format!("https://{place}{path}")).map_err(|_| RepositoryError::NotAnSshUrl)?;
    check_path(&like_others)?;
    let written = place.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    let port = written.filter(|port| *port != PORT);
    if !has_plain_host(&like_others) {
        return Err(RepositoryError::NotAnSshUrl);
    }
    check_host(&like_others, port, policy)?;
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let host = like_others.host_str().unwrap_or_default();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let anew = format!("ssh://{user}{host}{port}{}", like_others.path());
    Url::parse(&anew).map_err(|_| RepositoryError::NotAnSshUrl)
}

/// Neither an option nor a password, and nothing that a shell or ssh's configuration gives a meaning to.
fn is_user(user: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !user.is_empty() && user.len() <= LONGEST_USER && !user.starts_with(['-', '.']) && user.chars().all(is_letter)
}

fn has_plain_host(url: &Url) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match url.host() {
        Some(Host::Domain(name)) => !name.starts_with(['-', '.']) && name.chars().all(is_letter),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::repository_url;
    use super::*;

    fn check(url: &str, allow_private_addresses: bool) -> Result<String, RepositoryError> {
        let schemes = vec!["https".to_owned(), "ssh".to_owned()];
        let policy = RepositoryPolicy { schemes, allow_private_addresses, allowed_hosts: None };
        repository_url::parse(url, &policy).map(String::from)
    }

    #[test]
    fn ordinary_repositories_are_read_into_one_form() {
        for (url, read) in [
            ("ssh://git@github.com/octocat/Hello-World.git", "ssh://git@github.com/octocat/Hello-World.git"),
            ("ssh://github.com/a/b", "ssh://github.com/a/b"),
            ("ssh://git@GitHub.com:22/a/b", "ssh://git@github.com/a/b"),
            ("git@github.com:octocat/Hello-World.git", "ssh://git@github.com/octocat/Hello-World.git"),
            ("git@github.com:/a/b", "ssh://git@github.com/a/b"),
            ("deploy-1.x_y@host.org:a", "ssh://deploy-1.x_y@host.org/a"),
            ("ssh://git@host.org/a/../b", "ssh://git@host.org/b"),
            ("https://github.com/a/b", "https://github.com/a/b"),
        ] {
            assert_eq!(check(url, false).as_deref(), Ok(read), "{url}");
        }
        for (url, read) in [
            ("ssh://git@127.0.0.1:2222/a", "ssh://git@127.0.0.1:2222/a"),
            ("ssh://git@0x7f.1:443/a", "ssh://git@127.0.0.1:443/a"),
            ("ssh://git@[::1]:2222/a", "ssh://git@[::1]:2222/a"),
            ("ssh://git@[::1]/a", "ssh://git@[::1]/a"),
            ("ssh://git@git/a", "ssh://git@git/a"),
        ] {
            assert_eq!(check(url, true).as_deref(), Ok(read), "{url}");
        }
    }

    #[test]
    fn whatever_could_be_an_option_or_leads_back_to_us_is_refused() {
        use RepositoryError::{Character, NoPath, NotAUrl, NotAnSshUrl, Port, PrivateAddress, QueryOrFragment, User};
        let private = |host: &str| PrivateAddress(host.to_owned());
        let long = format!("ssh://{}@host.org/a", "a".repeat(65));
        let table = [
            ("ssh://-oProxyCommand=touch/a", NotAnSshUrl),
            ("ssh://-oproxycommand/a", NotAnSshUrl),
            ("ssh://git@-oProxyCommand/a", NotAnSshUrl),
            ("ssh://-oProxyCommand=touch@host.org/a", User),
            ("ssh://-l@host.org/a", User),
            ("-oProxyCommand=touch@host.org:a", User),
            ("git@-oProxyCommand:a", NotAnSshUrl),
            ("ssh://git:secret@host.org/a", User),
            ("ssh://@host.org/a", User),
            ("ssh://a@b@host.org/a", User),
            ("ssh://g$(x)@host.org/a", User),
            ("ssh://g%69t@host.org/a", User),
            ("ssh://g'@host.org/a", User),
            (long.as_str(), User),
            ("ssh://git@host.org%20-oX/a", NotAnSshUrl),
            ("ssh://git@h$(x).org/a", NotAnSshUrl),
            ("ssh://git@host.org;x/a", NotAnSshUrl),
            ("ssh://git@h'x.org/a", NotAnSshUrl),
            ("ssh://git@.host.org/a", NotAnSshUrl),
            ("ssh://git@host.org:+22/a", NotAnSshUrl),
            ("ssh://git@host.org:99999/a", NotAnSshUrl),
            ("ssh://git@host.org:2222/a", Port(2222)),
            ("ssh://git@host.org:443/a", Port(443)),
            ("ssh://git@127.0.0.1/a", private("127.0.0.1")),
            ("git@127.0.0.1:a", private("127.0.0.1")),
            ("ssh://git@2130706433/a", private("127.0.0.1")),
            ("ssh://git@0x7f.1/a", private("127.0.0.1")),
            ("ssh://git@%31%32%37.0.0.1/a", private("127.0.0.1")),
            ("ssh://git@[::1]/a", private("[::1]")),
            ("ssh://git@[::ffff:169.254.169.254]/a", private("[::ffff:a9fe:a9fe]")),
            ("ssh://git@localhost/a", private("localhost")),
            ("git@git:a", private("git")),
            ("git@[::1]:a", NotAnSshUrl),
            ("ssh:///a", NotAUrl),
            ("ssh:host.org/a", NotAUrl),
            ("ssh://git@host.org", NoPath),
            ("ssh://git@host.org/", NoPath),
            ("git@host.org:", NoPath),
            ("ssh://git@host.org/a?b", QueryOrFragment),
            ("ssh://git@host.org/a#b", QueryOrFragment),
            ("ssh://git@host.org/a b", Character(' ')),
            ("ssh://git@host.org/a\nb", Character('\n')),
            ("ssh://git@host.org\\x/a", Character('\\')),
        ];
        for (url, expected) in table {
            assert_eq!(check(url, false), Err(expected), "{url:?}");
        }
    }
}
