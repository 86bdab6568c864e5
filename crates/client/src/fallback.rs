//! What to do when a service does not answer: ask another, leave the call for later, or make do without.

use std::sync::Arc;

use crate::{Call, Error, Executor, Output, RedisExecutor};

/// How a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// By an executor.
    Output(Output),
    /// Not yet: it waits in the durable stream. [`RedisExecutor::execute_as`] with this id gives its output.
    Queued {
        /// The call's id in the stream.
        id: String,
    },
    /// By a text that was made before.
    Stub(String),
}

/// A chain of ways to answer a call. The next is taken where the one before may be helped by somebody else
/// ([`Error::may_succeed_elsewhere`]); what is wrong with the call itself ends the chain.
///
/// A call that an executor gave up may still run there: what comes after it in the chain may do it again.
pub struct Fallback(Vec<Step>);

enum Step {
    Executor(Arc<dyn Executor>),
    Queue(Arc<RedisExecutor>),
    Stub(String),
}

impl Fallback {
    /// First asks this one.
    pub fn from(executor: impl Executor + 'static) -> Self {
        Self(vec![Step::Executor(Arc::new(executor))])
    }

    /// Then this one, such as another provider.
    #[must_use]
    pub fn or(self, executor: impl Executor + 'static) -> Self {
        self.and(Step::Executor(Arc::new(executor)))
    }

    /// Then leaves the call in the durable stream.
    #[must_use]
    pub fn or_queue(self, queue: Arc<RedisExecutor>) -> Self {
        self.and(Step::Queue(queue))
    }

    /// Then gives this text, to calls that are not critical.
    #[must_use]
    pub fn or_stub(self, text: impl Into<String>) -> Self {
        self.and(Step::Stub(text.into()))
    }

    /// Answers by the first that can.
    ///
    /// # Errors
    /// What is wrong with the call, or the error of the last that was asked.
    pub async fn execute(&self, call: &Call) -> Result<Answer, Error> {
        let mut last = Error::Transport("nobody was asked".into());
        for step in &self.0 {
            match step.answer(call).await {
                Some(Err(error)) if error.may_succeed_elsewhere() => last = error,
                Some(ended) => return ended,
                None => {}
            }
        }
        Err(last)
    }

    fn and(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

impl Step {
    /// `None` where this is not for such a call.
    async fn answer(&self, call: &Call) -> Option<Result<Answer, Error>> {
        Some(match self {
            Self::Executor(executor) => executor.execute(call).await.map(Answer::Output),
            Self::Queue(queue) => queue.enqueue(call).await.map(|id| Answer::Queued { id }),
            Self::Stub(_) if call.critical => return None,
            Self::Stub(text) => Ok(Answer::Stub(text.clone())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Executing;

    /// Always gives the same.
    struct Always(Result<Output, Error>);

    impl Executor for Always {
        fn execute<'a>(&'a self, _: &'a Call) -> Executing<'a> {
            Box::pin(async move { self.0.clone() })
        }
    }

    fn gives(text: &str) -> Always {
        Always(Ok(output(text)))
    }

    fn output(text: &str) -> Output {
        Output { text: text.into(), duration: None, execution_id: None }
    }

    const FULL: Error = Error::RateLimited { retry_after: None };

    #[tokio::test]
    async fn the_next_is_asked_where_it_may_help() {
        let chain = Fallback::from(Always(Err(FULL))).or(gives("second")).or(gives("third"));
        assert_eq!(chain.execute(&Call::new("x")).await, Ok(Answer::Output(output("second"))));
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_call_ends_the_chain() {
        let wrong = Error::Invalid { field: Some("cwd".into()), code: None, message: "outside".into() };
        for error in [wrong, Error::Unauthorized] {
            let chain = Fallback::from(Always(Err(error.clone()))).or(gives("second")).or_stub("stub");
            assert_eq!(chain.execute(&Call::new("x").non_critical()).await, Err(error));
        }
    }

    #[tokio::test]
    async fn a_stub_answers_only_what_is_not_critical() {
        let chain = Fallback::from(Always(Err(FULL))).or_stub("later");
        assert_eq!(chain.execute(&Call::new("x").non_critical()).await, Ok(Answer::Stub("later".into())));
        assert_eq!(chain.execute(&Call::new("x")).await, Err(FULL));
    }
}
