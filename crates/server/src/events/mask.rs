//! Keeps the service's own secrets out of what agents print.

use std::sync::Arc;

/// Shorter values are too likely to be ordinary words.
const SHORTEST: usize = 8;

/// Replaces known secrets by `***`.
#[derive(Clone, Default)]
pub struct Mask(Arc<[String]>);

impl Mask {
    /// A mask for these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self(secrets.into_iter().filter(|secret| secret.len() >= SHORTEST).map(str::to_owned).collect())
    }

    /// A mask for these secrets, too.
    #[must_use]
    pub fn and<'a>(&self, more: impl IntoIterator<Item = &'a str>) -> Self {
        let more = Self::new(more);
        Self(self.0.iter().chain(more.0.iter()).cloned().collect())
    }

    /// `text` without the secrets.
    pub fn apply(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), "***") } else { text }
        })
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_disappear_and_short_words_stay() {
        let mask = Mask::new(["sk-ant-12345", "abc"]);
        assert_eq!(mask.apply("key=sk-ant-12345 abc".into()), "key=*** abc");
    }
}
