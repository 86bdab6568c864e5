//! Cuts a stream of bytes into lines, in bounded memory.

use memchr::memchr;

/// Bytes of a line that are kept unless another cap is given: agents print whole answers and files in one line.
pub const DEFAULT_LINE_CAP: usize = 8 * 1024 * 1024;

/// Buffer that is kept between lines; what a longer line needed is given back.
const RETAINED_CAPACITY: usize = 64 * 1024;

/// Cuts bytes, fed in chunks of any size, into lines.
///
/// A line ends at `\n`, which is not part of it; everything else, also `\r` and bytes that are not UTF-8, is. Of a line
/// longer than the cap only its start is kept, so that memory stays bounded whatever an agent prints.
#[derive(Debug)]
pub struct LineSplitter {
    /// The start of a line whose end has not come yet: at most `cap` bytes.
    pending: Vec<u8>,
    /// Whether bytes of that line were dropped.
    truncated: bool,
    cap: usize,
}

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its bytes, at most as many as the cap.
    pub bytes: &'a [u8],
    /// Whether it was longer.
    pub truncated: bool,
}

impl LineSplitter {
    /// Keeps at most `cap` bytes of a line.
    pub fn new(cap: usize) -> Self {
        Self { pending: Vec::new(), truncated: false, cap }
    }

    /// Takes the next bytes and calls `each` for every line they complete.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.is_empty() {
                each(self.capped(line));
            } else {
                self.keep(line);
                self.flush(&mut each);
            }
            bytes = rest;
        }
        self.keep(bytes);
    }

    /// No more bytes will come: calls `each` for the last line where its end is missing.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.is_empty() {
            self.flush(&mut each);
        }
    }

    fn is_empty(&self) -> bool {
        self.pending.is_empty() && !self.truncated
    }

    /// A line that came in one piece, so that nothing needs to be copied.
    fn capped<'a>(&self, line: &'a [u8]) -> Line<'a> {
        Line { bytes: &line[..line.len().min(self.cap)], truncated: line.len() > self.cap }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.cap - self.pending.len();
        self.pending.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.truncated |= bytes.len() > room;
    }

    fn flush(&mut self, each: &mut impl FnMut(Line<'_>)) {
        each(Line { bytes: &self.pending, truncated: self.truncated });
        self.pending.clear();
        self.pending.shrink_to(RETAINED_CAPACITY);
        self.truncated = false;
    }
}

impl Default for LineSplitter {
    fn default() -> Self {
        Self::new(DEFAULT_LINE_CAP)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split<'a>(cap: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, bool)> {
        let mut splitter = LineSplitter::new(cap);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(chunk, |line| lines.push((line.bytes.to_vec(), line.truncated)));
            assert!(splitter.pending.len() <= cap, "kept {} bytes of at most {cap}", splitter.pending.len());
        }
        splitter.finish(|line| lines.push((line.bytes.to_vec(), line.truncated)));
        lines
    }

    fn show(cap: usize, input: &str) -> String {
        let lines = split(cap, [input.as_bytes()]);
        let shown = lines.iter().map(|(bytes, cut)| format!("{}{}", bytes.escape_ascii(), if *cut { "…" } else { "" }));
        shown.collect::<Vec<_>>().join("|")
    }

    #[test]
    fn lines_end_at_newlines_alone() {
        for (input, lines) in [
            ("", ""),
            ("a", "a"),
            ("a\n", "a"),
            ("a\nb", "a|b"),
            ("\n\na\n", "||a"),
            ("a\r\nb\0\n", "a\\r|b\\x00"),
            ("12345\n123456\n1234567", "12345|12345…|12345…"),
        ] {
            assert_eq!(show(5, input), lines, "{input:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_memory_than_the_cap() {
        let mut splitter = LineSplitter::new(1024);
        let mut lines = 0;
        for _ in 0..4096 {
            splitter.push(&[b'x'; 4096], |_| lines += 1);
        }
        assert!(splitter.pending.capacity() <= 4096, "{} bytes", splitter.pending.capacity());
        splitter.push(b"\nnext\n", |line| {
            lines += 1;
            assert_eq!((line.bytes.len(), line.truncated), if lines == 1 { (1024, true) } else { (4, false) });
        });
        assert_eq!(lines, 2);
    }

    #[test]
    fn the_buffer_of_a_long_line_is_given_back() {
        let mut splitter = LineSplitter::default();
        splitter.push(&vec![b'x'; 1 << 20], |_| {});
        splitter.push(b"\n", |line| assert_eq!(line.bytes.len(), 1 << 20));
        assert!(splitter.pending.capacity() <= RETAINED_CAPACITY);
    }

    /// Few different bytes, so that newlines are common.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(0xff), Just(b'\r')], 0..200)
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_lines(input in bytes(), cuts in prop::collection::vec(1_usize..9, 1..20), cap in 1_usize..9) {
            let mut rest = input.as_slice();
            let mut chunks = Vec::new();
            for size in cuts.iter().cycle() {
                let (chunk, tail) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = tail;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(split(cap, chunks), split(cap, [input.as_slice()]));
        }

        #[test]
        fn nothing_is_lost_below_the_cap(input in bytes()) {
            let mut joined = split(input.len(), [input.as_slice()]).into_iter().map(|(line, _)| line).collect::<Vec<_>>().join(&b'\n');
            if input.ends_with(b"\n") {
                joined.push(b'\n');
            }
            prop_assert_eq!(joined, input);
        }
    }
}
