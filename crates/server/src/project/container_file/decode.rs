//! From bytes to text.

use super::fault::{Fault, Place, Problem};

/// The text without the mark that some editors put before it.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let place = place_after(&bytes[..error.valid_up_to()]);
        Fault { place, key: String::new(), problem: Problem::Encoding }
    })
}

fn place_after(before: &[u8]) -> Place {
    let before = String::from_utf8_lossy(before);
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) as u64 + 1;
    Place { line, column }
}
