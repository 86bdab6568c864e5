//! The name of a machine that a program inside a sandbox asks for, in the one spelling that rules are compared with.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use idna::AsciiDenyList;

/// The most bytes a host name has in DNS, without a dot at its end.
const MAX_NAME: usize = 253;
/// The most bytes one part of it has.
const MAX_LABEL: usize = 63;
/// Longer texts are not even looked at: international names only get shorter or little longer by being read.
const MAX_TEXT: usize = 1024;

/// One host in canonical form: a name in lower case and ASCII (`xn--` where it is international) without a dot at its
/// end, or an IP address.
///
/// There is one spelling of each host, so two that are equal as text are the same and two that differ are not. Spellings of
/// addresses that some programs understand and others don't (`127.1`, `0x7f.1`, `2130706433`, `fe80::1%eth0`) are refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostName {
    text: String,
    address: Option<IpAddr>,
}

/// A text that names no host, or no set of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not allowed here: {fault}")]
pub struct InvalidHost {
    text: String,
    fault: HostFault,
}

/// What is wrong with a text that should name a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostFault {
    /// Nothing is left of it.
    #[error("it is empty; write a host such as api.example.com")]
    Empty,
    /// It holds a slash.
    #[error("it is a URL or has a path; write its host alone, such as api.example.com")]
    Url,
    /// It holds a colon without being an IPv6 address.
    #[error("it names a port, or is no IPv6 address in its plain form; write the host alone, such as api.example.com")]
    Colon,
    /// It holds a character that no host has.
    #[error("{0:?} can't be part of a host; letters, digits, `-`, `_` and dots can")]
    Character(char),
    /// One part of it is empty, too long, or has a hyphen at an end.
    #[error("each part between dots needs 1 to 63 characters and no `-` at its ends")]
    Label,
    /// It is too long for DNS.
    #[error("it is longer than 253 characters")]
    Long,
    /// It is an address in a form that programs read differently.
    #[error("it is an odd spelling of an IP address; write it in full, such as 192.0.2.7 or 2001:db8::7")]
    OddAddress,
    /// Its letters are not those of a registered international name.
    #[error("it is not a valid international name; write it in its xn-- form")]
    International,
    /// A star stands where it has no meaning.
    #[error(
        "`*` stands only for the first part and all before it, as in *.example.com; list each domain that is needed"
    )]
    Star,
    /// A pattern that would let through everything below a top-level domain.
    #[error("everything below a top-level domain is too much; name at least two parts, as in *.example.com")]
    Broad,
}

impl InvalidHost {
    /// The text is quoted, shortened, so that the message can stand in a log whatever was sent.
    pub(crate) fn new(text: &str, fault: HostFault) -> Self {
        Self { text: text.chars().take(80).collect(), fault }
    }

    /// What is wrong with it.
    pub fn fault(&self) -> HostFault {
        self.fault
    }
}

impl HostName {
    /// The canonical spelling, IPv6 addresses without brackets.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, where it is one and not a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn parse(text: &str) -> Result<Self, HostFault> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(IpAddr::V4(address).into());
        }
        if text.contains(':') && !text.contains('/') {
            return text.parse::<Ipv6Addr>().map(|address| IpAddr::V6(address).into()).map_err(|_| HostFault::Colon);
        }
        Ok(Self { text: canonical(text)?, address: None })
    }
}

/// The canonical form of a name that is not an address.
pub(crate) fn canonical(text: &str) -> Result<String, HostFault> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > MAX_TEXT {
        return Err(HostFault::Long);
    }
    check_characters(text)?;
    let name = idna::domain_to_ascii_cow(text.as_bytes(), AsciiDenyList::URL).map_err(|_| HostFault::International)?;
    // International letters may have become any of ours.
    check_characters(&name)?;
    check_labels(&name)?;
    Ok(name.into_owned())
}

