//! Reads what an answer says of the tokens it took, while its bytes pass by unchanged.

mod anthropic;
mod gemini;
mod openai;

use legwork_model::ModelApi;
use serde_json::Value;

use super::tokens::Tokens;

/// Bytes of one line, or of an answer that is not a stream, that are kept for reading at the most: what is longer is answers,
/// not counts.
const LONGEST: usize = 4 << 20;

/// Bytes that are taken for a token where nobody counted.
const BYTES_PER_TOKEN: u64 = 4;

/// Reads one answer.
#[derive(Debug)]
pub(super) struct Meter {
    api: ModelApi,
    streamed: bool,
    /// What of a line, or of the whole answer, came so far.
    partial: Vec<u8>,
    /// Whether the rest of a line is passed over, for it is too long.
    overlong: bool,
    seen: Seen,
    /// What the request was long, for where nothing is told.
    request_bytes: u64,
}

/// What an answer said so far.
#[derive(Debug, Default)]
struct Seen {
    tokens: Tokens,
    model: Option<String>,
    /// Whether the prompt's tokens are known.
    has_input: bool,
    /// Whether the final counts came.
    is_final: bool,
    /// Bytes of text that the model said.
    said: u64,
}

/// What an answer took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) tokens: Tokens,
    /// The model as the answer names it.
    pub(super) model: Option<String>,
    /// Whether some counts are a guess.
    pub(super) estimated: bool,
}

impl Meter {
    /// For the answer to a request of so many bytes.
    pub(super) fn new(api: ModelApi, streamed: bool, request_bytes: u64) -> Self {
        Self { api, streamed, partial: Vec::new(), overlong: false, seen: Seen::default(), request_bytes }
    }

    /// Takes the next bytes, which may be cut anywhere.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        if !self.streamed {
            return self.keep(bytes);
        }
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            if self.partial.is_empty() && !self.overlong {
                self.seen.line(self.api, line);
            } else {
                self.keep(line);
                let whole = std::mem::take(&mut self.partial);
                if !std::mem::take(&mut self.overlong) {
                    self.seen.line(self.api, &whole);
                }
            }
            bytes = &rest[1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong || self.partial.len() + bytes.len() > LONGEST {
            self.overlong = true;
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    /// The answer has ended, or was cut off.
    pub(super) fn finish(mut self) -> Reading {
        let rest = std::mem::take(&mut self.partial);
        if self.streamed {
            self.seen.line(self.api, &rest);
        } else if let Ok(body) = serde_json::from_slice::<Value>(&rest) {
            self.seen.whole(self.api, &body);
        }
        let Seen { mut tokens, model, has_input, is_final, said } = self.seen;
        if !has_input {
            tokens.usage.input_tokens = self.request_bytes / BYTES_PER_TOKEN;
        }
        if !is_final {
            tokens.usage.output_tokens = tokens.usage.output_tokens.max(said.div_ceil(BYTES_PER_TOKEN));
        }
        Reading { tokens, model, estimated: !(has_input && is_final) }
    }
}

impl Seen {
    /// Takes one line of server-sent events.
    fn line(&mut self, api: ModelApi, line: &[u8]) {
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let (counts, said) = match api {
            ModelApi::Anthropic => (anthropic::COUNTS, anthropic::SAID),
            ModelApi::Openai => (openai::COUNTS, openai::SAID),
            ModelApi::Gemini => (gemini::COUNTS, gemini::SAID),
        };
        let glance = Glance::at(data, counts, said);
        self.said += glance.said;
        // Most lines are pieces of the answer: only those with counts are worth parsing.
        if glance.has_counts
            && let Ok(event) = serde_json::from_slice::<Value>(data)
        {
            match api {
                ModelApi::Anthropic => anthropic::event(self, &event),
                ModelApi::Openai => openai::event(self, &event),
                ModelApi::Gemini => gemini::counts(self, &event),
            }
        }
    }

    /// Takes an answer that is not a stream.
    fn whole(&mut self, api: ModelApi, body: &Value) {
        match api {
            ModelApi::Anthropic => anthropic::whole(self, body),
            ModelApi::Openai => openai::counts(self, body),
            // Without `alt=sse` the stream is a list.
            ModelApi::Gemini => match body {
                Value::Array(chunks) => chunks.iter().for_each(|chunk| gemini::counts(self, chunk)),
                one => gemini::counts(self, one),
            },
        }
    }

    fn named(&mut self, model: &Value) {
        if let Some(model) = model.as_str() {
            self.model = Some(model.to_owned());
        }
    }
}

/// What a line of JSON has in it, from one look along its strings: nearly all of an answer's bytes are in them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Glance {
    has_counts: bool,
    /// Bytes of text of the answer.
    said: u64,
}

impl Glance {
    /// Looks for the key of the counts, and for the texts below the keys of what was said.
    fn at(mut data: &[u8], counts: &[u8], said: &[&[u8]]) -> Self {
        let mut glance = Self::default();
        let mut key: &[u8] = b"";
        while let Some(quote) = memchr::memchr(b'"', data) {
            let (string, after) = string_end(&data[quote + 1..]);
            data = after.trim_ascii_start();
            if data.first() == Some(&b':') {
                key = string;
                glance.has_counts |= key == counts;
            } else if said.contains(&std::mem::take(&mut key)) {
                glance.said += string.len() as u64;
            }
        }
        glance
    }
}

/// A string, and what comes after its end.
fn string_end(data: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &data[at..]) {
        at += found;
        if data[at] == b'"' {
            return (&data[..at], &data[at + 1..]);
        }
        at = (at + 2).min(data.len());
    }
    (data, b"")
}

fn count(counts: &Value, key: &str) -> Option<u64> {
    counts.get(key)?.as_u64()
}

#[cfg(test)]
mod tests;
