//! Which repositories may be cloned. Git itself takes far more for a URL than is good for a server (commands, file
//! descriptors, local paths, options), so it only gets to see what was read and written anew here.

use std::net::IpAddr;

use legwork_model::Repository;
use url::{Host, Url};

use super::address::is_public;
use super::ssh;

const LONGEST_URL: usize = 2048;
const LONGEST_BRANCH: usize = 255;

/// What the operator lets callers clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPolicy {
    /// Schemes; `https` alone unless the operator wants it otherwise. `ssh`, `http` and `file` are the others that work.
    pub schemes: Vec<String>,
    /// Whether hosts in private networks, and other ports than the usual, may be cloned from.
    pub allow_private_addresses: bool,
    /// The hosts to clone from, each a name or `*.` and the end of names; any host where absent.
    pub allowed_hosts: Option<Vec<String>>,
}

impl Default for RepositoryPolicy {
    fn default() -> Self {
        Self { schemes: vec!["https".to_owned()], allow_private_addresses: false, allowed_hosts: None }
    }
}

/// Why a repository is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryError {
    /// Longer than any honest URL.
    #[error("the repository URL is longer than {LONGEST_URL} bytes")]
    TooLong,
    /// Whitespace, control characters, backslashes or characters outside of ASCII.
    #[error("the repository URL holds {0:?}; write it percent-encoded, host names in punycode")]
    Character(char),
    /// Not an absolute URL: a path, or an option.
    #[error("the repository URL must look like https://host/path")]
    NotAUrl,
    /// The same for SSH.
    #[error("the repository URL must look like ssh://git@host/path or git@host:path")]
    NotAnSshUrl,
    /// A scheme that is not allowed.
    #[error("repository URLs with the scheme {scheme:?} are not allowed; allowed: {allowed}")]
    Scheme {
        /// The scheme.
        scheme: String,
        /// Those that are allowed.
        allowed: String,
    },
    /// A user name or password.
    #[error("the repository URL must not hold a user name or password")]
    Userinfo,
    /// A user that ssh should not be given, or a password. It may be a secret, so it is not repeated.
    #[error(
        "the user in the repository URL must be a name of letters, digits, `.`, `_` and `-`, without a password, \
         such as git in ssh://git@host/path"
    )]
    User,
    /// A query or fragment, which no repository needs.
    #[error("the repository URL must end with its path, without `?` or `#`")]
    QueryOrFragment,
    /// No path.
    #[error("the repository URL must have a path, such as https://host/owner/name.git")]
    NoPath,
    /// A host that is not on the operator's list.
    #[error("repositories on the host {0} are not allowed here")]
    Host(String),
    /// A host that is, or leads to, a private address.
    #[error("the repository's host {0} is not on the public internet, which is not allowed here")]
    PrivateAddress(String),
    /// An unusual port.
    #[error("repository URLs with port {0} are not allowed here; leave the port out")]
    Port(u16),
    /// Not a name that a branch can have.
    #[error("{0:?} is not a branch name that can be checked out, such as main or feature/login")]
    Branch(String),
}

/// Checks what can be checked without asking a name server, so that a refusal can be immediate.
///
/// # Errors
/// Why the repository is refused.
pub fn validate_repository(repository: &Repository, policy: &RepositoryPolicy) -> Result<(), RepositoryError> {
    parse(&repository.url, policy)?;
    repository.branch.as_deref().map_or(Ok(()), validate_branch)
}

/// The URL as git gets to see it.
pub(super) fn parse(text: &str, policy: &RepositoryPolicy) -> Result<Url, RepositoryError> {
    if text.len() > LONGEST_URL {
        return Err(RepositoryError::TooLong);
    }
    // A parser of URLs is lenient where programs differ: it drops tabs, turns backslashes, adds missing slashes.
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '\\') {
        return Err(RepositoryError::Character(wrong));
    }
    let text = &*ssh::long_form(text);
    let (scheme, authority) = authority(text, policy)?;
    if scheme == ssh::SCHEME {
        return ssh::parse(text, authority, policy);
    }
    if authority.contains('@') {
        return Err(RepositoryError::Userinfo);
    }
    let url = Url::parse(text).map_err(|_| RepositoryError::NotAUrl)?;
    check_path(&url)?;
    if scheme == "file" {
        return if authority.is_empty() { Ok(url) } else { Err(RepositoryError::NotAUrl) };
    }
    check_host(&url, url.port(), policy)?;
    Ok(url)
}

