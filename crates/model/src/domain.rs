//! Which hosts a run may reach, as an operator or a caller lists them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::host::{HostFault, HostName, InvalidHost, canonical};

/// One entry of a list of allowed domains: a host (`api.example.com`, or an IP address in its plain form), or `*.example.com`
/// for every host below `example.com` at any depth, which itself is not meant.
///
/// Names are compared part by part and in canonical form, so `evilexample.com` and `example.com.evil.test` are never taken
/// for `example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DomainPattern(Pattern);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Pattern {
    Exact(HostName),
    /// Every host that ends in a dot and this name.
    Below(String),
}

impl DomainPattern {
    /// Whether `host` is meant.
    pub fn matches(&self, host: &HostName) -> bool {
        match &self.0 {
            Pattern::Exact(exact) => exact == host,
            // Both are canonical, and the dot before the rest makes it end where a part ends.
            Pattern::Below(name) => {
                let before = host.as_str().strip_suffix(name.as_str()).and_then(|before| before.strip_suffix('.'));
                before.is_some_and(|before| !before.is_empty())
            }
        }
    }

    fn parse(text: &str) -> Result<Self, HostFault> {
        let Some(name) = text.strip_prefix("*.") else { return HostName::parse(text).map(Pattern::Exact).map(Self) };
        let name = canonical(name)?;
        if name.contains('.') { Ok(Self(Pattern::Below(name))) } else { Err(HostFault::Broad) }
    }
}

impl FromStr for DomainPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|fault| InvalidHost::new(text, fault))
    }
}

impl fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Exact(host) => host.fmt(f),
            Pattern::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl Serialize for DomainPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DomainPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl utoipa::PartialSchema for DomainPattern {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .description(Some("A host, or `*.` and a domain of at least two parts for every host below it."))
            .examples(["api.example.com", "*.example.com"])
            .into()
    }
}

impl utoipa::ToSchema for DomainPattern {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> DomainPattern {
        text.parse().unwrap()
    }

    #[test]
    fn only_true_matches_pass() {
        for (listed, asked, matches) in [
            ("example.com", "example.com", true),
            ("Example.com.", "EXAMPLE.com.", true),
            ("example.com", "a.example.com", false),
            ("example.com", "evilexample.com", false),
            ("example.com", "example.com.evil.test", false),
            ("example.com", "example.org", false),
            ("example.com", "ехample.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "b.a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", "a.example.com.evil.test", false),
            ("*.bücher.example", "a.xn--bcher-kva.example", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", false),
            ("2001:db8::7", "2001:DB8:0::7", true),
        ] {
            assert_eq!(pattern(listed).matches(&asked.parse().unwrap()), matches, "{listed} {asked}");
        }
    }

    #[test]
    fn a_list_refuses_what_it_would_not_keep() {
        for (text, fault) in [
            ("*", HostFault::Star),
            ("*.", HostFault::Empty),
            ("*.com", HostFault::Broad),
            ("*.com.", HostFault::Broad),
            ("*.*.com", HostFault::Star),
            ("a.*.com", HostFault::Star),
            ("*example.com", HostFault::Star),
            ("**.example.com", HostFault::Star),
            ("*.10.0.0.1", HostFault::OddAddress),
            ("*.::1", HostFault::Colon),
            ("http://x", HostFault::Url),
            ("*.example.com/", HostFault::Url),
            ("10.0.0.0/8", HostFault::Url),
            ("example.com:443", HostFault::Colon),
            ("[2001:db8::7]", HostFault::Colon),
            ("a b", HostFault::Character(' ')),
            (" example.com", HostFault::Character(' ')),
            ("x\nhttp_access allow all", HostFault::Character('\n')),
            ("127.1", HostFault::OddAddress),
            ("", HostFault::Empty),
        ] {
            assert_eq!(DomainPattern::parse(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn a_list_in_json_says_what_is_wrong_and_what_would_be_right() {
        let error = serde_json::from_str::<Vec<DomainPattern>>(r#"["example.com", "*.com"]"#).unwrap_err().to_string();
        assert!(error.starts_with(r#""*.com" is not allowed here: everything below a top-level domain"#), "{error}");
        let kept: Vec<DomainPattern> = serde_json::from_str(r#"["*.EXAMPLE.com.", "::1"]"#).unwrap();
        assert_eq!(serde_json::to_string(&kept).unwrap(), r#"["*.example.com","::1"]"#);
    }

    proptest! {
        #[test]
        fn a_star_stands_for_whole_parts(
            listed in prop::collection::vec("[ab]{1,2}", 2..4),
            asked in prop::collection::vec("[ab]{1,2}", 1..6),
        ) {
            let below = pattern(&format!("*.{}", listed.join(".")));
            let matches = asked.len() > listed.len() && asked.ends_with(&listed);
            prop_assert_eq!(below.matches(&asked.join(".").parse().unwrap()), matches);
        }

        #[test]
        fn a_pattern_reads_back(text in "(\\*\\.)?[a-zA-Zß-ÿ0-9.:-]{0,30}") {
            if let Ok(kept) = DomainPattern::parse(&text) {
                prop_assert_eq!(DomainPattern::parse(&kept.to_string()), Ok(kept));
            }
        }
    }
}
