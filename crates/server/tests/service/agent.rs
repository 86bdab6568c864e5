//! The agent of these tests: a shell script that speaks Claude Code's lines and does what words in its prompt say.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Words in the prompt: `many` says 300 things, `fail` ends with an error, `silent` ends without a result, `write`
/// changes files, `tool` reads a file with a tool, `secret` tells its API key, `token` its variable `TOKEN` (also to a file beside
/// the gate), `gate` waits in the middle until the test opens the gate, `hang` waits
/// for ever.
const SCRIPT: &str = r#"#!/bin/sh
IFS= read -r prompt
session=s-$$
for argument in "$@"; do
    case $argument in --resume=*) session=${argument#--resume=} ;; esac
done
text() {
    printf '{"type":"assistant","session_id":"%s","parent_tool_use_id":null,"message":{"id":"m","type":"message",' "$session"
    printf '"role":"assistant","model":"scripted","content":[{"type":"text","text":"%s"}],"stop_reason":null}}\n' "$1"
}
printf '{"type":"system","subtype":"init","cwd":"/","session_id":"%s","tools":["Bash"],"mcp_servers":[],' "$session"
printf '"model":"scripted","permissionMode":"default","apiKeySource":"none","claude_code_version":"1.0.0"}\n'
error=false
case $prompt in
*many*) number=0; while [ $number -lt 300 ]; do text "$number"; number=$((number + 1)); done ;;
*fail*) error=true ;;
*silent*) exit 0 ;;
*write*) echo new >new.txt; text written ;;
*tool*)
    printf '{"type":"assistant","session_id":"%s","parent_tool_use_id":null,"message":{"id":"m","type":"message",' "$session"
    printf '"role":"assistant","model":"scripted","content":[{"type":"tool_use","id":"t1","name":"Read","input":{"file_path":"a"}}]}}\n'
    printf '{"type":"user","session_id":"%s","parent_tool_use_id":null,"message":{"role":"user",' "$session"
    printf '"content":[{"type":"tool_result","tool_use_id":"t1","content":"1"}]}}\n' ;;
*token*) printf %s "$TOKEN" >GATE.token; text "the token is $TOKEN" ;;
*secret*) text "the key is $ANTHROPIC_API_KEY" ;;
*gate*) text before; read -r token <GATE; text after ;;
*hang*) text waiting; exec sleep 3600 ;;
*) text hello ;;
esac
printf '{"type":"result","subtype":"success","is_error":%s,"duration_ms":1,"duration_api_ms":1,"num_turns":1,' $error
printf '"result":"done","stop_reason":"end_turn","session_id":"%s","total_cost_usd":0.0025,' "$session"
printf '"permission_denials":[],"modelUsage":{},"usage":{"input_tokens":12,"output_tokens":9,'
printf '"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}\n'
"#;

/// The script on disk, and the gate that it waits at.
pub(crate) struct ScriptedAgent {
    program: PathBuf,
    gate: File,
}

impl ScriptedAgent {
    pub(crate) fn install(folder: &Path) -> Self {
        let gate = folder.join("gate");
        rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let program = folder.join("agent");
        fs::write(&program, SCRIPT.replace("GATE", gate.to_str().expect("UTF-8"))).expect("the script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("executable");
        // Open for both, so that neither side ever waits for the other to open it.
        let gate = OpenOptions::new().read(true).write(true).open(&gate).expect("the gate");
        Self { program, gate }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Lets one waiting agent go on, now or when it comes to the gate.
    pub(crate) fn open_gate(&self) {
        (&self.gate).write_all(b"go\n").expect("the gate");
    }
}