/// Whether a URL ends with a path.
pub(super) fn check_path(url: &Url) -> Result<(), RepositoryError> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err(RepositoryError::QueryOrFragment);
    }
    if url.path().trim_matches('/').is_empty() { Err(RepositoryError::NoPath) } else { Ok(()) }
}

/// The scheme, if it is allowed, and what stands between the slashes.
fn authority<'a>(text: &'a str, policy: &RepositoryPolicy) -> Result<(&'a str, &'a str), RepositoryError> {
    let (scheme, rest) = text.split_once(':').ok_or(RepositoryError::NotAUrl)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !is_scheme {
        return Err(RepositoryError::NotAUrl);
    }
    if !policy.schemes.iter().any(|allowed| allowed == scheme) {
        let allowed = policy.schemes.join(", ");
        return Err(RepositoryError::Scheme { scheme: scheme.to_owned(), allowed });
    }
    let rest = rest.strip_prefix("//").ok_or(RepositoryError::NotAUrl)?;
    let (authority, _) = rest.split_once('/').ok_or(RepositoryError::NoPath)?;
    let needs_host = scheme != "file";
    if needs_host && authority.is_empty() {
        return Err(RepositoryError::NotAUrl);
    }
    Ok((scheme, authority))
}

/// Whether a URL's host may be cloned from, at a port other than the scheme's where there is one.
pub(super) fn check_host(url: &Url, port: Option<u16>, policy: &RepositoryPolicy) -> Result<(), RepositoryError> {
    let host = url.host().ok_or(RepositoryError::NotAUrl)?;
    let name = host.to_string();
    let address: Option<IpAddr> = match host {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    };
    if policy.allowed_hosts.as_ref().is_some_and(|allowed| !allowed.iter().any(|pattern| matches_host(pattern, &name)))
    {
        return Err(RepositoryError::Host(name));
    }
    if policy.allow_private_addresses {
        return Ok(());
    }
    if address.map_or_else(|| is_private_name(&name), |address| !is_public(address)) {
        return Err(RepositoryError::PrivateAddress(name));
    }
    match port {
        Some(port) => Err(RepositoryError::Port(port)),
        None => Ok(()),
    }
}

/// Names that stand for this machine or its network wherever they are asked for.
fn is_private_name(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    !host.contains('.') || matches!(last, "localhost" | "local" | "internal" | "localdomain" | "arpa" | "onion")
}

fn matches_host(pattern: &str, host: &str) -> bool {
    let pattern = pattern.trim_end_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    match pattern.strip_prefix("*.") {
        Some(end) => host.strip_suffix(end).is_some_and(|start| start.len() > 1 && start.ends_with('.')),
        None => pattern == host,
    }
}

