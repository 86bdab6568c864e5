//! Why a run needs a further process once one has ended, and what is told of that.

use legwork_model::{EventBody, Task};

use super::models::{OTHER_WAY, OtherWay};
use crate::mask::Mask;

/// Why a run needs a further process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Further {
    /// The agent did not find its session, and is to begin another.
    Anew,
    /// It has another way to a model.
    OtherWay(OtherWay),
    /// There is a message for the session.
    Message { text: String, session: String },
}

impl Further {
    /// What tells of it. It comes after all that the processes before said, and before what the further one says.
    pub(super) fn event(&self, task: &Task) -> EventBody {
        match self {
            Self::Anew => {
                let lost_session_id = task.resume_session.clone().unwrap_or_default();
                EventBody::SessionReplaced { lost_session_id, session_id: None }
            }
            Self::OtherWay(way) => way.event(task),
            Self::Message { text, .. } => EventBody::UserMessage { text: text.clone(), delivered: true },
        }
    }
}

/// Whether an event may be one that a further process begins with.
pub(super) fn is_beginning(event: &EventBody) -> bool {
    match event {
        EventBody::UserMessage { delivered, .. } => *delivered,
        EventBody::SessionReplaced { .. } => true,
        EventBody::Message { topic, .. } => topic == OTHER_WAY,
        _ => false,
    }
}

/// What is still to be told of a further process, where an earlier server told that it begins with `begun` and did not start it.
/// Since then further messages may have come. What is on record is masked.
pub(super) fn untold(event: EventBody, begun: Option<EventBody>, mask: &Mask) -> Option<EventBody> {
    match (event, begun) {
        (EventBody::UserMessage { text, delivered }, Some(EventBody::UserMessage { text: told, .. })) => {
            match mask.apply(text.clone()).strip_prefix(&told).map(str::trim_start) {
                Some("") => None,
                Some(rest) => Some(EventBody::UserMessage { text: rest.to_owned(), delivered }),
                None => Some(EventBody::UserMessage { text, delivered }),
            }
        }
        (event, Some(begun)) if event.kind() == begun.kind() => None,
        (event, _) => Some(event),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> EventBody {
        EventBody::UserMessage { text: text.into(), delivered: true }
    }

    #[test]
    fn what_each_further_process_begins_with_is_known_again() {
        let task = Task { resume_session: Some("lost".into()), ..Task::default() };
        let more = Further::Message { text: "more".into(), session: "s".into() };
        for further in [Further::Anew, Further::OtherWay(OtherWay::Credential), more] {
            let event = further.event(&task);
            assert!(is_beginning(&event), "{event:?}");
            assert_eq!(untold(event.clone(), Some(event), &Mask::default()), None);
        }
        assert!(!is_beginning(&EventBody::UserMessage { text: "too late".into(), delivered: false }));
    }

    #[test]
    fn a_message_is_told_once_and_one_that_came_since_is_told() {
        let mask = Mask::new(["sk-ant-0123456789"]);
        let told = |text: &str, begun: Option<&str>| match untold(message(text), begun.map(message), &mask) {
            Some(EventBody::UserMessage { text, .. }) => Some(text),
            _ => None,
        };
        assert_eq!(told("one", None).as_deref(), Some("one"));
        assert_eq!(told("one", Some("one")), None);
        assert_eq!(told("say sk-ant-0123456789", Some("say ***")), None);
        assert_eq!(told("one\n\ntwo", Some("one")).as_deref(), Some("two"));
        assert_eq!(told("other", Some("one")).as_deref(), Some("other"));
    }
}
