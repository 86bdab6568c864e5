//! Every agent's tools, as its requests offer them.

use serde_json::json;

use super::super::step::Step;
use super::*;

/// Fields as a schema has them; those with a star are required.
fn tool(name: &str, fields: &[&str]) -> Tool {
    let plain = |field: &&str| field.trim_end_matches('*').to_owned();
    let properties: Map<_, _> = fields.iter().map(|field| (plain(field), json!({ "type": "string" }))).collect();
    let required: Vec<_> = fields.iter().filter(|field| field.ends_with('*')).map(plain).collect();
    Tool::function(name, Some(&json!({ "type": "object", "properties": properties, "required": required })))
}

fn claude() -> Vec<Tool> {
    vec![
        tool("Bash", &["command*", "description", "timeout"]),
        tool("Write", &["file_path*", "content*"]),
        tool("Edit", &["file_path*", "old_string*", "new_string*", "replace_all"]),
        tool("Read", &["file_path*", "offset", "limit"]),
    ]
}

fn codex() -> Vec<Tool> {
    vec![tool("exec_command", &["cmd*", "workdir", "tty"]), Tool::freeform("apply_patch")]
}

fn gemini() -> Vec<Tool> {
    vec![
        tool("run_shell_command", &["command*", "description", "dir_path"]),
        tool("write_file", &["file_path*", "content*"]),
        tool("replace", &["file_path*", "instruction*", "old_string*", "new_string*", "allow_multiple"]),
        tool("read_file", &["file_path*", "start_line"]),
    ]
}

fn copilot() -> Vec<Tool> {
    vec![
        tool("bash", &["command*", "description*", "shellId"]),
        tool("create", &["path*", "file_text*"]),
        tool("edit", &["path*", "old_str", "new_str"]),
        tool("view", &["path*", "view_range"]),
    ]
}

fn opencode() -> Vec<Tool> {
    vec![
        tool("bash", &["command*", "timeout", "workdir"]),
        tool("write", &["content*", "filePath*"]),
        tool("edit", &["filePath*", "oldString*", "newString*", "replaceAll"]),
        tool("read", &["filePath*", "offset"]),
    ]
}

fn call(tools: Vec<Tool>, step: &str) -> Result<ToolCall, NoTool> {
    let Ok(Step::Call(call)) = Step::parse(step) else { panic!("{step} is a call") };
    Toolbox::new(tools, "Current working directory: /project\nmore").call(&call)
}

#[test]
fn every_agent_gets_its_own_tools() {
    let steps = ["bash: ls", "write: a | b", "edit: a | b | c", "read: a"];
    let mut lines = Vec::new();
    for tools in [claude(), codex(), gemini(), copilot(), opencode()] {
        for step in steps {
            let call = call(tools.clone(), step).unwrap();
            lines.push(format!("{step} -> {} {}", call.name, call.input.to_json()));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    bash: ls -> Bash {"command":"ls","description":"Rehearse a command"}
    write: a | b -> Write {"content":"b","file_path":"a"}
    edit: a | b | c -> Edit {"file_path":"a","new_string":"c","old_string":"b"}
    read: a -> Read {"file_path":"a"}
    bash: ls -> exec_command {"cmd":"ls"}
    write: a | b -> apply_patch "*** Begin Patch\n*** Add File: a\n+b\n*** End Patch\n"
    edit: a | b | c -> apply_patch "*** Begin Patch\n*** Update File: a\n@@\n-b\n+c\n*** End Patch\n"
    read: a -> exec_command {"cmd":"cat -- 'a'"}
    bash: ls -> run_shell_command {"command":"ls","description":"Rehearse a command"}
    write: a | b -> write_file {"content":"b","file_path":"a"}
    edit: a | b | c -> replace {"file_path":"a","instruction":"Rehearse a change","new_string":"c","old_string":"b"}
    read: a -> read_file {"file_path":"a"}
    bash: ls -> bash {"command":"ls","description":"Rehearse a command"}
    write: a | b -> create {"file_text":"b","path":"/project/a"}
    edit: a | b | c -> edit {"new_str":"c","old_str":"b","path":"/project/a"}
    read: a -> view {"path":"/project/a"}
    bash: ls -> bash {"command":"ls"}
    write: a | b -> write {"content":"b","filePath":"a"}
    edit: a | b | c -> edit {"filePath":"a","newString":"c","oldString":"b"}
    read: a -> read {"filePath":"a"}
    "#);
}

#[test]
fn a_shell_stands_in_for_what_is_not_offered() {
    for (shell, field) in [("shell_command", "command"), ("exec_command", "cmd")] {
        let tools = || vec![tool(shell, &[&format!("{field}*")])];
        let command = |step| call(tools(), step).unwrap().input.to_json()[field].as_str().unwrap().to_owned();
        assert_eq!(command("read: it's"), r"cat -- 'it'\''s'");
        assert!(command("write: a/b | c").ends_with("cat > 'a/b' <<'END_OF_REHEARSAL'\nc\nEND_OF_REHEARSAL"));
        assert!(command("edit: a | b | c").starts_with("apply_patch <<'END_OF_REHEARSAL'\n*** Begin Patch\n"));
    }
    let argv = call(vec![tool("shell", &["command*", "workdir"])], "bash: ls").unwrap().input.to_json();
    assert_eq!(argv, json!({ "command": ["bash", "-lc", "ls"] }));
}

#[test]
fn without_a_tool_there_is_no_call() {
    let error = call(vec![tool("glob", &["pattern*"])], "write: a | b").unwrap_err();
    assert_eq!(error.to_string(), "the agent offers no tool to write a file");
    assert!(call(vec![tool("edit", &["something*"])], "edit: a | b | c").is_err());
    assert!(call(Vec::new(), "bash: ls").is_err());
}

#[test]
fn tools_that_a_script_names_are_taken_at_its_word() {
    let tools = || vec![Tool::freeform("apply_patch"), tool("search", &["q*"]).within("mcp__docs")];
    let named = |step| call(tools(), step).unwrap();
    let search = named(r#"tool: search | {"q":"x"}"#);
    assert_eq!((search.name.as_str(), search.namespace.as_deref()), ("search", Some("mcp__docs")));
    assert_eq!(search, named(r#"tool: mcp__docs::search | {"q":"x"}"#));
    let hidden = named(r#"tool: mcp__hidden::add | {"a":1}"#);
    assert_eq!((hidden.name.as_str(), hidden.namespace.as_deref()), ("add", Some("mcp__hidden")));
    assert_eq!(named(r#"tool: apply_patch | {"input":"p"}"#).input, Input::Text("p".to_owned()));
    assert_eq!(named(r#"tool: Missing | {"a":1}"#).input.to_json(), json!({ "a": 1 }));
}
