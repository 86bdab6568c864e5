//! What an agent's messages mean.

use legwork_model::{EventBody, Failure, FailureReason, Verdict};
use serde_json::{Value, json};

use super::{Conversation, Stage};
use crate::acp::calls::{self, Call};
use crate::acp::permission::{Asked, allowed_by_mode};
use crate::acp::wire::{Chunk, Initialized, Opened, PermissionAsked, Prompted, RpcError, SessionUpdate, ToolFields};
use crate::acp::{tools, turn};
use crate::agent::Decoded;
use crate::ending::unknown_session;
use crate::fields::{Fields, message, parse};
use crate::lines::push;
use crate::permissions::{Wanted, name_of};

impl Conversation {
    pub(super) fn answered(
        &mut self,
        id: u64,
        result: Result<Value, RpcError>,
        decoded: &mut Vec<Decoded>,
    ) -> Option<()> {
        let call = self.calls.answered(id)?;
        match result {
            Err(error) => self.refused(call, &error, decoded),
            Ok(result) => match call {
                Call::Initialize => self.started(parse(result).unwrap_or_default(), decoded),
                Call::Authenticate => self.open_session(decoded),
                Call::NewSession | Call::LoadSession => self.opened(call, parse(result).unwrap_or_default(), decoded),
                Call::SetMode => self.ready(decoded),
                Call::Prompt => self.prompted(result, decoded),
            },
        }
        Some(())
    }

    fn refused(&mut self, call: Call, error: &RpcError, decoded: &mut Vec<Decoded>) {
        let unknown = call == Call::LoadSession && (self.dialect.unknown_session)(error);
        let failure = if unknown {
            unknown_session(&self.job.agent)
        } else {
            turn::failure(&self.job.agent, self.dialect, error)
        };
        if call == Call::Prompt {
            self.speech.ended(decoded);
            self.end_turn(Verdict::Failed(failure), None, decoded);
        } else {
            self.fail(failure, decoded);
        }
    }

    fn started(&mut self, initialized: Initialized, decoded: &mut Vec<Decoded>) {
        self.version = initialized.agent_info.version;
        if self.job.prompt.is_none() && self.opening.is_none() {
            self.stage = Stage::Waiting;
            decoded.push(Decoded::Ready);
        } else {
            self.open(decoded);
        }
    }

    fn opened(&mut self, call: Call, opened: Opened, decoded: &mut Vec<Decoded>) {
        let loaded = self.job.resume.clone().filter(|_| call == Call::LoadSession);
        self.session_id = opened.session_id.or(loaded);
        let model = opened.models.current_model_id.or_else(|| self.job.model.clone());
        let started = EventBody::Started {
            session_id: self.session_id.clone(),
            model,
            tools: Vec::new(),
            version: self.version.clone(),
        };
        push(decoded, started);
        if call == Call::LoadSession && self.dialect.replay_ends_with.is_some() {
            self.stage = Stage::Replaying;
            return;
        }
        let wanted = self.job.mode.as_deref().and_then(self.dialect.mode);
        match wanted.and_then(|name| opened.modes.available_modes.into_iter().find(|mode| mode.id.ends_with(name))) {
            Some(mode) => {
                let params = json!({"sessionId": self.session_id, "modeId": mode.id});
                self.call(Call::SetMode, &params, decoded);
            }
            None => self.ready(decoded),
        }
    }

    fn ready(&mut self, decoded: &mut Vec<Decoded>) {
        self.stage = Stage::Idle;
        self.go_on(decoded);
    }

    fn prompted(&mut self, result: Value, decoded: &mut Vec<Decoded>) {
        let answer = self.speech.ended(decoded);
        let Some(turn) = parse::<Prompted>(result) else {
            let message = format!("{} ended its turn without a reason.", self.job.agent);
            return self.end_turn(Verdict::failed(FailureReason::AgentError, message), None, decoded);
        };
        for (model, usage) in self.accounts.add(&turn, self.job.model.as_ref()) {
            push(decoded, EventBody::Usage { model, usage, call: None });
        }
        let verdict = turn::judge(&self.job.agent, self.dialect, &turn.stop_reason, answer.as_ref());
        self.end_turn(verdict, answer.map(|answer| answer.text), decoded);
    }

