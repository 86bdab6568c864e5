//! Script files: which steps answer which prompt.
//!
//! ```toml
//! [[rule]]
//! match = "release notes"            # prompts that hold this text
//! steps = ["write: NOTES.md | # Notes", "say: Written."]
//!
//! [[rule]]
//! always = true                      # every other prompt
//! steps = ["say: Nothing to do."]
//! ```

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::step::Step;

/// Rules that say how prompts are answered which hold no steps of their own. The first rule that fits counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    prompts: Prompts,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Prompts {
    All,
    Holding(String),
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("failed to read the rehearsal script {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is not a script.
    #[error("line {line}, column {column} of the rehearsal script: {problem}")]
    Invalid {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl Script {
    /// Reads the script in a file.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let unreadable = |source| ScriptError::Unreadable { path: path.to_owned(), source };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads a script, which is TOML. Unknown keys and steps are errors.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        Self::read(text).map_err(|fault| fault.in_text(text))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let written: WrittenScript = toml::from_str(text).map_err(|error| Fault::from_toml(&error))?;
        let rules = written.rules.into_iter().map(Rule::check).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// The steps for `prompt`, if a rule fits it.
    pub(crate) fn steps_for(&self, prompt: &str) -> Option<&[Step]> {
        self.rules.iter().find(|rule| rule.fits(prompt)).map(|rule| rule.steps.as_slice())
    }
}

impl Rule {
    fn check(written: Spanned<WrittenRule>) -> Result<Self, Fault> {
        let span = written.span();
        let WrittenRule { text, always, steps } = written.into_inner();
        let prompts = match (text, always) {
            (Some(text), None) if text.get_ref().is_empty() => {
                return Err(Fault::new(text.span(), "`match` is empty; write `always = true` to answer every prompt"));
            }
            (Some(text), None) => Prompts::Holding(text.into_inner()),
            (None, Some(true)) => Prompts::All,
            _ => return Err(Fault::new(span, "a rule needs either `match = \"TEXT\"` or `always = true`")),
        };
        if steps.get_ref().is_empty() {
            return Err(Fault::new(steps.span(), "a rule needs at least one step, such as `say: TEXT`"));
        }
        let steps = steps.get_ref().iter().map(check_step).collect::<Result<_, _>>()?;
        Ok(Self { prompts, steps })
    }

    fn fits(&self, prompt: &str) -> bool {
        match &self.prompts {
            Prompts::All => true,
            Prompts::Holding(text) => prompt.contains(text),
        }
    }
}

fn check_step(written: &Spanned<String>) -> Result<Step, Fault> {
    Step::parse(written.get_ref()).map_err(|error| Fault::new(written.span(), error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenScript {
    #[serde(rename = "rule")]
    rules: Vec<Spanned<WrittenRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    #[serde(rename = "match")]
    text: Option<Spanned<String>>,
    always: Option<bool>,
    steps: Spanned<Vec<Spanned<String>>>,
}

/// What is wrong, and where it starts in the text, in bytes.
struct Fault {
    at: usize,
    problem: String,
}

impl Fault {
    fn new(span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { at: span.start, problem: problem.into() }
    }

    fn from_toml(error: &toml::de::Error) -> Self {
        Self::new(error.span().unwrap_or_default(), error.message())
    }

    fn in_text(self, text: &str) -> ScriptError {
        let before = text.get(..self.at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ScriptError::Invalid {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: self.problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_answers() {
        let script = Script::parse(
            r#"
            [[rule]]
            match = "notes"
            steps = ["bash: ls", "say: one"]

            [[rule]]
            always = true
            steps = ["say: two"]
            "#,
        )
        .unwrap();
        assert_eq!(script.steps_for("write notes").map(<[Step]>::len), Some(2));
        assert_eq!(script.steps_for("else"), Some([Step::Say("two".into())].as_slice()));
        assert_eq!(Script::default().steps_for("else"), None);
    }

    #[test]
    fn errors_say_where_and_what_would_be_right() {
        for (text, message) in [
            (
                "[[rule]]\nalways = true\nsteps = [\n  \"say: é\", \"bsh: ls\",\n]",
                "line 4, column 13 of the rehearsal script: there is no step `bsh`; did you mean `bash`?",
            ),
            (
                "[[rule]]\nalways = true\nsteps = [\"slow: soon\"]",
                "line 3, column 10 of the rehearsal script: `slow: soon` is not complete or not right; write `slow: 5s` or `slow: 500ms`, up to an hour",
            ),
            (
                "\n[[rule]]\nsteps = [\"truncate\"]",
                "line 2, column 1 of the rehearsal script: a rule needs either `match = \"TEXT\"` or `always = true`",
            ),
            (
                "[[rule]]\nmatch = \"\"\nsteps = [\"truncate\"]",
                "line 2, column 9 of the rehearsal script: `match` is empty; write `always = true` to answer every prompt",
            ),
            (
                "[[rule]]\nalways = true\nsteps = []",
                "line 3, column 9 of the rehearsal script: a rule needs at least one step, such as `say: TEXT`",
            ),
            (
                "[[rule]]\nmach = \"a\"\nsteps = []",
                "line 2, column 1 of the rehearsal script: unknown field `mach`, expected one of `match`, `always`, `steps`",
            ),
            (
                "[[rule]]\nmatch = 5\nsteps = []",
                "line 2, column 9 of the rehearsal script: invalid type: integer `5`, expected a string",
            ),
            ("[[rules]]", "line 1, column 3 of the rehearsal script: unknown field `rules`, expected `rule`"),
            (
                "rule = ",
                "line 1, column 8 of the rehearsal script: string values must be quoted, expected literal string",
            ),
        ] {
            assert_eq!(Script::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn the_documented_example_is_a_script() {
        let page = include_str!("../../../../docs/rehearsal.md");
        let (_, example) = page.split_once("```toml\n").unwrap();
        let script = Script::parse(example.split_once("```").unwrap().0).unwrap();
        assert_eq!(script.rules.len(), 3);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Script::load(Path::new("/nonexistent/script.toml")).unwrap_err();
        assert!(error.to_string().starts_with("failed to read the rehearsal script /nonexistent/script.toml: "));
    }
}
