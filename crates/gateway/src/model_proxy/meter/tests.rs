//! What answers say of their tokens, also cut anywhere.

use legwork_model::Usage;
use proptest::prelude::*;

use super::*;

const ANTHROPIC: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"model":"claude-sonnet-4-5","usage":{"input_tokens":10,"cache_creation_input_tokens":300,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1}}}"#,
    "\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"the \"usage\" of it\\"}}"#,
    "\n\nevent: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":42,"server_tool_use":{"web_search_requests":2}}}"#,
    "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const RESPONSES: &str = concat!(
    "event: response.output_text.delta\r\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hello there\"}\r\n\r\n",
    r#"data: {"type":"response.completed","response":{"model":"gpt-5.5","usage":{"input_tokens":120,"input_tokens_details":{"cached_tokens":100},"output_tokens":30,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":150}}}"#,
    "\r\n\r\n",
);

const CHAT: &str = concat!(
    r#"data: {"model":"gpt-4.1","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}"#,
    "\n\n",
    r#"data: {"model":"gpt-4.1","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":4}}}"#,
    "\n\ndata: [DONE]\n\n",
);

const GEMINI: &str = concat!(
    r#"data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":50,"candidatesTokenCount":1},"modelVersion":"gemini-3-pro"}"#,
    "\n\n",
    r#"data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":50,"candidatesTokenCount":7,"thoughtsTokenCount":5,"cachedContentTokenCount":20,"toolUsePromptTokenCount":3},"modelVersion":"gemini-3-pro"}"#,
    "\n\n",
);

fn usage(input: u64, output: u64, cache_read: u64, cache_write: u64) -> Usage {
    Usage { input_tokens: input, output_tokens: output, cache_read_tokens: cache_read, cache_write_tokens: cache_write }
}

fn cases() -> [(ModelApi, &'static str, Reading); 4] {
    let reading = |usage, model: &str| Reading {
        tokens: Tokens { usage, ..Tokens::default() },
        model: Some(model.to_owned()),
        estimated: false,
    };
    let mut anthropic = reading(usage(10, 42, 2_000, 300), "claude-sonnet-4-5");
    (anthropic.tokens.cache_write_1h, anthropic.tokens.web_searches) = (200, 2);
    [
        (ModelApi::Anthropic, ANTHROPIC, anthropic),
        (ModelApi::Openai, RESPONSES, reading(usage(20, 30, 100, 0), "gpt-5.5")),
        (ModelApi::Openai, CHAT, reading(usage(5, 3, 4, 0), "gpt-4.1")),
        (ModelApi::Gemini, GEMINI, reading(usage(33, 12, 20, 0), "gemini-3-pro")),
    ]
}

fn read(api: ModelApi, streamed: bool, pieces: &[&[u8]]) -> Reading {
    let mut meter = Meter::new(api, streamed, 400);
    pieces.iter().for_each(|piece| meter.read(piece));
    meter.finish()
}

#[test]
fn a_stream_tells_its_tokens() {
    for (api, stream, expected) in cases() {
        assert_eq!(read(api, true, &[stream.as_bytes()]), expected, "{api:?}");
    }
}

proptest! {
    #[test]
    fn where_a_stream_is_cut_into_pieces_does_not_matter(which in 0..4_usize, cuts in prop::collection::vec(0..900_usize, 0..20)) {
        let (api, stream, expected) = &cases()[which];
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream.as_bytes()[cut[0]..cut[1]]).collect();
        prop_assert_eq!(&read(*api, true, &pieces), expected);
    }

    #[test]
    fn a_stream_that_was_cut_off_never_counts_more_than_it_told_and_said(which in 0..4_usize, end in 0..900_usize) {
        let (api, stream, whole) = &cases()[which];
        let cut = &stream.as_bytes()[..end.min(stream.len())];
        let reading = read(*api, true, &[cut]);
        prop_assert!(reading.estimated || reading.tokens.usage.output_tokens == whole.tokens.usage.output_tokens);
        prop_assert!(reading.tokens.usage.input_tokens <= 100);
    }
}

#[test]
fn what_was_not_told_is_estimated_and_marked() {
    let started = ANTHROPIC.split_inclusive("\n\n").next().expect("an event");
    let delta =
        format!("data: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"{}\"}}}}\n\n", "x".repeat(4_000));
    let cut = read(ModelApi::Anthropic, true, &[started.as_bytes(), delta.as_bytes()]);
    assert_eq!((cut.tokens.usage.input_tokens, cut.tokens.usage.output_tokens, cut.estimated), (10, 1_000, true));

    let silent = r#"data: {"choices":[{"delta":{"content":"12345678"}}]}"#;
    let silent = read(ModelApi::Openai, true, &[silent.as_bytes(), b"\n\ndata: [DONE]\n\n"]);
    assert_eq!((silent.tokens.usage, silent.estimated), (usage(100, 2, 0, 0), true));
    let nothing = read(ModelApi::Gemini, false, &[b"not JSON"]);
    assert_eq!((nothing.tokens.usage, nothing.estimated), (usage(100, 0, 0, 0), true));
}

#[test]
fn a_whole_answer_tells_its_tokens() {
    for (api, body, expected) in [
        (ModelApi::Anthropic, r#"{"model":"m","usage":{"input_tokens":3,"output_tokens":4}}"#, usage(3, 4, 0, 0)),
        (ModelApi::Openai, r#"{"model":"m","usage":{"prompt_tokens":3,"completion_tokens":4}}"#, usage(3, 4, 0, 0)),
        (
            ModelApi::Gemini,
            r#"[{"usageMetadata":{"promptTokenCount":3}},{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}]"#,
            usage(3, 4, 0, 0),
        ),
    ] {
        let (one, other) = body.as_bytes().split_at(17);
        let reading = read(api, false, &[one, other]);
        assert_eq!((reading.tokens.usage, reading.estimated), (expected, false), "{api:?}");
    }
}

#[test]
fn an_endless_line_is_not_kept() {
    let mut meter = Meter::new(ModelApi::Anthropic, true, 0);
    let piece = vec![b'x'; 1 << 20];
    (0..64).for_each(|_| meter.read(&piece));
    assert!(meter.partial.capacity() <= 2 * LONGEST);
    meter.read(b"\n");
    meter.read(ANTHROPIC.as_bytes());
    assert_eq!(meter.finish().tokens.usage, usage(10, 42, 2_000, 300));
}
