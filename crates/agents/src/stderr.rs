//! Error output as events: bounded in lines and in their length, because no agent's protocol runs over it.

use legwork_model::EventBody;

use crate::agent::Decoded;
use crate::framing::{Line, LineSplitter};

/// Lines that become events.
const MAX_LINES: usize = 1000;

/// Bytes that are kept of a line.
const LINE_CAP: usize = 8 * 1024;

/// Turns error output into [`EventBody::Stderr`] and remembers its last line, which tends to say why a program ended.
#[derive(Debug)]
pub(crate) struct StderrLines {
    splitter: LineSplitter,
    tail: Tail,
}

#[derive(Debug, Default)]
struct Tail {
    count: usize,
    last: Option<String>,
}

impl StderrLines {
    pub(crate) fn push(&mut self, bytes: &[u8], decoded: &mut Vec<Decoded>) {
        let Self { splitter, tail } = self;
        splitter.push(bytes, |line| tail.take(line, decoded));
    }

    pub(crate) fn finish(&mut self, decoded: &mut Vec<Decoded>) {
        let Self { splitter, tail } = self;
        splitter.finish(|line| tail.take(line, decoded));
    }

    /// The last line that is not blank.
    pub(crate) fn last(&self) -> Option<&str> {
        self.tail.last.as_deref()
    }
}

impl Default for StderrLines {
    fn default() -> Self {
        Self { splitter: LineSplitter::new(LINE_CAP), tail: Tail::default() }
    }
}

impl Tail {
    fn take(&mut self, line: Line<'_>, decoded: &mut Vec<Decoded>) {
        let mut text = String::from_utf8_lossy(line.bytes).trim_end().to_owned();
        if line.truncated {
            text.push('…');
        }
        self.count += 1;
        if self.count <= MAX_LINES {
            decoded.push(event(text.clone()));
        } else if self.count == MAX_LINES + 1 {
            decoded.push(event(format!("… more than {MAX_LINES} lines of error output; the rest is not recorded")));
        }
        if !text.is_empty() {
            self.last = Some(text);
        }
    }
}

fn event(line: String) -> Decoded {
    Decoded::Event(EventBody::Stderr { line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> (Vec<String>, Option<String>) {
        let mut stderr = StderrLines::default();
        let mut decoded = Vec::new();
        for byte in input {
            stderr.push(&[*byte], &mut decoded);
        }
        stderr.finish(&mut decoded);
        let texts = decoded.into_iter().map(|item| match item {
            Decoded::Event(EventBody::Stderr { line }) => line,
            other => panic!("{other:?}"),
        });
        (texts.collect(), stderr.last().map(str::to_owned))
    }

    #[test]
    fn each_line_is_an_event_and_the_last_that_says_something_is_kept() {
        let (events, last) = lines(b"Error: bad \xff config\r\nsee the manual\n\n");
        assert_eq!(events, ["Error: bad \u{fffd} config", "see the manual", ""]);
        assert_eq!(last.as_deref(), Some("see the manual"));
    }

    #[test]
    fn a_flood_is_cut_off_but_its_last_line_is_known() {
        let flood = (0..3000).map(|number| format!("line {number}\n")).collect::<String>();
        let (events, last) = lines(flood.as_bytes());
        assert_eq!(events.len(), MAX_LINES + 1);
        assert_eq!(
            events.last().map(String::as_str),
            Some("… more than 1000 lines of error output; the rest is not recorded")
        );
        assert_eq!(last.as_deref(), Some("line 2999"));
    }

    #[test]
    fn a_long_line_is_cut() {
        let (events, _) = lines(&[b'x'; 3 * LINE_CAP]);
        assert_eq!(events, [format!("{}…", "x".repeat(LINE_CAP))]);
    }
}
