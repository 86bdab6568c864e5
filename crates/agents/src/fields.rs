//! Objects of JSON, on their way from a line to an event.

use legwork_model::EventBody;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(crate) type Fields = Map<String, Value>;

/// `None` for what has another shape.
pub(crate) fn parse<T: DeserializeOwned>(value: impl Into<Value>) -> Option<T> {
    serde_json::from_value(value.into()).ok()
}

/// Something that is passed on as it is.
pub(crate) fn message<K: Into<String>>(
    topic: impl Into<String>,
    fields: impl IntoIterator<Item = (K, Value)>,
) -> EventBody {
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value)).collect();
    EventBody::Message { topic: topic.into(), fields }
}

/// All but the fields of these names.
pub(crate) fn without(mut fields: Fields, names: &[&str]) -> Fields {
    fields.retain(|name, _| !names.contains(&name.as_str()));
    fields
}
