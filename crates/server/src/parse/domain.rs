//! Which hosts may stand in a list of those that may be reached.

use legwork_model::DomainPattern;

/// A host, exact or as `*.suffix`, in its one spelling; else what is wrong with it, as the second half of a sentence.
pub fn domain(text: &str) -> Result<String, String> {
    let pattern = text.parse::<DomainPattern>();
    pattern.map(|pattern| pattern.to_string()).map_err(|invalid| format!("names no host: {}", invalid.fault()))
}

/// Whether every host that `inner` stands for is one that `outer` stands for, both in their one spelling.
pub fn covers(outer: &str, inner: &str) -> bool {
    let Some(suffix) = outer.strip_prefix('*') else { return outer == inner };
    inner.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

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
