//! Which events of a run that is taken up are on record already.

use legwork_model::EventBody;

use crate::executor::further::is_beginning;
use crate::store::RecordedEvent;

/// The events of a run's process, compared with those on record.
#[derive(Debug, PartialEq)]
pub(in crate::executor) struct Retold {
    /// Those of its dialogue that are on record.
    pub(in crate::executor) known: Vec<EventBody>,
    /// Those that are not.
    pub(in crate::executor) fresh: Vec<EventBody>,
    /// What a further process begins with: on record already, but that process was not started.
    pub(in crate::executor) begun: Option<EventBody>,
}

/// Compares the `events` of a process's dialogue with those on record since `last_seq`, after which it was started. Both are in the
/// order in which they happened; on record there are events of others in between. What the agent printed to its standard error
/// comes in no certain place among the others, so none of that is told a second time.
pub(in crate::executor) fn compare(events: Vec<EventBody>, recorded: &[RecordedEvent], last_seq: u64) -> Retold {
    let claimed = recorded.iter().rfind(|event| event.kind == "claimed").map_or(0, |claimed| claimed.seq);
    let since = recorded.iter().filter(|event| event.seq > claimed.max(last_seq));
    let mut events = events.into_iter().filter(|event| !matches!(event, EventBody::Stderr { .. })).peekable();
    let (mut known, mut begun) = (Vec::new(), None);
    for event in since.filter(|event| !is_metered(event)) {
        match events.next_if(|next| next.kind() == event.kind) {
            Some(own) => known.push(own),
            None if events.peek().is_none() => begun = begun.or_else(|| beginning(event)),
            None => {}
        }
    }
    Retold { known, fresh: events.collect(), begun }
}

/// Whether it is one of the model proxy, not of the dialogue.
fn is_metered(event: &RecordedEvent) -> bool {
    let body = || event.decode().map(|event| event.body);
    event.kind == "usage" && matches!(body(), Ok(EventBody::Usage { call: Some(_), .. }))
}

fn beginning(event: &RecordedEvent) -> Option<EventBody> {
    event.decode().ok().map(|event| event.body).filter(is_beginning)
}

#[cfg(test)]
mod tests {
    use legwork_model::Timestamp;

    use super::*;
    use crate::store::NewEvent;

    fn text(text: &str) -> EventBody {
        EventBody::Text { text: text.into(), parent_tool_call_id: None }
    }

    fn message(text: &str) -> EventBody {
        EventBody::UserMessage { text: text.into(), delivered: true }
    }

    fn claimed() -> EventBody {
        EventBody::Claimed { node: "n".into(), attempt: 1 }
    }

    fn recorded(bodies: &[EventBody]) -> Vec<RecordedEvent> {
        let event = |(seq, body)| RecordedEvent::numbered(seq, &NewEvent::new(Timestamp::from_millis(1), body));
        (1..).zip(bodies).map(event).collect::<Result<_, _>>().expect("valid")
    }

    #[test]
    fn what_others_recorded_in_between_is_passed_over() {
        let stderr = || EventBody::Stderr { line: "hm".into() };
        let record = recorded(&[text("of an earlier attempt"), claimed(), message("go on"), stderr(), text("one")]);
        let retold = compare(vec![message("go on"), text("one"), stderr(), text("two")], &record, 0);
        let known = vec![message("go on"), text("one")];
        assert_eq!(retold, Retold { known, fresh: vec![text("two")], begun: None });
    }

    #[test]
    fn what_earlier_processes_said_is_none_of_a_further_one() {
        let record = recorded(&[claimed(), text("one"), message("more"), text("two")]);
        let events = || vec![text("two"), text("three")];
        let known = vec![text("two")];
        assert_eq!(compare(events(), &record, 3), Retold { known, fresh: vec![text("three")], begun: None });
        assert_eq!(compare(events(), &record[..3], 3), Retold { known: vec![], fresh: events(), begun: None });
    }

    #[test]
    fn what_a_further_process_begins_with_is_not_told_again_where_it_was_not_started() {
        let record = recorded(&[claimed(), message("in its turn"), text("one"), message("more")]);
        let retold = |events| compare(events, &record, 0);
        let whole = retold(vec![message("in its turn"), text("one")]);
        assert_eq!((whole.fresh, whole.begun), (vec![], Some(message("more"))));
        let longer = retold(vec![message("in its turn"), text("one"), text("two")]);
        assert_eq!((longer.fresh, longer.begun), (vec![text("two")], None));
    }
}
