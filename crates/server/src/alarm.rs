//! Tells Sentry of failures, where it is configured. What is told are names and codes: no prompt, no answer, no output.

use std::collections::BTreeMap;
use std::sync::Arc;

use legwork_model::FailureReason;
use sentry::protocol::Event;
use sentry::{ClientInitGuard, ClientOptions, Hub, Level};

use crate::config::Secret;
use crate::mask::Mask;
use crate::store::ExecutionRecord;

/// Begins to tell, without what `mask` knows. What is on its way when the guard is dropped has two seconds to arrive.
pub fn init(dsn: &Secret, mask: Mask) -> ClientInitGuard {
    let mut options = ClientOptions::default();
    options.dsn = dsn.expose().parse().ok();
    options.release = sentry::release_name!();
    // What people would send along by default may hold more than names and codes.
    options.default_integrations = false;
    options.integrations = vec![Arc::new(sentry::integrations::panic::PanicIntegration::new())];
    options.before_send = Some(Arc::new(move |event| masked(&mask, &event)));
    sentry::init(options)
}

/// Nothing is told rather than what can't be masked.
fn masked(mask: &Mask, event: &Event<'static>) -> Option<Event<'static>> {
    let json = serde_json::to_string(event).ok()?;
    serde_json::from_str(&mask.apply_to_json(json)).ok()
}

/// A run failed.
pub fn run_failed(execution: &ExecutionRecord, reason: FailureReason) {
    let task = &execution.task;
    let tags = [
        ("door", task.door.as_deref().unwrap_or("native")),
        ("provider", &task.agent),
        ("execution", &execution.id.to_string()),
        ("reason", reason.as_str()),
    ];
    tell(format!("A run failed: {}", reason.as_str()), &tags);
}

/// The service could not do what it should.
pub fn service_failed(code: &'static str) {
    tell(format!("The service failed: {code}"), &[("code", code)]);
}

fn tell(message: String, tags: &[(&str, &str)]) {
    let tags: BTreeMap<String, String> =
        tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    // Without a client this does nothing.
    Hub::main().capture_event(Event { message: Some(message), level: Level::Error, tags, ..Event::default() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_without_secrets() {
        let event = Event { message: Some("failed to reach postgres://db:geheim-12".into()), ..Event::default() };
        let told = masked(&Mask::new(["geheim-12"]), &event).expect("it is told");
        assert_eq!(
            (told.message.as_deref(), told.event_id),
            (Some("failed to reach postgres://db:***"), event.event_id)
        );
    }
}
