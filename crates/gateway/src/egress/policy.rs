//! What one run may reach, as pure rules.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use legwork_model::{DomainPattern, HostName};
use subtle::ConstantTimeEq;

use super::address;
use super::decision::{Reason, Verdict};

/// The port of TLS, the only one that tunnels lead to.
pub(super) const TLS_PORT: u16 = 443;
/// The port of plain HTTP, the only one that plain requests are forwarded to.
pub(super) const PLAIN_PORT: u16 = 80;

/// What one run may reach.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether the list holds.
    pub mode: Mode,
    /// The hosts that may be reached. An empty list allows nothing.
    pub allowed: Vec<DomainPattern>,
    /// Networks that may be reached although they are not public. The operator's word alone: whoever fills
    /// `allowed` must not be able to fill this.
    pub allow_private: Vec<IpNet>,
    /// What a client of the proxy has to know.
    pub credential: Credential,
}

/// Whether the list holds. Whatever the mode, only public addresses and the ports 443 and 80 are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only what is listed is let through.
    Enforce,
    /// Everything is let through, and what is not listed is told as observed, so that a list can be made of it.
    Observe,
    /// Everything is let through, and TLS is not looked into.
    Public,
}

/// What a program in the sandbox proves by that it belongs to the run: the name `run` and a token.
#[derive(Clone)]
pub struct Credential {
    token: String,
    basic: String,
}

impl Credential {
    /// The name that goes with the token.
    pub const USER: &str = "run";

    /// The credential with this token, which should be unpredictable and fit into a URL as it is.
    pub fn new(token: impl Into<String>) -> Self {
        let token = token.into();
        let basic = STANDARD.encode(format!("{}:{token}", Self::USER));
        Self { token, basic }
    }

    /// Whether these are the name and the token. How long it takes tells nothing but lengths.
    pub(super) fn is(&self, user: &[u8], token: &[u8]) -> bool {
        bool::from(user.ct_eq(Self::USER.as_bytes()) & token.ct_eq(self.token.as_bytes()))
    }

    /// Whether this is the value of a `Proxy-Authorization` header with them.
    pub(super) fn is_basic(&self, value: &[u8]) -> bool {
        let Some((scheme, encoded)) = value.split_at_checked("basic ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"basic ") && bool::from(encoded.trim_ascii().ct_eq(self.basic.as_bytes()))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Policy {
    /// What becomes of a request for `host`, before anything is looked up: a name that is denied must not reach DNS, where it
    /// could carry something out.
    pub(super) fn judge(&self, host: &HostName) -> Verdict {
        if self.allowed.iter().any(|pattern| pattern.matches(host)) {
            return Verdict::Allowed;
        }
        self.weigh(if host.address().is_some() { Reason::IpLiteral } else { Reason::NotListed })
    }

    /// What becomes of something that the list does not allow.
    pub(super) fn weigh(&self, reason: Reason) -> Verdict {
        match self.mode {
            Mode::Enforce => Verdict::Denied(reason),
            Mode::Observe => Verdict::Observed(reason),
            Mode::Public => Verdict::Allowed,
        }
    }

    /// Whether an address may be dialled. A listed name or address alone is not enough.
    pub(super) fn reaches(&self, address: IpAddr) -> bool {
        self.allow_private.iter().any(|net| net.contains(&address))
            || (address::is_public(address) && !address::is_of_this_machine(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: Mode, allowed: &[&str]) -> Policy {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        Policy { mode, allowed, allow_private: Vec::new(), credential: Credential::new("secret") }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let host: HostName = "example.com".parse().unwrap();
        assert_eq!(policy(Mode::Enforce, &[]).judge(&host), Verdict::Denied(Reason::NotListed));
        assert_eq!(policy(Mode::Observe, &[]).judge(&host), Verdict::Observed(Reason::NotListed));
        assert_eq!(policy(Mode::Public, &[]).judge(&host), Verdict::Allowed);
    }

    #[test]
    fn an_address_has_to_be_listed_as_such() {
        let policy = policy(Mode::Enforce, &["8.8.8.8", "*.example.com"]);
        assert_eq!(policy.judge(&"8.8.8.8".parse().unwrap()), Verdict::Allowed);
        for other in ["8.8.4.4", "::ffff:8.8.8.8", "2001:4860:4860::8888"] {
            assert_eq!(policy.judge(&other.parse().unwrap()), Verdict::Denied(Reason::IpLiteral), "{other}");
        }
    }

    #[test]
    fn only_the_operator_opens_private_networks() {
        let mut policy = policy(Mode::Public, &["10.1.2.3"]);
        assert!(!policy.reaches([10, 1, 2, 3].into()));
        policy.allow_private.push("10.1.0.0/16".parse().unwrap());
        assert!(policy.reaches([10, 1, 2, 3].into()));
        assert!(!policy.reaches([10, 2, 2, 3].into()));
        assert!(!policy.reaches("::ffff:10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn a_credential_is_right_as_a_whole_only() {
        let credential = Credential::new("secret");
        assert!(credential.is(b"run", b"secret"));
        for (user, token) in [("run", "secre"), ("run", "secret2"), ("ru", "secret"), ("", ""), ("secret", "run")] {
            assert!(!credential.is(user.as_bytes(), token.as_bytes()), "{user}:{token}");
        }
        let basic = STANDARD.encode("run:secret");
        assert!(credential.is_basic(format!("Basic {basic}").as_bytes()));
        assert!(credential.is_basic(format!("bAsIC  {basic}").as_bytes()));
        for wrong in [format!("Bearer {basic}"), "Basic ".to_owned(), format!("Basic {basic}x"), "é".to_owned()] {
            assert!(!credential.is_basic(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{credential:?}"), "Credential");
    }
}
