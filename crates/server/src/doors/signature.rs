//! Signed requests: who knows the secret may ask.

use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, KeyInit, Mac};
use legwork_model::Timestamp;
use sha2::Sha256;

use super::Problem;
use crate::config::Secret;

/// Bytes of a signature.
const BYTES: usize = 32;

/// The signature in the header `name`, where it is given once and is that of `parts` one after the other: HMAC-SHA256 in
/// lower-case hex. Takes the same time whatever is wrong with it.
pub(super) fn signature_of<'a>(
    secret: &Secret,
    parts: &[&[u8]],
    headers: &'a HeaderMap,
    name: &str,
) -> Option<&'a str> {
    let text = single(headers, name).map(|text| text.strip_prefix("sha256=").unwrap_or(text));
    let given = text.and_then(decode);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    // Compared in constant time, and also where there is nothing to compare.
    let is_right = mac.verify_slice(&given.unwrap_or([0; BYTES])).is_ok() && given.is_some();
    text.filter(|_| is_right)
}

/// The value of a header that may be given once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether a signed time is near enough to the present one.
pub(super) fn is_recent(millis: &str, now: Timestamp, window_seconds: u64) -> bool {
    let window = window_seconds.saturating_mul(1000);
    let digits = !millis.is_empty() && millis.bytes().all(|byte| byte.is_ascii_digit());
    digits && millis.parse::<i64>().is_ok_and(|at| at.abs_diff(now.as_millis()) <= window)
}

/// What every request gets that is not signed as it should be, whatever is wrong.
pub(super) fn not_signed() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "the signature is missing or wrong")
}

fn decode(hex: &str) -> Option<[u8; BYTES]> {
    let hex = hex.as_bytes();
    if hex.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The vector of GitHub's documentation.
    const SIGNATURE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn signed_with(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-signature", HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let secret = Secret::new("It's a Secret to Everybody");
        signature_of(&secret, &[b"Hello, ", b"World!"], &headers, "x-signature").is_some()
    }

    #[test]
    fn a_signature_opens_and_nothing_else_does() {
        assert!(signed_with(&[SIGNATURE]));
        assert!(signed_with(&[&format!("sha256={SIGNATURE}")]));
        let upper = SIGNATURE.to_uppercase();
        let (short, long) = (&SIGNATURE[1..], format!("{SIGNATURE}0"));
        let other = SIGNATURE.replace('7', "8");
        for wrong in ["", &upper, short, &long, &other, "sha1=757107ea", "sha256=", &"0".repeat(64), "\u{fc}"] {
            assert!(!signed_with(&[wrong]), "{wrong}");
        }
        assert!(!signed_with(&[]));
        assert!(!signed_with(&[SIGNATURE, SIGNATURE]), "twice");
    }

    #[test]
    fn a_signed_time_is_good_for_its_window_on_both_sides() {
        let now = Timestamp::from_millis(1_772_366_400_000);
        for (millis, good) in [
            ("1772366400000", true),
            ("1772366370000", true),
            ("1772366430000", true),
            ("1772366369999", false),
            ("1772366430001", false),
            ("", false),
            ("-1", false),
            ("+1772366400000", false),
            ("1772366400000.0", false),
            ("99999999999999999999999", false),
        ] {
            assert_eq!(is_recent(millis, now, 30), good, "{millis}");
        }
    }
}
