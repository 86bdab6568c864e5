//! Which events of a run that is taken up are on record already.

use legwork_model::EventBody;

use crate::store::RecordedEvent;

/// Parts the events of a run's dialogue into those that are on record and those that are not. Both are in the order in
/// which they happened; on record there are events of others in between. What the agent printed to its standard error
/// comes in no certain place among the others, so none of that is told a second time.
pub(in crate::executor) fn split(
    events: Vec<EventBody>,
    recorded: &[RecordedEvent],
) -> (Vec<EventBody>, Vec<EventBody>) {
    let begun = recorded.iter().rposition(|event| event.kind == "claimed").map_or(0, |claimed| claimed + 1);
    let mut events = events.into_iter().filter(|event| !matches!(event, EventBody::Stderr { .. })).peekable();
    let mut known = Vec::new();
    for event in recorded[begun..].iter().filter(|event| !is_metered(event)) {
        known.extend(events.next_if(|next| next.kind() == event.kind));
    }
    (known, events.collect())
}

/// Whether it is one of the model proxy, not of the dialogue.
fn is_metered(event: &RecordedEvent) -> bool {
    let body = || event.decode().map(|event| event.body);
    event.kind == "usage" && matches!(body(), Ok(EventBody::Usage { call: Some(_), .. }))
}

#[cfg(test)]
mod tests {
    use legwork_model::Timestamp;

    use super::*;
    use crate::store::NewEvent;

    fn text(text: &str) -> EventBody {
        EventBody::Text { text: text.into(), parent_tool_call_id: None }
    }

    fn recorded(bodies: &[EventBody]) -> Vec<RecordedEvent> {
        let event = |(seq, body)| RecordedEvent::numbered(seq, &NewEvent::new(Timestamp::from_millis(1), body));
        (1..).zip(bodies).map(event).collect::<Result<_, _>>().expect("valid")
    }

    #[test]
    fn what_others_recorded_in_between_is_passed_over() {
        let started = || EventBody::UserMessage { text: "go on".into(), delivered: true };
        let stderr = || EventBody::Stderr { line: "hm".into() };
        let claimed = || EventBody::Claimed { node: "n".into(), attempt: 1 };
        let record = recorded(&[text("of an earlier attempt"), claimed(), started(), stderr(), text("one")]);
        let (known, fresh) = split(vec![started(), text("one"), stderr(), text("two")], &record);
        assert_eq!((known, fresh), (vec![started(), text("one")], vec![text("two")]));
    }
}
