//! Which step of which script comes next: a pure function of what was said so far.
//!
//! The model remembers nothing between requests; a request holds the whole conversation. A prompt starts a passage:
//! the answers that its steps make. How many tool results came since then tells which answer is due.

use super::directive;
use super::script::Script;
use super::step::{Step, StepError, shortened};

/// One thing that was said, in the order it was said. What instructs the model on the side (system prompts, reminders)
/// is no turn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// The user wrote this.
    Asked(String),
    /// A tool's result came back.
    ToolResult,
    /// The model answered.
    Answered,
}

/// The answer that is due.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Due {
    /// What it is made of.
    pub(crate) steps: Vec<Step>,
    /// Which turn asked for it, and how many answers that turn got before it: the same for every try.
    pub(crate) place: (usize, usize),
}

/// Finds the answer that is due after `turns`.
///
/// Steps in a prompt count before the rules of `script`; a prompt that is neither gets an answer that says what this
/// is. Text that comes before a script has come to its end, such as a hook's remark, does not start another.
pub(crate) fn due(turns: &[Turn], script: &Script) -> Result<Due, StepError> {
    let (mut passage, mut fault): (Option<Passage>, _) = (None, None);
    for (index, turn) in turns.iter().enumerate() {
        match (turn, &mut passage) {
            (Turn::Asked(prompt), current) => match directive::scan(prompt) {
                Ok(steps) if !steps.is_empty() => passage = Some(Passage::new(index, &steps)),
                Ok(_) if current.as_ref().is_none_or(Passage::is_over) => {
                    passage = Some(Passage::new(index, &unscripted(prompt, script)));
                }
                Ok(_) => {}
                Err(error) => (passage, fault) = (None, Some(error)),
            },
            (Turn::ToolResult, Some(passage)) => passage.results += 1,
            (Turn::Answered, Some(passage)) => passage.answered += 1,
            (_, None) => {}
        }
    }
    match (passage, fault) {
        (Some(passage), _) => Ok(passage.due()),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Passage::new(0, &[introduction("")]).due()),
    }
}

/// One prompt's answers, and how far they got.
struct Passage {
    asked: usize,
    answers: Vec<Vec<Step>>,
    results: usize,
    answered: usize,
}

impl Passage {
    fn new(asked: usize, steps: &[Step]) -> Self {
        Self { asked, answers: answers(steps), results: 0, answered: 0 }
    }

    /// Whether its last answer was given, so that a prompt without steps starts another passage.
    fn is_over(&self) -> bool {
        self.answered >= self.answers.len() && !self.answers.iter().any(|answer| may_break_off(answer))
    }

    fn due(mut self) -> Due {
        let number = self.results.min(self.answers.len() - 1);
        Due { steps: self.answers.swap_remove(number), place: (self.asked, self.results) }
    }
}

/// Whether an answer may be left unfinished: it never ends, grows too long, or goes wrong after it has begun. Agents
/// then ask for the rest of it in words of their own, which are no new prompt.
fn may_break_off(answer: &[Step]) -> bool {
    let mut begun = answer.iter().skip_while(|step| matches!(step, Step::Mishap(..)));
    begun.any(|step| matches!(step, Step::Loop(_) | Step::Truncate | Step::Mishap(..)))
}

/// Cuts steps into answers. A tool call ends an answer, since its result must come first; what follows the last call
/// is the last answer. There is always at least one.
fn answers(steps: &[Step]) -> Vec<Vec<Step>> {
    let mut answers: Vec<_> =
        steps.split_inclusive(|step| matches!(step, Step::Call(_) | Step::Loop(_))).map(<[Step]>::to_vec).collect();
    let calls = steps.iter().filter(|step| matches!(step, Step::Call(_))).count();
    match answers.iter().position(|answer| matches!(answer.last(), Some(Step::Loop(_)))) {
        Some(endless) => answers.truncate(endless + 1),
        None if calls == answers.len() => answers.push(vec![Step::Say(farewell(calls))]),
        None => {}
    }
    answers
}

fn unscripted(prompt: &str, script: &Script) -> Vec<Step> {
    script.steps_for(prompt).map_or_else(|| vec![introduction(prompt)], <[Step]>::to_vec)
}

fn introduction(prompt: &str) -> Step {
    let words = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    let about = if words.is_empty() { String::new() } else { format!(" You asked: “{}”.", shortened(&words, 80)) };
    Step::Say(format!(
        "Hello! This is a rehearsal: I am a scripted stand-in, no real model was asked.{about} \
         Write steps in double square brackets into the prompt, and I act them out."
    ))
}

