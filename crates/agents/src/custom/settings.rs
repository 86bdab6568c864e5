//! What the operator says of an agent of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An agent of the operator's own.
///
/// In its arguments and in the values of its variables, `{model}`, `{session}`, `{workspace}`, `{home}` and `{prompt_file}`
/// stand for what they are in a run. An argument or a variable whose value a run does not have is left out. A brace that is
/// meant as one is doubled: `{{`, `}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomAgent {
    /// Its name in requests: lower-case letters, digits and `-`.
    pub name: String,
    /// The program: its path, or its name on `PATH`.
    pub program: String,
    /// A sentence that says how to get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_hint: Option<String>,
    /// Its arguments. `{prompt}` stands for the prompt where that goes in by an argument.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Further arguments where a session is to be continued. Without them it can't be; an agent that speaks the Agent Client
    /// Protocol needs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resume_args: Vec<String>,
    /// Further arguments where the task names a model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub model_args: Vec<String>,
    /// Its variables. No task may set them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The variable that it takes its credential from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_variable: Option<String>,
    /// The variable that it takes the address of its model's API from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url_variable: Option<String>,
    /// How the prompt goes in. Means nothing for an agent that speaks the Agent Client Protocol.
    #[serde(default)]
    pub prompt: PromptBy,
    /// What it prints.
    #[serde(default)]
    pub output: Output,
}

/// How the prompt goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptBy {
    /// By its standard input, which is closed after it.
    #[default]
    Stdin,
    /// By an argument, `{prompt}`: then everybody on the machine can read it, and it may not be longer than 128 KiB.
    Argument,
    /// In a file, `{prompt_file}`.
    File,
}

/// What an agent prints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
pub enum Output {
    /// Its answer. It has succeeded where it ends with exit code 0.
    #[default]
    Text,
    /// A JSON object a line.
    JsonLines(JsonLines),
    /// Messages of the Agent Client Protocol.
    Acp,
}

/// Where in its lines is what. A path is a JSON pointer (`/message/content/0/text`) or has dots (`message.content.0.text`);
/// a condition is a path and the text that is there (`type=result`), or a path that has to be there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JsonLines {
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Which lines are looked at for that; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_if: Option<String>,
    /// The id of its session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The tokens that its model took in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<String>,
    /// The tokens that its model gave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<String>,
    /// How counts of several lines go together.
    #[serde(default)]
    pub usage_count: UsageCount,
    /// What went wrong. A run in which this is there, and neither `null` nor `false`, has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The line without which a run has not ended well. Where absent its exit code alone tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_if: Option<String>,
}

/// How counts of several lines go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageCount {
    /// The last ones are those of the whole run.
    #[default]
    Last,
    /// Each is for itself.
    Sum,
}
