//! Which hosts may stand in a list of those that may be reached.

/// No name of a host is longer.
const LONGEST: usize = 253;

/// A host, exact or as `*.suffix`; else what is wrong with it.
pub fn domain(text: &str) -> Result<String, String> {
    let (name, is_suffix) = text.strip_prefix("*.").map_or((text, false), |suffix| (suffix, true));
    let labels: Vec<&str> = name.split('.').collect();
    let problem = if text.is_empty() {
        "is empty"
    } else if text.contains("://") || text.contains(['/', '@', '?', '#']) {
        "is more than the name of a host; leave out what comes before and after it"
    } else if text.contains(char::is_whitespace) || text.contains(char::is_control) {
        "holds a space or control character; list one host an entry"
    } else if name.contains('*') {
        "has a `*` that is not the first label; write `*.` and what all of the hosts end with"
    } else if is_suffix && labels.len() < 2 {
        "stands for more than the hosts of one owner; write at least two labels after `*.`"
    } else if text.contains([':', '[', ']']) {
        "has a port or is an IPv6 address; write the name of the host alone"
    } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        "has capital letters; write it in lower case"
    } else if name.len() > LONGEST || !labels.iter().all(|label| is_label(label)) {
        "is no name of a host; write labels of letters, digits and `-` with dots between them (other scripts as `xn--…`)"
    } else if labels.last().is_some_and(|last| is_number(last)) {
        "is an IP address or looks like one; write the name of the host"
    } else {
        return Ok(text.to_owned());
    };
    Err(problem.to_owned())
}

/// Whether every host that `inner` stands for is one that `outer` stands for.
pub fn covers(outer: &str, inner: &str) -> bool {
    let Some(suffix) = outer.strip_prefix('*') else { return outer == inner };
    inner.ends_with(suffix)
}

fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (1..=63).contains(&label.len()) && plain && !label.starts_with('-') && !label.ends_with('-')
}

/// Whoever resolves a name takes one that ends so for an address, in whichever base.
fn is_number(label: &str) -> bool {
    let digits = |text: &str, is_digit: fn(&u8) -> bool| text.as_bytes().iter().all(is_digit);
    digits(label, u8::is_ascii_digit) || label.strip_prefix("0x").is_some_and(|hex| digits(hex, u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_exact_or_below_a_suffix() {
        for text in ["api.anthropic.com", "*.npmjs.org", "xn--bcher-kva.example", "registry", "a-b.c1.io", "*.a.b.c"] {
            assert_eq!(domain(text).as_deref(), Ok(text));
        }
        let wrong = [
            "",
            "*",
            "*.",
            "*.com",
            "*.*.com",
            "a.*.com",
            "*a.example.com",
            "**.example.com",
            "http://x",
            "x/y",
            "a b",
            "a.example\n",
            "x\nhttp_access allow all",
            "a.example:443",
            "user@a.example",
            "A.example",
            "a.example.",
            ".example.com",
            "a..example",
            "-a.example",
            "a-.example",
            "a_b.example",
            "bücher.example",
            "a%00.example",
            "a.example\0",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "*.168.1.1",
            "[::1]",
            "::1",
        ];
        for text in wrong {
            assert!(domain(text).is_err(), "{text:?}");
        }
        assert!(domain(&"a.".repeat(200)).is_err() && domain(&format!("{}.example", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_pattern_covers_what_it_stands_for() {
        for (outer, inner, expected) in [
            ("a.example", "a.example", true),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "*.b.a.example", true),
            ("*.a.example", "*.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "evila.example", false),
            ("a.example", "*.a.example", false),
            ("b.a.example", "*.a.example", false),
        ] {
            assert_eq!(covers(outer, inner), expected, "{outer} {inner}");
        }
    }
}
