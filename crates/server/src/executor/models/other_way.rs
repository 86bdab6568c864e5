//! Going on at once where another way to a model is open: by another credential, or to the next model of the operator's list.

use std::sync::atomic::Ordering;

use legwork_gateway::model_proxy::AllowedModels;
use legwork_model::{EventBody, FailureReason, Outcome, Task, Verdict, WaitReason};

use super::Access;
use crate::config::Config;
use crate::executor::prepared::Prepared;

/// The topic of the message that tells of one.
pub(in crate::executor) const OTHER_WAY: &str = "other_way_to_model";

/// So many other ways are taken in one attempt at the most.
const MOST: usize = 8;

/// Another way to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::executor) enum OtherWay {
    /// The same model, which another credential can pay for.
    Credential,
    /// Another model.
    Model(String),
}

impl OtherWay {
    /// What tells of it.
    pub(in crate::executor) fn event(&self, task: &Task) -> EventBody {
        let fields = match self {
            Self::Credential => [("to".to_owned(), "another credential".into())].into(),
            Self::Model(model) => {
                let before = task.model.clone().unwrap_or_else(|| "the agent's own choice".to_owned());
                [("from".to_owned(), before.into()), ("to".to_owned(), model.clone().into())].into()
            }
        };
        EventBody::Message { topic: OTHER_WAY.into(), fields }
    }
}

impl Access {
    /// Another way for a run that ended with `outcome`, if a limit or its model ended it and there is one.
    pub(in crate::executor) fn other_way(
        &self,
        prepared: &Prepared,
        outcome: &Outcome,
        config: &Config,
    ) -> Option<OtherWay> {
        let Verdict::Failed(failure) = &outcome.verdict else { return None };
        let resumes = prepared.agent.capabilities().resume && outcome.session_id.is_some();
        let has_said = outcome.usage.is_some_and(|usage| usage.output_tokens > 0);
        if self.turns.load(Ordering::Relaxed) >= MOST || (has_said && !resumes) {
            return None;
        }
        let way = match failure.reason {
            FailureReason::UsageLimit if self.pool.has_others() && self.pool.held(self.clock.now()).is_none() => {
                OtherWay::Credential
            }
            FailureReason::UsageLimit | FailureReason::ApiError => {
                let is_held = self.keeper.hindrance().is_some_and(|why| why.reason == WaitReason::ModelUnavailable);
                let fails = failure.api_status.is_some_and(|status| status == 404 || status >= 500);
                if !is_held && !fails {
                    return None;
                }
                let fallback = config.agent(prepared.agent.name()).fallback;
                let route = prepared.route.as_ref()?;
                OtherWay::Model(next_model(fallback, &prepared.task, &route.models)?)
            }
            _ => return None,
        };
        self.turns.fetch_add(1, Ordering::Relaxed);
        Some(way)
    }
}

/// The next model of the list after the present one that may be used; the first, where that is not in it.
fn next_model(fallback: Vec<String>, task: &Task, allowed: &AllowedModels) -> Option<String> {
    let present = fallback.iter().position(|model| Some(model) == task.model.as_ref());
    let mut rest = fallback.into_iter().skip(present.map_or(0, |present| present + 1));
    rest.find(|model| allowed.without(model).is_none())
}
