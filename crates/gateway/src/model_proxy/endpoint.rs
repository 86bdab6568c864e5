//! What of the models' APIs may be called: all else is not there.

use http::Method;
use legwork_model::ModelApi;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint<'a> {
    /// An answer of a model, which costs. Gemini names the model in the path.
    Generate {
        /// The model that the path names.
        model: Option<&'a str>,
        /// Whether the path asks for a stream; else the body may.
        streamed: bool,
    },
    /// What costs nothing: counting tokens, listing models.
    Free,
}

/// Why a request asks for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoEndpoint {
    NotFound,
    /// The method that the path takes.
    Method(&'static str),
}

/// Looks up what `path`, which follows the base URL, asks for.
pub(super) fn endpoint<'a>(api: ModelApi, method: &Method, path: &'a str) -> Result<Endpoint<'a>, NoEndpoint> {
    // One way to write each path: no other end, no way up, no second meaning.
    if path.contains("//") || path.contains("..") || path.contains('%') || path.contains('\\') {
        return Err(NoEndpoint::NotFound);
    }
    let version = ["/v1/", "/v1beta/", "/v1alpha/"].into_iter().find_map(|version| path.strip_prefix(version));
    let rest = version.or_else(|| path.strip_prefix('/')).ok_or(NoEndpoint::NotFound)?;
    let (allowed, endpoint) = match api {
        ModelApi::Anthropic => anthropic(rest),
        ModelApi::Openai => openai(rest),
        ModelApi::Gemini => gemini(rest),
    }
    .ok_or(NoEndpoint::NotFound)?;
    if method.as_str() == allowed { Ok(endpoint) } else { Err(NoEndpoint::Method(allowed)) }
}

const BY_BODY: Endpoint<'static> = Endpoint::Generate { model: None, streamed: false };

fn anthropic(path: &str) -> Option<(&'static str, Endpoint<'_>)> {
    match path {
        "messages" => Some(("POST", BY_BODY)),
        "messages/count_tokens" => Some(("POST", Endpoint::Free)),
        _ => models(path),
    }
}

fn openai(path: &str) -> Option<(&'static str, Endpoint<'_>)> {
    match path {
        "responses" | "responses/compact" | "chat/completions" => Some(("POST", BY_BODY)),
        _ => models(path),
    }
}

fn models(path: &str) -> Option<(&'static str, Endpoint<'_>)> {
    let is_model = |path: &str| path.strip_prefix("models/").is_some_and(|name| !name.is_empty());
    (path == "models" || is_model(path)).then_some(("GET", Endpoint::Free))
}

fn gemini(path: &str) -> Option<(&'static str, Endpoint<'_>)> {
    let Some((model, call)) = path.strip_prefix("models/").and_then(|path| path.rsplit_once(':')) else {
        return models(path);
    };
    match call {
        "generateContent" => Some(("POST", Endpoint::Generate { model: Some(model), streamed: false })),
        "streamGenerateContent" => Some(("POST", Endpoint::Generate { model: Some(model), streamed: true })),
        "countTokens" => Some(("POST", Endpoint::Free)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_agents_need_is_there() {
        let found = |api, method: &str, path| endpoint(api, &method.parse().expect("a method"), path);
        for (api, path) in [
            (ModelApi::Anthropic, "/v1/messages"),
            (ModelApi::Anthropic, "/messages"),
            (ModelApi::Openai, "/v1/responses"),
            (ModelApi::Openai, "/responses"),
            (ModelApi::Openai, "/v1/chat/completions"),
        ] {
            assert_eq!(found(api, "POST", path), Ok(BY_BODY), "{path}");
            assert_eq!(found(api, "GET", path), Err(NoEndpoint::Method("POST")), "{path}");
        }
        assert_eq!(found(ModelApi::Anthropic, "POST", "/v1/messages/count_tokens"), Ok(Endpoint::Free));
        assert_eq!(found(ModelApi::Anthropic, "GET", "/v1/models/claude-x"), Ok(Endpoint::Free));
        assert_eq!(found(ModelApi::Anthropic, "DELETE", "/v1/models"), Err(NoEndpoint::Method("GET")));
        let gemini = Endpoint::Generate { model: Some("gemini-3-pro"), streamed: true };
        assert_eq!(found(ModelApi::Gemini, "POST", "/v1beta/models/gemini-3-pro:streamGenerateContent"), Ok(gemini));
        for (api, path) in [
            (ModelApi::Anthropic, "/v1/files"),
            (ModelApi::Anthropic, "/v1/messages/batches"),
            (ModelApi::Anthropic, "/v1/responses"),
            (ModelApi::Anthropic, "/v1/organizations/x"),
            (ModelApi::Anthropic, "/v1/messages/"),
            (ModelApi::Anthropic, "/v1//messages"),
            (ModelApi::Anthropic, "/v1/models/../files"),
            (ModelApi::Anthropic, "/v1/models/%2e%2e/files"),
            (ModelApi::Anthropic, ""),
            (ModelApi::Openai, "/v1/files"),
            (ModelApi::Openai, "/v1/models/"),
            (ModelApi::Openai, "/v1/messages"),
            (ModelApi::Gemini, "/v1beta/models/gemini-3-pro:batchGenerateContent"),
            (ModelApi::Gemini, "/upload/v1beta/files"),
        ] {
            assert_eq!(found(api, "POST", path), Err(NoEndpoint::NotFound), "{path}");
        }
    }
}
