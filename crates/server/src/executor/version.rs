//! Whether an agent's program is too old to be talked to.

use legwork_agents::Agent;
use legwork_model::{Failure, FailureReason, Outcome, Verdict};

use super::execute::Executor;

/// The numbers of the first version in a text: `2.1.197 (Claude Code)`, `codex-cli 0.169.0`.
fn numbers(text: &str) -> Option<Vec<u64>> {
    let words = text.split(|character: char| character.is_whitespace() || "(),".contains(character));
    let version = |word: &str| {
        let word = word.trim_start_matches('v').trim_end_matches('.');
        let numbers: Result<Vec<u64>, _> =
            word.split(['-', '+']).next().unwrap_or(word).split('.').map(str::parse).collect();
        numbers.ok().filter(|numbers| numbers.len() > 1)
    };
    words.into_iter().find_map(version)
}

/// What is wrong with a program of this version; `None` where it is new enough, or nobody can tell.
pub fn too_old(agent: &dyn Agent, version: &str) -> Option<String> {
    let oldest = agent.oldest_version()?;
    let is_older = numbers(version)? < numbers(oldest)?;
    is_older.then(|| format!("{version} is too old: {oldest} or newer is needed. {}", agent.install_hint()))
}

impl Executor {
    /// A run that failed for no clear reason may have failed because the program is too old; then it says so.
    pub(super) async fn blame_age(&self, agent: &dyn Agent, outcome: &mut Outcome) {
        let Verdict::Failed(failure) = &mut outcome.verdict else { return };
        let unclear = matches!(
            failure.reason,
            FailureReason::ExitNonzero | FailureReason::IncompleteOutput | FailureReason::FirstEventTimeout
        );
        if !unclear || agent.oldest_version().is_none() {
            return;
        }
        if let Ok(version) = self.agent_health(agent.name(), false).await
            && let Some(problem) = too_old(agent, &version)
        {
            *failure = Failure::new(FailureReason::AgentTooOld, format!("{problem} ({})", failure.message));
        }
    }
}

#[cfg(test)]
mod tests {
    use legwork_agents::find_agent;

    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, version) in [
            ("2.1.197 (Claude Code)", Some(vec![2, 1, 197])),
            ("codex-cli 0.169.0", Some(vec![0, 169, 0])),
            ("GitHub Copilot CLI 1.0.102.", Some(vec![1, 0, 102])),
            ("v1.2.3-beta.4", Some(vec![1, 2, 3])),
            ("unknown", None),
        ] {
            assert_eq!(numbers(text), version, "{text}");
        }
    }

    #[test]
    fn an_old_program_is_named_with_what_is_needed() {
        let claude = find_agent("claude-code").expect("it is known");
        assert_eq!(too_old(claude, "2.1.197 (Claude Code)"), None);
        assert_eq!(too_old(claude, "who knows"), None);
        let problem = too_old(claude, "1.0.44 (Claude Code)").expect("it is too old");
        assert!(problem.contains("2.1.197 or newer is needed"), "{problem}");
    }
}
