//! The name of an image, before it gets anywhere near the engine.

use super::DockerError;

/// What a reference may hold: `[registry[:port]/]path[:tag][@digest]`.
pub(super) fn parse(name: &str) -> Result<&str, DockerError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(allowed);
    let whole = name.split('/').all(|part| !part.is_empty() && !part.starts_with(['.', '-', ':', '@']));
    if begins && fits && whole { Ok(name) } else { Err(DockerError::ImageName(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_name_is_a_name_and_nothing_else() {
        for good in ["a", "node:22-slim", "ghcr.io/a/b:v1", "localhost:5000/x", "a@sha256:0123abcd", "legwork/built:0a"]
        {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in
            ["", "--privileged", "-v", "/etc", "a b", "a\n", "a\0", "a//b", "../a", "a/../b", "a;b", "${A}", "a/-b"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(&"a".repeat(256)).is_err());
    }
}
