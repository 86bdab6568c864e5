//! Agents of the operator's own.

use legwork_agents::{Agent, Agents, Credential, Custom, CustomAgent, Setup};
use legwork_model::Task;

use crate::recordings::{exited, replay, show, summary};

fn custom(description: &str) -> Custom {
    let settings: CustomAgent = serde_json::from_str(description).expect("a description");
    Custom::new(settings).expect("a good description")
}

fn task() -> Task {
    Task { prompt: "do {it}".into(), ..Task::default() }
}

fn setup() -> Setup {
    Setup { program: "/opt/own".into(), workspace: "/w".into(), home: "/h".into(), ..Setup::default() }
}

/// Decodes the output of a process that ended with an exit code.
fn check(description: &str, stdout: &str, exit_code: i32, expected: &str) {
    let dialogue = custom(description).dialogue(&task(), &setup());
    let played = replay(dialogue, stdout.as_bytes(), b"", exited(exit_code), &[3]);
    assert_eq!(format!("{}; {}", show(&played), summary(&played.1)), expected, "{stdout}");
}

const TEMPLATES: &str = r#"{"name":"own","program":"own","args":["run","--in={workspace}","{{x}}","--m={model}"],
    "modelArgs":["-m","{model}"],"resumeArgs":["--resume","{session}"],
    "env":{"OWN_HOME":"{home}/own","OWN_MODEL":"{model}","PATH_TO":"{prompt_file}"},"prompt":"file",
    "credentialVariable":"OWN_KEY","baseUrlVariable":"OWN_URL"}"#;

#[test]
fn templates_are_filled_and_what_a_run_lacks_is_left_out() {
    let agent = custom(TEMPLATES);
    let launch = agent.launch(&task(), &setup());
    assert_eq!(launch.args, ["run", "--in=/w", "{x}"]);
    assert!(launch.stdin.bytes.is_empty());
    assert_eq!(launch.files[0].contents, "do {it}");
    let mut task = Task { model: Some("m{1}".into()), resume_session: Some("s".into()), ..task() };
    task.env.extend([("OWN_KEY".into(), "mine".into()), ("FREE".into(), "mine".into())]);
    let credential = Some(Credential::ApiKey("k".into()));
    let setup = Setup { credential, base_url: Some("http://a".into()), ..setup() };
    let launch = agent.launch(&task, &setup);
    assert_eq!(launch.args, ["run", "--in=/w", "{x}", "--m=m{1}", "-m", "m{1}", "--resume", "s"]);
    let env: Vec<_> = launch.env.iter().skip(5).map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "FREE=mine",
        "OWN_HOME=/h/own",
        "OWN_MODEL=m{1}",
        "PATH_TO=/h/.legwork/prompt.txt",
        "OWN_KEY=k",
        "OWN_URL=http://a",
    ];
    assert_eq!(env, expected);
    assert!(["OWN_KEY", "OWN_URL", "OWN_HOME", "PATH"].iter().all(|name| agent.reserves_env(name)));
}

#[test]
fn a_prompt_goes_in_as_the_operator_says() {
    let launch = custom(r#"{"name":"own","program":"p"}"#).launch(&task(), &setup());
    assert_eq!((launch.args.len(), launch.stdin.bytes.as_slice()), (0, &b"do {it}"[..]));
    let argument = r#"{"name":"own","program":"p","args":["-p","{prompt}"],"prompt":"argument"}"#;
    let launch = custom(argument).launch(&task(), &setup());
    assert_eq!((launch.args.join(" "), launch.stdin.bytes.len()), ("-p do {it}".into(), 0));
}

#[test]
fn text_is_the_answer_and_the_exit_code_the_verdict() {
    let own = r#"{"name":"own","program":"p"}"#;
    check(own, "one\ntwo\n", 0, "started text turn_ended -> succeeded; succeeded; 7 bytes of result");
    check(own, "", 0, "turn_ended -> succeeded; succeeded");
    check(
        own,
        "half",
        3,
        "started text turn_ended -> exit_nonzero; failed exit_nonzero: own ended with exit code 3 before it gave a result; \
         4 bytes of result",
    );
}

const LINES: &str = r#"{"name":"own","program":"p","output":{"format":"json_lines","text":"message.content.0.text",
    "textIf":"type=assistant","session":"/session/id","inputTokens":"usage.in","outputTokens":"usage.out",
    "error":"error","doneIf":"type=end"}}"#;

