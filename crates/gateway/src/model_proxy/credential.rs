//! What requests are paid with: put into them on their way out, where nothing that came from inside is left.

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use legwork_model::ModelApi;

use super::login::Login;

/// Where the APIs look for a credential, beside `Authorization`.
const ANTHROPIC_KEY: HeaderName = HeaderName::from_static("x-api-key");
const GEMINI_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const AZURE_KEY: HeaderName = HeaderName::from_static("api-key");

/// What says on whose account at the vendor a request is, too.
const CHATGPT_ACCOUNT: HeaderName = HeaderName::from_static("chatgpt-account-id");
const GOOGLE_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// What Anthropic's API wants to hear with the token of a login.
const OAUTH_BETA: &str = "oauth-2025-04-20";

/// What requests are paid with.
#[derive(Clone)]
pub enum Credential {
    /// An API key.
    ApiKey(String),
    /// A bearer token of a router in front of the API.
    BearerToken(String),
    /// The token of a subscription login.
    OauthToken(String),
    /// A subscription login whose token is renewed when it has to be.
    Login(Login),
}

impl Credential {
    /// Whether a subscription pays, not the token.
    pub(super) fn is_subscription(&self) -> bool {
        matches!(self, Self::OauthToken(_) | Self::Login(_))
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(***)",
            Self::BearerToken(_) => "BearerToken(***)",
            Self::OauthToken(_) => "OauthToken(***)",
            Self::Login(_) => "Login(***)",
        })
    }
}

/// The kind of a credential and the text that goes with a request.
#[derive(Clone)]
pub(super) enum Secret {
    Key(String),
    Bearer(String),
    Oauth(String),
}

/// The token that a request brings, wherever its API looks for one. Only the first place with anything in it counts.
pub(super) fn brought<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
    let bearer = |value: &'a HeaderValue| {
        let text = value.to_str().ok()?;
        text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim())
    };
    let of_header =
        [ANTHROPIC_KEY, GEMINI_KEY, AZURE_KEY].into_iter().find_map(|name| headers.get(name)?.to_str().ok());
    let of_query = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("key=")));
    headers.get(AUTHORIZATION).and_then(bearer).or(of_header).or(of_query)
}

/// Removes everything that could pay for a request, or say who does.
pub(super) fn strip(headers: &mut HeaderMap) {
    for name in [
        AUTHORIZATION,
        PROXY_AUTHORIZATION,
        COOKIE,
        ANTHROPIC_KEY,
        GEMINI_KEY,
        AZURE_KEY,
        CHATGPT_ACCOUNT,
        GOOGLE_PROJECT,
    ] {
        headers.remove(name);
    }
}

/// The query without what could pay for a request.
pub(super) fn strip_query(query: &str) -> String {
    let pays = |pair: &&str| ["key=", "access_token=", "api_key="].iter().any(|name| pair.starts_with(name));
    let kept: Vec<&str> = query.split('&').filter(|pair| !pays(pair)).collect();
    kept.join("&")
}

/// Puts a secret where `api` looks for it; `false` where it can't stand in a header.
pub(super) fn inject(headers: &mut HeaderMap, api: ModelApi, secret: &Secret) -> bool {
    let (name, text) = match (secret, api) {
        (Secret::Key(key), ModelApi::Anthropic) => (ANTHROPIC_KEY, key.clone()),
        (Secret::Key(key), ModelApi::Gemini) => (GEMINI_KEY, key.clone()),
        (Secret::Key(token) | Secret::Bearer(token) | Secret::Oauth(token), _) => {
            (AUTHORIZATION, format!("Bearer {token}"))
        }
    };
    let Ok(mut value) = HeaderValue::try_from(text) else { return false };
    value.set_sensitive(true);
    headers.insert(name, value);
    if matches!((secret, api), (Secret::Oauth(_), ModelApi::Anthropic)) {
        ask_for_oauth(headers);
    }
    true
}

fn ask_for_oauth(headers: &mut HeaderMap) {
    let asked =
        |value: &HeaderValue| value.to_str().is_ok_and(|betas| betas.split(',').any(|beta| beta.trim() == OAUTH_BETA));
    if !headers.get_all(ANTHROPIC_BETA).iter().any(asked) {
        headers.append(ANTHROPIC_BETA, HeaderValue::from_static(OAUTH_BETA));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_token_is_found_where_each_api_has_it() {
        for (pairs, query) in [
            (&[("authorization", "Bearer t")][..], None),
            (&[("authorization", "bearer  t"), ("x-api-key", "other")], None),
            (&[("x-api-key", "t")], None),
            (&[("x-goog-api-key", "t")], None),
            (&[("authorization", "Basic other")], Some("alt=sse&key=t")),
        ] {
            assert_eq!(brought(&headers(pairs), query), Some("t"), "{pairs:?}");
        }
        assert_eq!(brought(&headers(&[("authorization", "Basic x")]), Some("alt=sse")), None);
    }

    #[test]
    fn nothing_from_inside_goes_out() {
        let mut all = headers(&[
            ("authorization", "Bearer a"),
            ("x-api-key", "b"),
            ("x-goog-api-key", "c"),
            ("api-key", "d"),
            ("cookie", "e"),
            ("chatgpt-account-id", "f"),
            ("anthropic-version", "2023-06-01"),
        ]);
        strip(&mut all);
        assert_eq!(all.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["anthropic-version"]);
        assert_eq!(strip_query("alt=sse&key=a&access_token=b&x=1"), "alt=sse&x=1");
        assert_eq!(strip_query("key=a"), "");
    }

    #[test]
    fn a_secret_goes_where_the_api_looks() {
        let put = |api, secret| {
            let mut into = HeaderMap::new();
            assert!(inject(&mut into, api, &secret));
            let shown = into.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()));
            shown.collect::<Vec<_>>().join("; ")
        };
        assert_eq!(put(ModelApi::Anthropic, Secret::Key("k".into())), "x-api-key: k");
        assert_eq!(put(ModelApi::Gemini, Secret::Key("k".into())), "x-goog-api-key: k");
        assert_eq!(put(ModelApi::Openai, Secret::Key("k".into())), "authorization: Bearer k");
        assert_eq!(put(ModelApi::Anthropic, Secret::Bearer("k".into())), "authorization: Bearer k");
        let oauth = put(ModelApi::Anthropic, Secret::Oauth("k".into()));
        assert_eq!(oauth, "authorization: Bearer k; anthropic-beta: oauth-2025-04-20");
        assert!(!inject(&mut HeaderMap::new(), ModelApi::Openai, &Secret::Key("a\nb".into())));
    }
}
