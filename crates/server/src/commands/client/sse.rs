//! Reading server-sent events.

/// Takes a stream's bytes, cut anywhere, and gives its events' data. Comments, names and ids are passed over: the data
/// says it all.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// A line that is not complete yet.
    line: Vec<u8>,
    /// Lines of the event that is not complete yet.
    data: Option<String>,
}

impl Parser {
    /// The data of the events that these bytes complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                let _ = self.line.pop_if(|last| *last == b'\r');
                let line = std::mem::take(&mut self.line);
                complete.extend(self.take(&String::from_utf8_lossy(&line)));
            }
        }
        complete
    }

    fn take(&mut self, line: &str) -> Option<String> {
        if line.is_empty() {
            return self.data.take();
        }
        let value = line.strip_prefix("data:")?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        match &mut self.data {
            Some(data) => *data = format!("{data}\n{value}"),
            None => self.data = Some(value.to_owned()),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream = ": hello\n\nid: 1\nevent: text\ndata: {\"a\":\"ä\"}\n\n:\n\nid: 2\r\ndata:one\r\ndata: two\r\n\r\ndata: half";
        let expected = ["{\"a\":\"ä\"}", "one\ntwo"];
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            let events: Vec<_> = stream.as_bytes().chunks(size).flat_map(|chunk| parser.push(chunk)).collect();
            assert_eq!(events, expected, "chunks of {size}");
        }
    }
}