    /// The turn is over. Only where no message waits is there nothing more to come.
    pub(super) fn end_turn(&mut self, verdict: Verdict, result: Option<String>, decoded: &mut Vec<Decoded>) {
        let is_error = verdict != Verdict::Succeeded;
        if !is_error {
            self.answer.clone_from(&result);
        }
        push(decoded, EventBody::TurnEnded { result, is_error });
        self.permissions.close_all();
        self.verdict = Some(verdict);
        self.stage = Stage::Idle;
        if self.messages.is_empty() {
            decoded.push(Decoded::TurnEnded);
        }
        self.go_on(decoded);
    }

    /// There will be no session.
    pub(super) fn fail(&mut self, failure: Failure, decoded: &mut Vec<Decoded>) {
        self.stage = Stage::Failed;
        self.verdict = Some(Verdict::Failed(failure));
        self.messages.clear();
        push(decoded, EventBody::TurnEnded { result: None, is_error: true });
        decoded.push(Decoded::TurnEnded);
    }

    /// A further message changes nothing about that.
    pub(super) fn fail_again(&mut self, decoded: &mut Vec<Decoded>) {
        self.messages.clear();
        decoded.push(Decoded::TurnStarted);
        push(decoded, EventBody::TurnEnded { result: None, is_error: true });
        decoded.push(Decoded::TurnEnded);
    }

    pub(super) fn asked(&mut self, id: Value, method: &str, params: Value, decoded: &mut Vec<Decoded>) -> Option<()> {
        if method != "session/request_permission" {
            decoded.push(calls::refuse(&id, method));
            return Some(());
        }
        let PermissionAsked { tool_call, options } = parse(params)?;
        let told: ToolFields = parse(tool_call)?;
        // Some agents do not tell of a call before they ask whether they may make it.
        self.tools.introduce(&told, self.dialect, &mut self.speech, decoded);
        let input = tools::input(&told, self.dialect);
        let tool = self.tools.tool(&told, self.dialect);
        let wanted = Wanted::new(tool, input, self.dialect.risk).of_call(Some(told.tool_call_id));
        let mode_allows = allowed_by_mode(self.job.mode.as_deref(), &self.job.tools, &wanted);
        let asked = Asked { id, options };
        match self.permissions.decide(&wanted, mode_allows) {
            Some(decision) => {
                decoded.push(asked.answer(decision.allowed));
                decoded.extend(decision.event(name_of(&asked.id), wanted).map(Decoded::Event));
            }
            None => push(decoded, self.permissions.ask(name_of(&asked.id), wanted, asked)),
        }
        Some(())
    }

    pub(super) fn update(&mut self, params: Value, decoded: &mut Vec<Decoded>) -> Option<()> {
        let SessionUpdate { mut update } = parse(params)?;
        let Value::String(kind) = update.remove("sessionUpdate")? else { return None };
        if self.is_old(&kind) {
            return Some(());
        }
        match kind.as_str() {
            "agent_message_chunk" => self.said(&text(update)?, decoded),
            "agent_thought_chunk" => self.speech.think(&text(update)?, decoded),
            "tool_call" | "tool_call_update" => {
                self.tools.told(&parse(update)?, self.dialect, &mut self.speech, decoded);
            }
            _ => {
                let ends_replay = self.dialect.replay_ends_with == Some(kind.as_str());
                push(decoded, message(kind, update));
                if ends_replay && self.stage == Stage::Replaying {
                    self.ready(decoded);
                }
            }
        }
        Some(())
    }

    fn said(&mut self, piece: &str, decoded: &mut Vec<Decoded>) {
        if (self.dialect.notice)(piece) {
            self.speech.flush(decoded);
            push(decoded, message("notice", [("text", piece.into())]));
        } else {
            self.speech.say(piece, decoded);
        }
    }

    /// What was said and done in a session that is being loaded was told when it happened.
    fn is_old(&self, kind: &str) -> bool {
        const TOLD: [&str; 6] = [
            "agent_message_chunk",
            "agent_thought_chunk",
            "plan",
            "tool_call",
            "tool_call_update",
            "user_message_chunk",
        ];
        matches!(self.stage, Stage::Opening | Stage::Replaying) && TOLD.contains(&kind)
    }
}

/// The text of a chunk; what is no text is only named (`[image]`).
fn text(update: Fields) -> Option<String> {
    let Chunk { mut content } = parse(update)?;
    match (content.remove("text"), content.remove("type")?) {
        (Some(Value::String(text)), _) => Some(text),
        (_, Value::String(kind)) => Some(format!("[{kind}]")),
        _ => None,
    }
}

/// What a notification says.
pub(super) fn fields_of(params: Value) -> Fields {
    match params {
        Value::Object(fields) => fields,
        Value::Null => Fields::new(),
        other => [("params".to_owned(), other)].into_iter().collect(),
    }
}
