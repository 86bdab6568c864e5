//! A small MCP server on standard input and output: it adds two numbers, and tells the value of its variable `MARK`.

use std::io::{BufRead, Write, stdin, stdout};

use serde_json::{Value, json};

fn main() {
    for line in stdin().lock().lines().map_while(Result::ok) {
        let Ok(request) = serde_json::from_str::<Value>(&line) else { continue };
        // What has no id wants no answer.
        let Some(id) = request.get("id").cloned() else { continue };
        let answer = match result(&request) {
            Some(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            None => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no such method" } }),
        };
        let mut out = stdout().lock();
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn result(request: &Value) -> Option<Value> {
    let params = &request["params"];
    match request["method"].as_str()? {
        "initialize" => Some(json!({
            "protocolVersion": params["protocolVersion"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "adding", "version": "1.0.0" },
        })),
        "ping" => Some(json!({})),
        "tools/list" => Some(json!({ "tools": [{
            "name": "add",
            "description": "Adds two numbers.",
            "inputSchema": {
                "type": "object",
                "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
                "required": ["a", "b"],
            },
        }] })),
        "tools/call" => Some(json!({ "content": [{ "type": "text", "text": sum(&params["arguments"]) }] })),
        _ => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "its environment is what it is asked about")]
fn sum(arguments: &Value) -> String {
    let sum = arguments["a"].as_f64().unwrap_or_default() + arguments["b"].as_f64().unwrap_or_default();
    format!("The sum is {sum}; the mark is {}.", std::env::var("MARK").unwrap_or_default())
}