/// Git's own rules for names of references, and no full names of them: a branch is not the place to name others.
pub(super) fn validate_branch(branch: &str) -> Result<(), RepositoryError> {
    let part_is_wrong = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let wrong = branch.len() > LONGEST_BRANCH
        || branch == "@"
        || branch == "HEAD"
        || branch.starts_with('-')
        || branch.starts_with("refs/")
        || branch.ends_with('.')
        || branch.contains("..")
        || branch.contains("@{")
        || branch.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c))
        || branch.split('/').any(part_is_wrong);
    if wrong { Err(RepositoryError::Branch(branch.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, policy: &RepositoryPolicy) -> Result<String, RepositoryError> {
        parse(url, policy).map(String::from)
    }

    #[test]
    fn ordinary_repositories_are_allowed() {
        for url in ["https://github.com/octocat/Hello-World.git", "https://git.example.org/a/b"] {
            assert_eq!(check(url, &RepositoryPolicy::default()).as_deref(), Ok(url));
        }
        // The port that the scheme has anyway, and upper case, are written the usual way.
        let spelled = check("https://GitHub.com:443/a/b", &RepositoryPolicy::default());
        assert_eq!(spelled.as_deref(), Ok("https://github.com/a/b"));
    }

    #[test]
    fn whatever_is_no_public_https_url_is_refused() {
        use RepositoryError::{
            Character, NoPath, NotAUrl, Port, PrivateAddress, QueryOrFragment, Scheme, TooLong, Userinfo,
        };
        let scheme = |scheme: &str| Scheme { scheme: scheme.to_owned(), allowed: "https".to_owned() };
        let private = |host: &str| PrivateAddress(host.to_owned());
        let long = format!("https://host.org/{}", "a".repeat(LONGEST_URL));
        let table = [
            ("", NotAUrl),
            ("ext::sh -c touch% /tmp/x", Character(' ')),
            ("ext::sh", scheme("ext")),
            ("fd::0", scheme("fd")),
            ("file:///etc", scheme("file")),
            ("FILE:///etc", scheme("FILE")),
            ("/etc", NotAUrl),
            ("../repo", NotAUrl),
            ("~/repo", NotAUrl),
            ("--upload-pack=touch", NotAUrl),
            ("-uhttps://host.org/a", NotAUrl),
            ("ssh://-oProxyCommand=touch/a", scheme("ssh")),
            ("git@github.com:octocat/Hello-World.git", scheme("ssh")),
            ("http://github.com/a/b", scheme("http")),
            ("https://user:pass@github.com/a/b", Userinfo),
            ("https://@github.com/a/b", Userinfo),
            ("https://github.com/a\r\nHost: x", Character('\r')),
            ("https://github.com/a\tb", Character('\t')),
            ("https://github.com/a\0b", Character('\0')),
            ("https://github.com\\@10.0.0.1/a", Character('\\')),
            ("https://g\u{131}thub.com/a/b", Character('\u{131}')),
            ("https:///github.com/a", NotAUrl),
            ("https:github.com/a", NotAUrl),
            ("https://github.com", NoPath),
            ("https://github.com/", NoPath),
            ("https://github.com/a?service=x", QueryOrFragment),
            ("https://github.com/a#b", QueryOrFragment),
            ("https://github.com:8443/a/b", Port(8443)),
            ("https://169.254.169.254/latest/meta-data", private("169.254.169.254")),
            ("https://127.0.0.1/a", private("127.0.0.1")),
            ("https://2130706433/a", private("127.0.0.1")),
            ("https://0x7f.1/a", private("127.0.0.1")),
            ("https://017700000001/a", private("127.0.0.1")),
            ("https://127.1:443/a", private("127.0.0.1")),
            ("https://%31%32%37.0.0.1/a", private("127.0.0.1")),
            ("https://[::1]/a", private("[::1]")),
            ("https://[::ffff:169.254.169.254]/a", private("[::ffff:a9fe:a9fe]")),
            ("https://[64:ff9b::a9fe:a9fe]/a", private("[64:ff9b::a9fe:a9fe]")),
            ("https://localhost/a", private("localhost")),
            ("https://localhost./a", private("localhost.")),
            ("https://app.localhost/a", private("app.localhost")),
            ("https://metadata.google.internal/a", private("metadata.google.internal")),
            ("https://[fe80::1%25eth0]/a", NotAUrl),
            ("https://host%00.org/a", NotAUrl),
            (long.as_str(), TooLong),
        ];
        for (url, expected) in table {
            assert_eq!(check(url, &RepositoryPolicy::default()), Err(expected), "{url:?}");
        }
    }

    #[test]
    fn a_list_of_hosts_is_matched_by_labels() {
        let allowed_hosts = Some(vec!["github.com".to_owned(), "*.example.org".to_owned()]);
        let policy = RepositoryPolicy { allowed_hosts, ..RepositoryPolicy::default() };
        for (host, allowed) in [
            ("github.com", true),
            ("GITHUB.com", true),
            ("git.example.org", true),
            ("a.git.example.org", true),
            ("example.org", false),
            ("evilexample.org", false),
            ("github.com.evil.org", false),
            ("evilgithub.com", false),
        ] {
            assert_eq!(check(&format!("https://{host}/a/b"), &policy).is_ok(), allowed, "{host}");
        }
    }

    #[test]
    fn an_operator_can_allow_more() {
        let schemes = ["https", "http", "file"].map(str::to_owned).to_vec();
        let policy = RepositoryPolicy { schemes, allow_private_addresses: true, allowed_hosts: None };
        for url in ["http://127.0.0.1:8080/a", "http://git/a", "file:///srv/git/a.git"] {
            assert_eq!(check(url, &policy).as_deref(), Ok(url));
        }
        assert_eq!(check("file://host/srv/a.git", &policy), Err(RepositoryError::NotAUrl));
    }

    #[test]
    fn a_branch_is_a_plain_name() {
        for branch in ["main", "feature/login", "v1.2", "fix-$(x)", "größe"] {
            assert_eq!(validate_branch(branch), Ok(()), "{branch}");
        }
        let wrong = [
            "",
            "-b",
            "--output=x",
            "..",
            "a..b",
            "refs/heads/main",
            "refs/heads/$(x)",
            "a b",
            "a\nb",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "@",
            "a@{1}",
            "HEAD",
        ];
        for branch in wrong {
            assert_eq!(validate_branch(branch), Err(RepositoryError::Branch(branch.to_owned())), "{branch:?}");
        }
    }
}
