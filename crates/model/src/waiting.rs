//! Why an accepted execution does not go on for now.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;

/// What an execution waits for that no free slot gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Why.
    pub reason: WaitReason,
    /// Until when it waits; until somebody changes something where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Why an execution does not go on for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The usage limit of the model's API is reached.
    UsageLimit,
    /// The model's API fails, is overloaded, or can't be reached.
    ModelUnavailable,
    /// The model's API rejects the credential.
    CredentialsRejected,
    /// A budget is used up that pauses what meets it.
    Budget,
}

impl WaitReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::UsageLimit, Self::ModelUnavailable, Self::CredentialsRejected, Self::Budget];

    /// As it is written in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UsageLimit => "usage_limit",
            Self::ModelUnavailable => "model_unavailable",
            Self::CredentialsRejected => "credentials_rejected",
            Self::Budget => "budget",
        }
    }

    /// The reason named so; `None` for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// What becomes of a run that meets a limit which ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// It waits, without a slot, and then continues its session.
    #[default]
    Wait,
    /// It fails at once.
    Fail,
}

impl OnLimit {
    /// Whether it is what is done where nobody says otherwise.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
