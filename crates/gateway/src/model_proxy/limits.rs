//! When an API that refuses says it will answer again.

use http::header::{HeaderMap, RETRY_AFTER};
use legwork_model::Timestamp;

/// Anthropic's moment at which the limit of a subscription ends, in seconds since 1970.
const UNIFIED_RESET: &str = "anthropic-ratelimit-unified-reset";

/// The limits of a key, each with the moment at which it is whole again: RFC 3339 or, of OpenAI, a time from now.
const RESETS: [&str; 2] = ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"];

/// No answer is waited for longer than this, whatever it says: a month's limit ends within it.
const LONGEST: i64 = 32 * 24 * 60 * 60 * 1_000;

/// When an API that refuses says it will answer again.
pub(super) fn told_until(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let unified = || {
        text(UNIFIED_RESET)?.parse::<i64>().ok().map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000)))
    };
    let retry_after = || {
        let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        match text.parse::<f64>() {
            Ok(seconds) => after(now, seconds),
            Err(_) => {
                let moment = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
                i64::try_from(moment.as_millis()).ok().map(Timestamp::from_millis)
            }
        }
    };
    let reset = || RESETS.iter().filter_map(|name| after(now, span(text(name)?)?)).max();
    let told = unified().or_else(retry_after).or_else(reset)?;
    (told > now).then(|| told.min(now.plus_millis(LONGEST)))
}

fn after(now: Timestamp, seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "the range check keeps it inside an i64")]
    (0.0..1e9).contains(&seconds).then(|| now.plus_millis((seconds * 1_000.0).ceil() as i64))
}

/// A time as OpenAI writes it, in seconds: `1s`, `6m0s`, `120ms`, `1h2m3s`.
fn span(text: &str) -> Option<f64> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit() && one != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|one: char| one.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        seconds += number
            * match &rest[digits..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn each_api_says_it_in_its_own_way() {
        let now = Timestamp::from_millis(1_760_000_000_000);
        let until = |name: &'static str, value: &'static str| {
            let headers = [(name.parse().expect("a name"), HeaderValue::from_static(value))].into_iter().collect();
            told_until(&headers, now).map(|told| told.millis_since(now))
        };
        assert_eq!(until("retry-after", "30"), Some(30_000));
        assert_eq!(until("retry-after", "0.5"), Some(500));
        assert_eq!(until("retry-after", "Thu, 09 Oct 2025 08:54:20 GMT"), Some(60_000));
        assert_eq!(until("anthropic-ratelimit-unified-reset", "1760018000"), Some(18_000_000));
        assert_eq!(until("x-ratelimit-reset-requests", "6m0s"), Some(360_000));
        assert_eq!(until("x-ratelimit-reset-tokens", "120ms"), Some(120));
        assert_eq!(until("retry-after", "99999999"), Some(32 * 86_400_000), "no longer than a month");
        for nonsense in ["", "-1", "soon", "NaN", "inf", "1e300", "Thu, 09 Oct 2025 08:00:00 GMT"] {
            assert_eq!(until("retry-after", nonsense), None, "{nonsense}");
        }
        assert_eq!(until("x-ratelimit-reset-requests", "5 parsecs"), None);
    }
}