#[test]
fn lines_are_read_by_their_paths() {
    let said = r#"{"type":"assistant","session":{"id":"s"},"message":{"content":[{"text":"ok"}]}}"#;
    let user = said.replace("assistant", "user");
    let end = r#"{"type":"end","usage":{"in":5,"out":2}}"#;
    check(
        LINES,
        &format!("{user}\n{said}\n{end}\n"),
        0,
        "started message:user text message:end | usage turn_ended -> succeeded; succeeded; 2 bytes of result; 5 in 2 out",
    );
    check(
        LINES,
        said,
        0,
        "started text turn_ended -> incomplete_output; failed incomplete_output: own ended without the line that says how \
         the run went; 2 bytes of result",
    );
    let failed = format!("{said}\n{}\n{end}", r#"{"type":"x","error":"no model"}"#);
    check(
        LINES,
        &failed,
        0,
        "started text message:x message:end | usage turn_ended -> agent_error; failed agent_error: own reported an error: no \
         model; 2 bytes of result; 5 in 2 out",
    );
    check(
        LINES,
        &format!("{end}\nhello\n[1]"),
        1,
        "started message:end | unparsed×2 usage turn_ended -> exit_nonzero; failed exit_nonzero: own called itself done but \
         did not end well.; 5 in 2 out",
    );
}

#[test]
fn counts_of_lines_can_be_summed_up() {
    let each = LINES.replace(r#""error":"error""#, r#""usageCount":"sum","error":"error""#);
    let lines = r#"{"usage":{"in":5,"out":2}}
{"usage":{"in":"x","out":1}}
{"type":"end"}"#;
    check(&each, lines, 0, "started message:line×2 message:end | usage turn_ended -> succeeded; succeeded; 5 in 3 out");
}

#[test]
fn an_agent_that_speaks_the_protocol_is_a_conversation() {
    let agent = custom(r#"{"name":"own","program":"p","args":["acp"],"output":{"format":"acp"}}"#);
    let launch = agent.launch(&task(), &setup());
    assert!(launch.serves && launch.stdin.open_until_turn_ends);
    assert!(String::from_utf8_lossy(&launch.stdin.bytes).contains(r#""method":"initialize""#));
    let capabilities = agent.capabilities();
    assert!(capabilities.follow_up && capabilities.permissions && !capabilities.usage);
    let lines = r#"{"id":1,"result":{}}
{"id":2,"result":{"sessionId":"s"}}
{"method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"ok"}}}}
{"id":3,"result":{"stopReason":"end_turn"}}
"#;
    let played = replay(agent.dialogue(&task(), &setup()), lines.as_bytes(), b"", exited(0), &[7]);
    assert_eq!(show(&played), "< started < text turn_ended | -> succeeded");
}

#[test]
fn an_agent_of_ones_own_has_a_name_of_its_own() {
    let named = |name: &str| custom(&format!(r#"{{"name":"{name}","program":"p"}}"#));
    let agents = Agents::with(vec![named("one"), named("two")]).expect("other names");
    assert_eq!(agents.clone().find("two").map(Agent::name), Some("two"));
    assert_eq!(agents.all().last().map(Agent::name), Some("two"));
    for names in [["gemini", "one"], ["one", "one"]] {
        let taken = Agents::with(names.map(named).to_vec()).expect_err("a name that is taken");
        assert!(taken.to_string().contains(&format!("`{}`", taken.name)), "{taken}");
    }
}