fn farewell(calls: usize) -> String {
    match calls {
        1 => "Done: I made the one tool call of this rehearsal.".to_owned(),
        calls => format!("Done: I made all {calls} tool calls of this rehearsal."),
    }
}

#[cfg(test)]
mod tests {
    use super::Turn::{Answered, ToolResult};
    use super::*;

    fn asked(text: &str) -> Turn {
        Turn::Asked(text.to_owned())
    }

    /// What the answer that is due says, or which tool it calls.
    fn due_after(turns: &[Turn]) -> String {
        let script = Script::parse("[[rule]]\nmatch = \"by rule\"\nsteps = [\"bash: rule\", \"say: ruled\"]").unwrap();
        let steps = due(turns, &script).unwrap().steps;
        steps.iter().map(|step| format!("{step:?}")).collect::<Vec<_>>().join(" ")
    }

    fn check(turns: &[Turn], expected: &str) {
        let due = due_after(turns);
        assert!(due.contains(expected), "{due} does not hold {expected}");
    }

    #[test]
    fn every_tool_result_leads_to_the_next_answer() {
        let mut turns = vec![asked("[[say: a]] [[bash: b]] [[read: c]] [[think: d]] [[say: e]]")];
        assert_eq!(due_after(&turns), r#"Say("a") Call(Bash { command: "b" })"#);
        turns.extend([Answered, ToolResult]);
        assert_eq!(due_after(&turns), r#"Call(Read { path: "c" })"#);
        turns.extend([Answered, ToolResult]);
        assert_eq!(due_after(&turns), r#"Think("d") Say("e")"#);
    }

    #[test]
    fn a_script_of_calls_alone_ends_with_a_text() {
        check(&[asked("[[bash: a]] [[bash: b]]"), Answered, ToolResult, Answered, ToolResult], "all 2 tool calls");
    }

    #[test]
    fn a_later_prompt_starts_its_own_passage() {
        let first = [asked("[[bash: a]] [[say: x]]"), Answered, ToolResult, Answered];
        check(&[&first[..], &[asked("[[bash: b]]")]].concat(), "command: \"b\"");
        check(&[&first[..], &[asked("and now?")]].concat(), "You asked: “and now?”");
        check(&[&first[..], &[asked("by rule")]].concat(), "command: \"rule\"");
        check(&[asked("[[error: 429 x1]] [[say: x]]"), Answered, asked("and now?")], "You asked: “and now?”");
    }

    #[test]
    fn a_prompt_whose_answer_failed_gives_way_to_the_next() {
        check(&[asked("[[error: 401]]"), asked("[[say: again]]")], "again");
    }

    #[test]
    fn a_step_written_wrong_fails_until_the_next_prompt() {
        assert!(due(&[asked("[[error: soon]]")], &Script::default()).is_err());
        check(&[asked("[[error: soon]]"), asked("[[say: again]]")], "again");
    }

    #[test]
    fn remarks_while_a_script_runs_do_not_disturb_it() {
        check(&[asked("[[bash: a]] [[say: end]]"), Answered, asked("remark"), ToolResult, asked("by rule")], "end");
        check(&[asked("[[truncate]]"), Answered, asked("Go on.")], "Truncate");
        check(&[asked("[[say: a]] [[error: 529 x1]] [[say: b]]"), Answered, asked("Go on.")], "Say(\"b\")");
    }

    #[test]
    fn a_loop_never_ends() {
        let turns =
            [asked("[[loop: Bash true]] [[say: never]]"), Answered, ToolResult, Answered, ToolResult, asked("stop")];
        assert_eq!(due_after(&turns), r#"Loop(Bash { command: "true" })"#);
    }

    #[test]
    fn rules_answer_what_has_no_steps() {
        check(&[asked("go by rule")], "command: \"rule\"");
        check(&[asked("go by rule"), Answered, ToolResult], "ruled");
        check(&[asked("go by rule [[say: mine]]")], "mine");
    }

    #[test]
    fn the_place_is_the_same_for_every_try_and_differs_between_answers() {
        let place = |turns: &[Turn]| due(turns, &Script::default()).unwrap().place;
        assert_eq!(place(&[asked("[[bash: a]]")]), (0, 0));
        assert_eq!(place(&[asked("[[bash: a]]"), Answered, ToolResult]), (0, 1));
        assert_eq!(place(&[asked("hi"), Answered, asked("[[say: b]]")]), (2, 0));
    }

    #[test]
    fn a_long_prompt_is_quoted_in_part() {
        check(&[asked(&"é".repeat(100))], &format!("“{}…”", "é".repeat(80)));
        check(&[], "Hello!");
    }
}
