//! Agents of the operator's own, described by configuration alone.

use std::collections::BTreeMap;

use legwork_agents::custom::{CustomAgent, JsonLines, Output, PromptBy, UsageCount};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[agents.NAME.custom]`: makes NAME an agent of your own, whose program is `program` above.
///
/// In `args` and `env`, `{model}`, `{session}`, `{workspace}`, `{home}` and `{prompt_file}` stand for what they are in a run;
/// one whose value a run does not have is left out. A brace that is meant as one is doubled.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CustomAgentSettings {
    /// A sentence that says how to get the program.
    pub install_hint: Option<String>,
    /// Its arguments. `{prompt}` stands for the prompt where `prompt` is `argument`.
    pub args: Vec<String>,
    /// Further arguments where a session is to be continued; without them it can't be.
    pub resume_args: Vec<String>,
    /// Further arguments where the job names a model.
    pub model_args: Vec<String>,
    /// Its variables. No job may set them.
    pub env: BTreeMap<String, String>,
    /// The variable that it takes its credential from.
    pub credential_variable: Option<String>,
    /// The variable that it takes the address of its model's API from.
    pub base_url_variable: Option<String>,
    /// How the prompt goes in.
    pub prompt: CustomPrompt,
    /// What it prints.
    pub output: CustomOutput,
    /// Where in its lines is what, for the output `json_lines`.
    pub lines: CustomLines,
}

/// How the prompt goes in.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomPrompt {
    /// By its standard input, which is closed after it.
    #[default]
    Stdin,
    /// By an argument, `{prompt}`, which everybody on the machine can read.
    Argument,
    /// In a file, `{prompt_file}`.
    File,
}

/// What an agent prints.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustomOutput {
    /// Its answer.
    #[default]
    Text,
    /// A JSON object a line.
    JsonLines,
    /// Messages of the Agent Client Protocol.
    Acp,
}

/// `[agents.NAME.custom.lines]`: where in its lines is what. A path has dots (`message.content.0.text`) or is a JSON pointer; a
/// condition is a path and the text that is there (`type=result`), or a path that has to be there.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CustomLines {
    /// What it says.
    pub text: Option<String>,
    /// Which lines are looked at for that; all where absent.
    pub text_if: Option<String>,
    /// The id of its session.
    pub session: Option<String>,
    /// The tokens that its model took in.
    pub input_tokens: Option<String>,
    /// The tokens that its model gave out.
    pub output_tokens: Option<String>,
    /// Whether counts of several lines are added up; else the last ones are those of the whole run.
    pub sum_tokens: bool,
    /// What went wrong: where it is there, the run has failed.
    pub error: Option<String>,
    /// The line without which a run has not ended well; where absent its exit code alone tells.
    pub done_if: Option<String>,
}

impl CustomAgentSettings {
    /// The agent called `name` whose program is `program`.
    pub(super) fn described(&self, name: &str, program: &str) -> CustomAgent {
        let own = self.clone();
        CustomAgent {
            name: name.to_owned(),
            program: program.to_owned(),
            install_hint: own.install_hint,
            args: own.args,
            resume_args: own.resume_args,
            model_args: own.model_args,
            env: own.env,
            credential_variable: own.credential_variable,
            base_url_variable: own.base_url_variable,
            prompt: match own.prompt {
                CustomPrompt::Stdin => PromptBy::Stdin,
                CustomPrompt::Argument => PromptBy::Argument,
                CustomPrompt::File => PromptBy::File,
            },
            output: match own.output {
                CustomOutput::Text => Output::Text,
                CustomOutput::Acp => Output::Acp,
                CustomOutput::JsonLines => Output::JsonLines(own.lines.described()),
            },
        }
    }
}

impl CustomLines {
    fn described(self) -> JsonLines {
        JsonLines {
            text: self.text,
            text_if: self.text_if,
            session: self.session,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            usage_count: if self.sum_tokens { UsageCount::Sum } else { UsageCount::Last },
            error: self.error,
            done_if: self.done_if,
        }
    }
}