fn check_characters(text: &str) -> Result<(), HostFault> {
    let is_fine = |one: char| one.is_ascii_alphanumeric() || matches!(one, '-' | '_' | '.') || !one.is_ascii();
    // A URL holds a colon before its slash, and the slash tells more.
    if text.contains('/') {
        return Err(HostFault::Url);
    }
    match text.chars().find(|one| !is_fine(*one)) {
        None => Ok(()),
        Some(':') => Err(HostFault::Colon),
        Some('*') => Err(HostFault::Star),
        Some(other) => Err(HostFault::Character(other)),
    }
}

fn check_labels(name: &str) -> Result<(), HostFault> {
    let is_fine =
        |label: &str| (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
    if name.is_empty() {
        return Err(HostFault::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(HostFault::Long);
    }
    if !name.split('.').all(is_fine) {
        return Err(HostFault::Label);
    }
    if ends_in_a_number(name) { Err(HostFault::OddAddress) } else { Ok(()) }
}

/// Whether some program would read it as an IPv4 address. No top-level domain is a number.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|one| one.is_ascii_hexdigit()));
    is_hex || last.bytes().all(|one| one.is_ascii_digit())
}

impl From<IpAddr> for HostName {
    fn from(address: IpAddr) -> Self {
        Self { text: address.to_string(), address: Some(address) }
    }
}

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|fault| InvalidHost::new(text, fault))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<&str, HostFault>) {
        let found = HostName::parse(text);
        assert_eq!(found.as_ref().map(HostName::as_str).map_err(|fault| *fault), expect, "{text:?}");
    }

    #[test]
    fn each_host_has_one_spelling() {
        check("Example.COM.", Ok("example.com"));
        check("a_b.example.com", Ok("a_b.example.com"));
        check("localhost", Ok("localhost"));
        check("bücher.example", Ok("xn--bcher-kva.example"));
        check("XN--BCHER-KVA.example", Ok("xn--bcher-kva.example"));
        check("example。com", Ok("example.com"));
        check("192.0.2.7", Ok("192.0.2.7"));
        check("2001:DB8:0:0::7", Ok("2001:db8::7"));
    }

    #[test]
    fn what_is_no_host_says_why() {
        check("", Err(HostFault::Empty));
        check(".", Err(HostFault::Empty));
        check("http://x", Err(HostFault::Url));
        check("x/y", Err(HostFault::Url));
        check("x:443", Err(HostFault::Colon));
        check("[::1]", Err(HostFault::Colon));
        check("fe80::1%eth0", Err(HostFault::Colon));
        for character in [' ', '\n', '\r', '\t', '\0', '%', '@', '?', '#', '\\', ',', '\u{7f}'] {
            check(&format!("a{character}b.example"), Err(HostFault::Character(character)));
        }
        for text in ["a..b", ".a", "a..", "-a.b", "a-.b", &format!("{}.example", "a".repeat(64))] {
            check(text, Err(HostFault::Label));
        }
        check(&vec!["a".repeat(63); 4].join("."), Err(HostFault::Long));
        check(&"ü".repeat(10_000), Err(HostFault::Long));
        check("xn--a.example", Err(HostFault::International));
        check("*.example.com", Err(HostFault::Star));
    }

    #[test]
    fn odd_spellings_of_addresses_are_refused() {
        for text in [
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "127.1",
            "127.0.0.01",
            "1.2.3.4.",
            "1.2.3.4.5",
            "１.２.３.４",
            "a.0x",
        ] {
            check(text, Err(HostFault::OddAddress));
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_its_own(text in "\\PC{0,40}|[a-zA-Z0-9.*:_\\-]{0,40}|[a-z0-9]{1,5}(\\.[a-zA-Z0-9ß-ÿ]{1,5}){0,4}\\.?") {
            if let Ok(host) = HostName::parse(&text) {
                prop_assert_eq!(HostName::parse(host.as_str()), Ok(host.clone()));
                prop_assert!(host.as_str().is_ascii() && host.as_str().len() <= MAX_NAME);
                prop_assert_eq!(host.address(), host.as_str().parse().ok());
            }
        }
    }
}
