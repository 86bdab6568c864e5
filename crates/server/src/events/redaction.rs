//! Decides what of a run's events is secret, also where agents tell a text in several of them.

use std::collections::{HashMap, VecDeque};
use std::mem;

use legwork_model::{EventBody, Timestamp};

use crate::mask::{Mask, Pieces};

/// Events on their way to the log, in order. One whose text may end with the beginning of a secret waits for what follows, and
/// so does all behind it.
pub(super) struct Redaction {
    mask: Mask,
    texts: HashMap<Told, Pieces>,
    waiting: VecDeque<Waiting>,
}

/// Which text an event has a piece of.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Told {
    Said(Option<String>),
    Thought(Option<String>),
    /// What programs print beside their protocol.
    Printed,
    Complained,
}

struct Waiting {
    at: Timestamp,
    body: EventBody,
    /// The text of which its piece is not decided yet.
    piece_of: Option<Told>,
}

impl Redaction {
    pub(super) fn new(mask: Mask) -> Self {
        Self { mask, texts: HashMap::new(), waiting: VecDeque::new() }
    }

    pub(super) fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Takes the next event; gives those that are decided now.
    pub(super) fn take(&mut self, at: Timestamp, mut body: EventBody) -> Vec<(Timestamp, EventBody)> {
        let mut decided = if ends_a_text(&body) { self.release() } else { Vec::new() };
        let piece = piece(&mut body).map(|(told, text)| (told, mem::take(text)));
        let piece_of = piece.as_ref().map(|(told, _)| told.clone());
        self.waiting.push_back(Waiting { at, body, piece_of });
        if let Some((told, text)) = piece {
            let shown = self.texts.entry(told.clone()).or_default().push(&self.mask, &text);
            self.settle(&told, shown);
        }
        while let Some(next) = self.waiting.pop_front_if(|next| next.piece_of.is_none()) {
            decided.push((next.at, next.body));
        }
        decided
    }

    /// Whether events wait.
    pub(super) fn is_undecided(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives all events that wait, for nothing may follow for a while. What is known of them stays known.
    pub(super) fn release(&mut self) -> Vec<(Timestamp, EventBody)> {
        let shown: Vec<_> = self.texts.iter_mut().map(|(told, pieces)| (told.clone(), pieces.release())).collect();
        shown.into_iter().for_each(|(told, shown)| self.settle(&told, shown));
        self.waiting.drain(..).map(|waiting| (waiting.at, waiting.body)).collect()
    }

    /// Puts pieces that are decided back into their events.
    fn settle(&mut self, told: &Told, shown: Vec<String>) {
        let of_text = self.waiting.iter_mut().filter(|waiting| waiting.piece_of.as_ref() == Some(told));
        for (waiting, shown) in of_text.zip(shown) {
            waiting.piece_of = None;
            if let Some((_, text)) = piece(&mut waiting.body) {
                *text = shown;
            }
        }
    }
}

/// The piece of a text that an event is.
fn piece(body: &mut EventBody) -> Option<(Told, &mut String)> {
    match body {
        EventBody::Text { text, parent_tool_call_id } => Some((Told::Said(parent_tool_call_id.clone()), text)),
        EventBody::Thinking { text, parent_tool_call_id } => Some((Told::Thought(parent_tool_call_id.clone()), text)),
        EventBody::Unparsed { line, .. } => Some((Told::Printed, line)),
        EventBody::Stderr { line } => Some((Told::Complained, line)),
        _ => None,
    }
}

/// Whether the agent goes over to something else. What comes in between by chance ends nothing.
fn ends_a_text(body: &EventBody) -> bool {
    matches!(
        body,
        EventBody::ToolCall { .. }
            | EventBody::ToolResult { .. }
            | EventBody::PermissionRequest { .. }
            | EventBody::PermissionDecision { .. }
            | EventBody::UserMessage { .. }
            | EventBody::TurnEnded { .. }
            | EventBody::Stopping { .. }
            | EventBody::Finished { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> EventBody {
        EventBody::Text { text: text.into(), parent_tool_call_id: None }
    }

    fn stderr(line: &str) -> EventBody {
        EventBody::Stderr { line: line.into() }
    }

    /// What is given after each event.
    fn given(events: Vec<EventBody>) -> Vec<Vec<EventBody>> {
        let mut redaction = Redaction::new(Mask::new(["sk-ant-0123456789"]));
        let at = Timestamp::from_millis(1);
        let bodies = |given: Vec<(Timestamp, EventBody)>| given.into_iter().map(|(_, body)| body).collect();
        events.into_iter().map(|event| bodies(redaction.take(at, event))).collect()
    }

    #[test]
    fn an_event_waits_only_where_its_end_may_begin_a_secret() {
        let given = given(vec![text("hello"), text(" sk-ant-01"), stderr("hm"), text("23456789!"), text("bye")]);
        assert_eq!(
            given,
            [vec![text("hello")], vec![], vec![], vec![text(" ***"), stderr("hm"), text("!")], vec![text("bye")]]
        );
    }

    #[test]
    fn what_an_agent_did_not_go_on_with_is_told_with_the_next_it_does() {
        let ended = EventBody::TurnEnded { result: None, is_error: false };
        let given = given(vec![text("sk-a"), ended.clone(), text("nt-0123456789")]);
        assert_eq!(given, [vec![], vec![text("sk-a"), ended], vec![text("***")]]);
    }

    #[test]
    fn lines_of_error_output_are_one_text() {
        let given = given(vec![stderr("key: sk-ant-"), text("meanwhile"), stderr("0123456789")]);
        assert_eq!(given, [vec![], vec![], vec![stderr("key: ***"), text("meanwhile"), stderr("")]]);
    }
}
