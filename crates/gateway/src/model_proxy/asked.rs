//! What a request's body says of itself: which model, and whether the answer is to be a stream. The rest is for the API to read.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What a request asks for. Nothing where its body is not what it should be: then the API says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) streamed: bool,
}

impl Asked {
    /// Reads `body`; `model` and `streamed` are what the path said already.
    pub(super) fn read(body: &[u8], model: Option<&str>, streamed: bool) -> Self {
        if let Some(model) = model {
            return Self { model: Some(model.to_owned()), streamed };
        }
        serde_json::Deserializer::from_slice(body).deserialize_map(Fields).unwrap_or_default()
    }
}

/// Takes two fields and passes over all others, however deep; of fields that come twice the last counts, as it does for most
/// readers.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = Asked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Asked, M::Error> {
        let mut asked = Asked::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match name.as_ref() {
                "model" => asked.model = map.next_value::<Value>()?.as_str().map(str::to_owned),
                "stream" => asked.streamed = map.next_value::<Value>()?.as_bool().unwrap_or(false),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_fields_are_read_and_the_rest_is_left() {
        let read = |body: &str| Asked::read(body.as_bytes(), None, false);
        let asked = Asked { model: Some("m".into()), streamed: true };
        assert_eq!(read(r#"{"x":[1,{"model":"no"}],"stream":true,"model":"m"}"#), asked);
        assert_eq!(read(r#"{"model":"first","stream":true,"mod\u0065l":"m"}"#), asked);
        let deep = format!(r#"{{"deep":{}{},"model":"m","stream":true}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep), asked);
        for nothing in ["", "null", "[]", r#"{"model":"#, "\u{feff}{}"] {
            assert_eq!(read(nothing), Asked::default(), "{nothing}");
        }
        assert_eq!(Asked::read(b"", Some("g"), true), Asked { model: Some("g".into()), streamed: true });
    }
}
