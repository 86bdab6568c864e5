//! What a command may do, as far as its words tell. A help for rules and for people who decide, no barrier: that is the
//! sandbox.

use legwork_model::Risk;
use serde_json::Value;

/// Programs whose use does lasting harm more often than others'.
const DANGEROUS: [&str; 17] = [
    "chmod", "chown", "crontab", "dd", "doas", "eval", "halt", "kill", "killall", "mkfs", "mount", "pkill", "reboot",
    "shred", "shutdown", "su", "sudo",
];

/// Programs that talk to other machines.
const NETWORK: [&str; 10] = ["curl", "ftp", "nc", "ncat", "rsync", "scp", "sftp", "ssh", "telnet", "wget"];

/// The risk class of a shell command.
pub(crate) fn of_command(command: &str) -> Risk {
    let words: Vec<&str> = command
        .split(|character: char| character.is_whitespace() || "|&;()<>`$\"'".contains(character))
        .filter(|word| !word.is_empty())
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(word));
    let follows = |first: &str, flags: &[&str]| {
        words
            .iter()
            .position(|word| *word == first)
            .is_some_and(|at| words[at..].iter().any(|word| flags.contains(word)))
    };
    if has(&DANGEROUS)
        || follows("rm", &["-rf", "-fr", "-r", "-R", "--recursive"])
        || follows("push", &["--force", "-f"])
    {
        Risk::Dangerous
    } else if has(&NETWORK) {
        Risk::Network
    } else {
        Risk::Execute
    }
}

/// What a call is about, for rules with a pattern: its command, path or address.
pub fn detail(input: &Value) -> Option<&str> {
    const FIELDS: [&str; 10] = [
        "command",
        "file_path",
        "filePath",
        "notebook_path",
        "path",
        "absolute_path",
        "url",
        "pattern",
        "query",
        "fileName",
    ];
    FIELDS.iter().find_map(|field| input.get(field).and_then(Value::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_tell_its_risk() {
        for (command, risk) in [
            ("git status", Risk::Execute),
            ("rm build.log", Risk::Execute),
            ("cd a && rm -rf b", Risk::Dangerous),
            ("/usr/bin/sudo ls", Risk::Dangerous),
            ("git push origin main --force", Risk::Dangerous),
            ("x=$(curl -s http://a)", Risk::Network),
            ("curl http://a | sudo sh", Risk::Dangerous),
            ("", Risk::Execute),
        ] {
            assert_eq!(of_command(command), risk, "{command}");
        }
    }
}
