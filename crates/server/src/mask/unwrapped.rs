//! A text without its line breaks: what encodes long values breaks them into lines.

/// The bytes of a text that are no line break, neither a real one nor one as JSON writes it (`\n`), and where they stood.
pub(super) struct Unwrapped {
    pub(super) text: Vec<u8>,
    /// Where parts without a break begin: in `text`, and in what it was made of.
    parts: Vec<(usize, usize)>,
}

/// What else does not count at the beginning of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Counts,
    /// Indentation, and the mark that a list of differences has before it.
    Indented,
}

impl Unwrapped {
    /// `text` without line breaks, and without line breaks and indentation; fewer where that makes no difference.
    pub(super) fn all_of(text: &[u8]) -> Vec<Self> {
        if next_sign(text).is_none() {
            return Vec::new();
        }
        let Some(plain) = Self::of(text, Begin::Counts) else { return Vec::new() };
        let indented = Self::of(text, Begin::Indented).filter(|other| other.text.len() < plain.text.len());
        std::iter::once(plain).chain(indented).collect()
    }

    fn of(text: &[u8], begin: Begin) -> Option<Self> {
        let mut unwrapped = Self { text: Vec::with_capacity(text.len()), parts: Vec::new() };
        let (mut from, mut at) = (0, 0);
        while let Some(sign) = next_sign(&text[at..]) {
            at += sign;
            match break_at(&text[at..], begin) {
                0 => at += 1,
                length => {
                    unwrapped.part(text, from, at);
                    at += length;
                    from = at;
                }
            }
        }
        unwrapped.part(text, from, text.len());
        (unwrapped.text.len() < text.len()).then_some(unwrapped)
    }

    fn part(&mut self, text: &[u8], from: usize, to: usize) {
        if from < to {
            self.parts.push((self.text.len(), from));
            self.text.extend_from_slice(&text[from..to]);
        }
    }

    /// Where a byte stood.
    pub(super) fn place(&self, at: usize) -> usize {
        let part = self.parts.partition_point(|(begin, _)| *begin <= at).saturating_sub(1);
        self.parts.get(part).map_or(at, |(begin, stood)| stood + (at - begin))
    }
}

/// Where a break may begin next.
fn next_sign(text: &[u8]) -> Option<usize> {
    memchr::memchr3(b'\n', b'\r', b'\\', text)
}

/// The length of the break that a text begins with; 0 where it begins with none. In a JSON text within another the backslash
/// is doubled.
fn break_at(text: &[u8], begin: Begin) -> usize {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let length = match text.get(slashes) {
        Some(b'n' | b'r') if slashes > 0 => slashes + 1,
        Some(b'\n' | b'\r') if slashes == 0 => 1,
        _ => return 0,
    };
    if begin == Begin::Counts {
        return length;
    }
    let line = &text[length..];
    let mark = usize::from(line.first().is_some_and(|byte| matches!(byte, b'+' | b'-')));
    length + mark + line[mark..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_disappear_and_places_are_known() {
        let text = b"ab\r\ncd\\n  e\\\\\\n+f\\x";
        let all = Unwrapped::all_of(text);
        assert_eq!(all.len(), 2);
        for (unwrapped, expected) in all.iter().zip([b"abcd  e+f\\x".as_slice(), b"abcdef\\x"]) {
            assert_eq!(unwrapped.text, expected);
            for (at, byte) in unwrapped.text.iter().enumerate() {
                assert_eq!(text[unwrapped.place(at)], *byte, "{at}");
            }
        }
        assert!(Unwrapped::all_of(b"no \\ break").is_empty());
        assert_eq!(Unwrapped::all_of(b"a\nb").len(), 1, "nothing is indented");
    }
}
