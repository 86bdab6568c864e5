//! The marks by which a container is found again, also after the server was killed. Labels are public on the machine:
//! nothing secret is among them.

use std::collections::HashMap;

/// On everything that is made here; its value is `true`.
pub(super) const SERVICE: &str = "claude-code-service";
/// The node that made it.
pub(super) const NODE: &str = "legwork.node";
/// The cookie of the run that it is for.
pub(super) const RUN: &str = "legwork.run";
/// When the run is over at the latest, in milliseconds since 1970.
pub(super) const UNTIL: &str = "legwork.until";
/// The name that it is kept by.
pub(super) const KEEP: &str = "legwork.keep";
/// What it was made of, as a hash.
pub(super) const SHAPE: &str = "legwork.shape";
/// The base and the script of an image that was built here, as a hash.
pub(super) const BUILT: &str = "legwork.built";
/// The base of such an image.
pub(super) const BASE: &str = "legwork.base";

/// What the engine is asked for what has all of `labels`.
pub(super) fn filter(labels: &[String]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.to_vec())])
}

/// A label with its value.
pub(super) fn equal(label: &str, value: &str) -> String {
    format!("{label}={value}")
}
