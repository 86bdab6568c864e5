//! Files as people write them, and as nobody should.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const WHOLE: &str = r#"
name: shop
baseImage: ghcr.io/acme/agents:1.2
setup: |
  apt-get update
  apt-get install --yes jq
tools:
  allowed: [Read, Edit, "Bash(git status:*)"]
mcpServers:
  - name: fetch
  - name: github
    env:
      GITHUB_TOKEN: ${GITHUB_TOKEN}
resources:
  memory: 2Gi
  timeout: 600s
  cpu: "1.5"
  pids: 256
  disk: 10Gi
security:
  runAsUser: 1000
  readOnlyRoot: true
  noNewPrivileges: true
  dropCapabilities: [ALL]
  networkMode: none
  allowedDomains: [api.anthropic.com, "*.npmjs.org"]
"#;

#[test]
fn a_file_with_everything_is_read() {
    insta::assert_debug_snapshot!(ContainerFile::parse(WHOLE.as_bytes()).expect("a file"));
}

#[test]
fn a_file_that_says_nothing_asks_for_nothing() {
    for text in ["", "\n", "# nothing\n", "---\n", "\u{feff}", "{}", "resources:\nsecurity:\n  # nothing\n", "null\n"] {
        assert_eq!(ContainerFile::parse(text.as_bytes()), Ok(ContainerFile::default()), "{text:?}");
    }
}

#[test]
fn amounts_may_be_numbers() {
    let file = ContainerFile::parse("\u{feff}resources: {cpu: 2, memory: 1073741824, timeout: 10m}".as_bytes())
        .expect("a file");
    assert_eq!((file.cpus.map(Cpus::millis), file.memory.map(ByteSize::bytes)), (Some(2_000), Some(1 << 30)));
    assert_eq!(file.timeout, Some(Duration::from_secs(600)));
}

#[test]
fn an_empty_list_of_hosts_is_not_the_same_as_none() {
    let file = ContainerFile::parse(b"security: {allowedDomains: []}").expect("a file");
    assert_eq!(file.allowed_domains, Some(Vec::new()));
}

