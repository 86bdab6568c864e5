//! Flags of a CLI as callers write them: each is known, or it is refused. Nothing that a caller writes becomes an argument
//! by itself; what is understood here becomes a part of the submission.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::submission::Submission;

/// What everybody may write.
const HARMLESS: &str = "-p, --print, --verbose, --output-format, --model, -r, --resume, --max-turns, --allowedTools, \
                        --disallowedTools, --permission-mode";

/// Not without the operator's word.
const BYPASS_FLAG: &str = "--dangerously-skip-permissions";
const BYPASS_MODE: &str = "bypassPermissions";

/// What the flags ask the answer to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputFormat {
    /// The answer.
    #[default]
    Text,
    /// The CLI's last line, an object.
    Json,
    /// All lines of the CLI.
    StreamJson,
}

/// Puts what `args` (in the field of that name) ask for into the submission; gives the format of the answer. `allowed`
/// are flags that the operator allows beside the harmless ones.
///
/// # Errors
/// Names the argument that is not allowed, not known, or has a wrong value.
pub fn apply_cli_args(
    field: &str,
    args: &[String],
    allowed: &[String],
    submission: &mut Submission,
) -> Result<OutputFormat, Refusal> {
    let mut rest = Rest { field, args: args.iter().map(String::as_str).collect(), index: 0, inline: None };
    let mut format = OutputFormat::default();
    while let Some(flag) = rest.flag()? {
        match flag {
            "-p" | "--print" | "--verbose" => {}
            "--output-format" => {
                format = match rest.value(flag)? {
                    "text" => OutputFormat::Text,
                    "json" => OutputFormat::Json,
                    "stream-json" => OutputFormat::StreamJson,
                    other => return Err(rest.wrong(flag, &format!("`{other}` is not text, json or stream-json"))),
                };
            }
            "--model" => submission.model = Some(rest.value(flag)?.to_owned()),
            "-r" | "--resume" => submission.resume_session = Some(rest.value(flag)?.to_owned()),
            "--max-turns" => {
                let turns = rest.value(flag)?;
                let number = turns.parse().ok().filter(|turns| *turns > 0);
                submission.limits.max_turns =
                    Some(number.ok_or_else(|| rest.wrong(flag, &format!("`{turns}` is not a number of turns")))?);
            }
            "--allowedTools" | "--allowed-tools" => submission.tools.allow.extend(rest.list(flag)?),
            "--disallowedTools" | "--disallowed-tools" => submission.tools.deny.extend(rest.list(flag)?),
            "--permission-mode" => {
                let mode = rest.value(flag)?;
                if !["default", "acceptEdits", "plan", BYPASS_MODE].contains(&mode) {
                    return Err(rest.wrong(flag, &format!("`{mode}` is no permission mode")));
                }
                if mode == BYPASS_MODE && !is_allowed(BYPASS_FLAG, allowed) {
                    return Err(rest.refused(flag));
                }
                submission.permission_mode = Some(mode.to_owned());
            }
            BYPASS_FLAG if is_allowed(BYPASS_FLAG, allowed) => {
                submission.permission_mode = Some(BYPASS_MODE.to_owned());
            }
            other => return Err(rest.refused(other)),
        }
        rest.nothing_left_of(flag)?;
    }
    Ok(format)
}

fn is_allowed(flag: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|one| one == flag)
}

/// The arguments that are not understood yet.
struct Rest<'a> {
    field: &'a str,
    args: VecDeque<&'a str>,
    /// How many were taken.
    index: usize,
    /// The value of a flag that was written `--flag=value`.
    inline: Option<&'a str>,
}

