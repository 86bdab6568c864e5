//! Work that is done to its end, whoever asked for it.

use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that goes on in a task of its own where it is dropped before its end. Until then it is part of the task that waits
/// for it, which costs less than a task of its own from the start.
pub(super) struct Uninterrupted<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> Uninterrupted<F> {
    pub(super) fn new(work: F) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Uninterrupted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Nobody polls what has ended. What panics here must not go on.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Uninterrupted<F> {
    fn drop(&mut self) {
        // Where there is no runtime any more nothing can go on.
        if let (Some(work), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn it_gives_what_it_comes_to() {
        let work = Uninterrupted::new(async {
            tokio::task::yield_now().await;
            7
        });
        assert_eq!(work.await, 7);
    }

    #[tokio::test]
    async fn who_goes_away_does_not_stop_it() {
        let (go_on, waits) = oneshot::channel::<()>();
        let (says_done, done) = oneshot::channel();
        let work = Uninterrupted::new(async move {
            waits.await.expect("it is told");
            says_done.send(()).expect("it is heard");
        });
        timeout(Duration::from_millis(1), work).await.expect_err("nobody told it to go on");
        go_on.send(()).expect("it goes on");
        timeout(Duration::from_secs(5), done).await.expect("in time").expect("done");
    }
}
