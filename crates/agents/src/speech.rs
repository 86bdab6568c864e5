//! Puts what an agent says in pieces together again.

use legwork_model::EventBody;

use crate::agent::Decoded;
use crate::lines::push;

/// A piece that is longer is passed on before the agent has finished it, so that a long answer can be followed.
const LONG: usize = 4 * 1024;

/// What the agent is saying.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    /// Said or thought since the last event.
    pending: String,
    thinking: bool,
    /// All that was said since the last tool call: at the end of a turn its answer.
    answer: String,
    /// The pieces that `answer` came in.
    pieces: usize,
}

impl Speech {
    /// Takes a piece of what the agent says.
    pub(crate) fn say(&mut self, piece: &str, decoded: &mut Vec<Decoded>) {
        self.add(piece, false, decoded);
        self.answer.push_str(piece);
        self.pieces += 1;
    }

    /// Takes a piece of what it thinks.
    pub(crate) fn think(&mut self, piece: &str, decoded: &mut Vec<Decoded>) {
        self.add(piece, true, decoded);
    }

    /// It does something else now: what it said before is no answer.
    pub(crate) fn interrupted(&mut self, decoded: &mut Vec<Decoded>) {
        self.flush(decoded);
        self.answer.clear();
        self.pieces = 0;
    }

    /// It has ended its turn: its answer, where it gave one.
    pub(crate) fn ended(&mut self, decoded: &mut Vec<Decoded>) -> Option<Answer> {
        self.flush(decoded);
        let pieces = std::mem::take(&mut self.pieces);
        let text = std::mem::take(&mut self.answer);
        (!text.is_empty()).then_some(Answer { text, pieces })
    }

    /// Passes on what was held back.
    pub(crate) fn flush(&mut self, decoded: &mut Vec<Decoded>) {
        if self.pending.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.pending);
        let event = if self.thinking {
            EventBody::Thinking { text, parent_tool_call_id: None }
        } else {
            EventBody::Text { text, parent_tool_call_id: None }
        };
        push(decoded, event);
    }

    fn add(&mut self, piece: &str, thinking: bool, decoded: &mut Vec<Decoded>) {
        if thinking != self.thinking {
            self.flush(decoded);
            self.thinking = thinking;
        }
        self.pending.push_str(piece);
        if self.pending.len() > LONG {
            self.flush(decoded);
        }
    }
}

/// The answer of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// All of it.
    pub(crate) text: String,
    /// How many pieces it came in. What a program says itself comes in one, what a model says mostly in many.
    pub(crate) pieces: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(decoded: &[Decoded]) -> Vec<String> {
        let shown = decoded.iter().map(|item| match item {
            Decoded::Event(EventBody::Text { text, .. }) => text.clone(),
            Decoded::Event(EventBody::Thinking { text, .. }) => format!("({text})"),
            other => format!("{other:?}"),
        });
        shown.collect()
    }

    #[test]
    fn pieces_become_whole_texts() {
        let (mut speech, mut decoded) = (Speech::default(), Vec::new());
        speech.think("hm", &mut decoded);
        speech.think("m", &mut decoded);
        speech.say("I will", &mut decoded);
        speech.say(" look.", &mut decoded);
        speech.interrupted(&mut decoded);
        speech.say("Do", &mut decoded);
        speech.say("ne.", &mut decoded);
        let answer = speech.ended(&mut decoded);
        assert_eq!(show(&decoded), ["(hmm)", "I will look.", "Done."]);
        assert_eq!(answer, Some(Answer { text: "Done.".into(), pieces: 2 }));
        assert_eq!(speech.ended(&mut decoded), None);
    }

    #[test]
    fn a_long_text_comes_in_several_events_but_is_one_answer() {
        let (mut speech, mut decoded) = (Speech::default(), Vec::new());
        for _ in 0..10 {
            speech.say(&"x".repeat(1000), &mut decoded);
        }
        let answer = speech.ended(&mut decoded);
        assert_eq!(show(&decoded).iter().map(String::len).collect::<Vec<_>>(), [5000, 5000]);
        assert_eq!(answer.map(|answer| answer.text.len()), Some(10_000));
    }
}