/// Files that are wrong, each with a word for what is.
fn wrong() -> Vec<(&'static str, Vec<u8>)> {
    let texts: Vec<(&str, &str)> = vec![
        ("unknown key", "nmae: shop\n"),
        ("unknown key in a section", "resources:\n  memroy: 2Gi\n"),
        ("key of another format", "services:\n  web: {}\n"),
        ("key of a container that is none of ours", "volumes: [\"/:/host\"]\nprivileged: true\n"),
        ("duplicate key", "name: a\nbaseImage: debian:12\nname: b\n"),
        ("duplicate key in a section", "security:\n  runAsUser: 1000\n  runAsUser: 0\n"),
        ("duplicate section", "security: {}\nsecurity: {runAsUser: 1000}\n"),
        ("merge", "x: &x {memory: 1Gi}\nresources:\n  <<: *x\n"),
        ("a list", "- name: a\n"),
        ("a text", "hello\n"),
        ("section is a list", "resources:\n  - memory: 2Gi\n"),
        ("list is a text", "tools:\n  allowed: Read\n"),
        ("list is missing", "security:\n  allowedDomains:\n"),
        ("number for a name", "name: 12\n"),
        ("yes for a bool", "security: {readOnlyRoot: yes}\n"),
        ("text for a number", "security: {runAsUser: \"1000\"}\n"),
        ("name with a newline", "name: \"a\\n--privileged\"\n"),
        ("name like a mount", "name: /:/host\n"),
        ("name with an escape", "name: \"a\\e[31m\"\n"),
        ("name like an option", "name: --privileged\n"),
        ("size with a wrong unit", "resources:\n  memory: 2GB\n"),
        ("size with a sign", "resources: {memory: -1}\n"),
        ("no size", "resources: {memory: 0, disk: 0Gi}\n"),
        ("size beyond all", "resources: {memory: 99999999999Ti}\n"),
        ("time without a unit", "resources: {timeout: 600}\n"),
        ("infinite number", "resources: {cpu: 1e999}\n"),
        ("no number", "resources: {cpu: .nan}\n"),
        ("no processes", "resources: {pids: 0}\n"),
        ("half a process", "resources: {pids: 1.5}\n"),
        ("image is an option", "baseImage: --privileged\n"),
        ("image with an option", "baseImage: debian --privileged\n"),
        ("image with a newline", "baseImage: \"debian\\n--privileged\"\n"),
        ("image is a mount", "baseImage: /:/host\n"),
        ("image is an address", "baseImage: https://ghcr.io/acme/agents\n"),
        ("image with a capital", "baseImage: Debian:12\n"),
        ("setup with a NUL", "setup: \"a\\0b\"\n"),
        ("setup is empty", "setup: ''\n"),
        ("tool is an option", "tools: {allowed: [Read, --dangerously-skip-permissions]}\n"),
        ("tool with a newline", "tools: {allowed: [\"Read\\nBash\"]}\n"),
        ("server without a name", "mcpServers:\n  - env: {A: b}\n"),
        ("server with a command", "mcpServers:\n  - name: a\n    command: sh\n"),
        ("server with a wrong name", "mcpServers: [{name: \"a b\"}]\n"),
        ("server twice", "mcpServers:\n  - name: fetch\n  - name: fetch\n"),
        ("servers by name", "mcpServers:\n  fetch: {}\n"),
        ("variable with a wrong name", "mcpServers: [{name: a, env: {\"A=B\": c}}]\n"),
        ("variable of two lines", "mcpServers: [{name: a, env: {A: \"b\\nC=d\"}}]\n"),
        ("variable that is a number", "mcpServers: [{name: a, env: {A: 1}}]\n"),
        ("root", "security:\n  runAsUser: 0\n"),
        ("negative user", "security: {runAsUser: -1}\n"),
        ("nobody in particular", "security: {runAsUser: 4294967295}\n"),
        ("new privileges", "security:\n  noNewPrivileges: false\n"),
        ("no capability", "security: {dropCapabilities: [ALL, net_raw]}\n"),
        ("network of the machine", "security: {networkMode: host}\n"),
        ("network of another container", "security: {networkMode: \"container:db\"}\n"),
        ("network that is misspelt", "security: {networkMode: brigde}\n"),
        ("a way around the list", "security:\n  networkMode: bridge\n  allowedDomains: [a.example]\n"),
        ("every host", "security: {allowedDomains: [\"*\"]}\n"),
        ("every host of a registry", "security: {allowedDomains: [a.example, \"*.com\"]}\n"),
        ("host with a scheme", "security: {allowedDomains: [\"http://x\"]}\n"),
        ("two hosts", "security: {allowedDomains: [a b]}\n"),
        ("rule for a proxy", "security: {allowedDomains: [\"x\\nhttp_access allow all\"]}\n"),
        ("address for a host", "security: {allowedDomains: [2130706433, 169.254.169.254]}\n"),
        ("tab", "resources:\n\tmemory: 2Gi\n"),
        ("open bracket", "tools: {allowed: [Read\n"),
        ("open quote", "name: \"shop\n"),
        ("two documents", "name: a\n---\nname: b\n"),
        ("unknown reference", "name: *nobody\n"),
        ("reference to itself", "tools: &t\n  allowed: *t\n"),
        ("object of a language", "name: !!python/object/apply:os.system [id]\n"),
        ("tag of its own", "name: !env HOME\n"),
        ("key that is a list", "? [a, b]\n: c\n"),
        ("too many hosts", ""),
        ("deeply nested", ""),
        ("billion laughs", ""),
        ("many references", ""),
        ("many keys", ""),
        ("Latin-1", ""),
        ("UTF-16", ""),
        ("control character", "name: a\u{0}b\n"),
        (
            "several at once",
            "nmae: a\nresources:\n  memory: 2GB\n  cpu: two\nsecurity:\n  runAsUser: 0\n  allowedDomains:\n    - ok.example\n    - '*'\n",
        ),
    ];
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (one, next) in ('a'..='h').zip('b'..='i') {
        let _ = writeln!(laughs, "{next}: &{next} [{}]", vec![format!("*{one}"); 9].join(", "));
    }
    let made = |what: &str| match what {
        "too many hosts" => format!("security: {{allowedDomains: [{}]}}", "a.example, ".repeat(201)).into_bytes(),
        "deeply nested" => format!("tools: {}{}", "[".repeat(5_000), "]".repeat(5_000)).into_bytes(),
        "billion laughs" => laughs.clone().into_bytes(),
        "many references" => format!("a: &a [x]\nb: [{}]", "*a, ".repeat(1_000)).into_bytes(),
        "many keys" => (0..5_000).map(|number| format!("k{number}: x\n")).collect::<String>().into_bytes(),
        "Latin-1" => b"# ok\nname: caf\xE9\n".to_vec(),
        "UTF-16" => b"\xFF\xFEn\0a\0m\0e\0".to_vec(),
        _ => Vec::new(),
    };
    texts.into_iter().map(|(what, text)| (what, if text.is_empty() { made(what) } else { text.into() })).collect()
}

#[test]
fn files_that_are_wrong_say_where_and_what_would_be_right() {
    let mut messages = String::new();
    for (what, bytes) in wrong() {
        let error = ContainerFile::parse(&bytes).expect_err(what).to_string();
        assert!(error.lines().all(|line| line.len() < 400 && !line.chars().any(char::is_control)), "{error}");
        let _ = writeln!(messages, "{what}\n    {}", error.replace('\n', "\n    "));
    }
    insta::assert_snapshot!(messages);
}

/// What such files are made of, so that random ones get further than the first character.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "name",
        "security",
        "allowedDomains",
        "resources",
        "memory",
        "mcpServers",
        "env",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "<<",
        "? ",
        "| ",
        ">",
        "!!str ",
        "!x ",
        "'",
        "\"",
        "\\",
        "#",
        "---\n",
        "...",
        "%YAML 1.1\n",
        "2Gi",
        "0",
        "1e999",
        "null",
        "~",
        "true",
        "\t",
        "\u{feff}",
        "\u{2028}",
        "\0",
        "é",
        "🔑",
    ]);
    prop::collection::vec(fragment, 0..200).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn whatever_it_is_it_is_read_or_refused(text in fragments(), bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        for bytes in [text.as_bytes(), &bytes] {
            if let Err(faults) = ContainerFile::parse(bytes) {
                prop_assert!(!faults.0.is_empty() && !faults.to_string().is_empty());
            }
        }
    }
}