impl<'a> Rest<'a> {
    fn take(&mut self) -> Option<&'a str> {
        self.index += 1;
        self.args.pop_front()
    }

    fn flag(&mut self) -> Result<Option<&'a str>, Refusal> {
        let Some(argument) = self.take() else { return Ok(None) };
        if !argument.starts_with('-') {
            return Err(self.refused(argument));
        }
        let (flag, value) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value)),
            _ => (argument, None),
        };
        self.inline = value;
        Ok(Some(flag))
    }

    fn value(&mut self, flag: &str) -> Result<&'a str, Refusal> {
        if let Some(value) = self.inline.take() {
            return Ok(value);
        }
        match self.args.front() {
            Some(value) if !value.starts_with('-') => Ok(self.take().unwrap_or_default()),
            _ => Err(self.wrong(flag, "needs a value")),
        }
    }

    /// Values up to the next flag, each a list with commas.
    fn list(&mut self, flag: &str) -> Result<Vec<String>, Refusal> {
        let mut values = vec![self.value(flag)?];
        while self.args.front().is_some_and(|next| !next.starts_with('-')) {
            values.extend(self.take());
        }
        Ok(values.into_iter().flat_map(split_rules).collect())
    }

    fn nothing_left_of(&mut self, flag: &str) -> Result<(), Refusal> {
        match self.inline.take() {
            None => Ok(()),
            Some(_) => Err(self.wrong(flag, "takes no value")),
        }
    }

    fn wrong(&self, flag: &str, problem: &str) -> Refusal {
        Refusal::invalid(self.place(), "invalid_arg", format!("{}: {problem}", shown(flag)))
    }

    fn refused(&self, argument: &str) -> Refusal {
        let message = format!("`{}` is not allowed here; allowed: {HARMLESS}", shown(argument));
        Refusal::invalid(self.place(), "arg_not_allowed", message)
    }

    fn place(&self) -> String {
        format!("{}[{}]", self.field, self.index.saturating_sub(1))
    }
}

/// `Read,Bash(git log:*)` are two rules: commas and spaces within parentheses are a rule's own.
fn split_rules(text: &str) -> Vec<String> {
    let mut rules = vec![String::new()];
    let mut depth = 0_u32;
    for character in text.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' | ' ' if depth == 0 => {
                rules.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(rule) = rules.last_mut() {
            rule.push(character);
        }
    }
    rules.retain(|rule| !rule.is_empty());
    rules
}

fn shown(argument: &str) -> String {
    argument.chars().take(64).filter(|character| !character.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(args: &[&str], allowed: &[&str]) -> Result<(OutputFormat, Submission), String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mut submission = Submission::default();
        apply_cli_args("args", &owned(args), &owned(allowed), &mut submission)
            .map(|format| (format, submission))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn known_flags_become_parts_of_the_submission() {
        let args = [
            "-p",
            "--output-format",
            "json",
            "--model=openrouter/qwen/qwen3-coder",
            "--max-turns",
            "4",
            "--verbose",
            "--allowedTools",
            "Read,Bash(git log:*)",
            "Edit",
            "--disallowed-tools=WebFetch",
            "-r",
            "abc",
            "--permission-mode",
            "plan",
        ];
        let (format, submission) = applied(&args, &[]).expect("understood");
        assert_eq!(format, OutputFormat::Json);
        assert_eq!(submission.model.as_deref(), Some("openrouter/qwen/qwen3-coder"));
        assert_eq!(submission.limits.max_turns, Some(4));
        assert_eq!(submission.tools.allow, ["Read", "Bash(git log:*)", "Edit"]);
        assert_eq!(submission.tools.deny, ["WebFetch"]);
        assert_eq!(submission.resume_session.as_deref(), Some("abc"));
        assert_eq!(submission.permission_mode.as_deref(), Some("plan"));
    }

    #[test]
    fn only_the_operator_lets_callers_skip_permissions() {
        for args in [&[BYPASS_FLAG][..], &["--permission-mode", BYPASS_MODE]] {
            assert!(applied(args, &[]).is_err(), "{args:?}");
            let (_, submission) = applied(args, &[BYPASS_FLAG]).expect("allowed");
            assert_eq!(submission.permission_mode.as_deref(), Some(BYPASS_MODE));
        }
    }

    #[test]
    fn whatever_else_is_refused_by_name() {
        for (args, expected) in [
            (&["--settings", "x"][..], "args[0]: `--settings` is not allowed here"),
            (&["--mcp-config=x"], "args[0]: `--mcp-config` is not allowed here"),
            (&["-p", "a prompt"], "args[1]: `a prompt` is not allowed here"),
            (&["--model"], "args[0]: --model: needs a value"),
            (&["--model", "--verbose"], "args[0]: --model: needs a value"),
            (&["--verbose=yes"], "args[0]: --verbose: takes no value"),
            (&["--max-turns", "0"], "args[1]: --max-turns: `0` is not a number of turns"),
            (&["--output-format", "xml"], "args[1]: --output-format: `xml` is not text, json or stream-json"),
            (&["--permission-mode", "yolo"], "args[1]: --permission-mode: `yolo` is no permission mode"),
            (&[""], "args[0]: `` is not allowed here"),
        ] {
            let error = applied(args, &[]).err().unwrap_or_default();
            assert_eq!(error.split("; allowed: -p, ").next(), Some(expected), "{args:?}");
        }
    }
}
