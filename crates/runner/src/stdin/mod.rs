//! The standard input of a program, which its run never waits for: a program that does not read must not hang it.

mod feed;

pub(crate) use feed::StdinFeed;

/// The writing end of a program's standard input.
#[derive(Debug)]
pub(crate) enum Stdin {
    /// There is none (any more).
    Closed,
    /// A pipe.
    Pipe(StdinFeed),
}

impl Stdin {
    /// Whether more can be pushed.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Closed => false,
            Self::Pipe(feed) => feed.is_open(),
        }
    }

    /// Whether [`write_some`](Self::write_some) has something to do.
    pub(crate) fn has_more(&self) -> bool {
        match self {
            Self::Closed => false,
            Self::Pipe(feed) => feed.has_more(),
        }
    }

    /// Waits until the program can take more and writes that.
    pub(crate) async fn write_some(&mut self) {
        if let Self::Pipe(feed) = self {
            feed.write_some().await;
        }
    }

    /// Writes more, now or in a later [`write_some`](Self::write_some). Where the input was closed it is dropped.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if let Self::Pipe(feed) = self {
            feed.push(bytes);
        }
    }

    /// Lets the program see the end of its input.
    pub(crate) fn close(&mut self) {
        *self = Self::Closed;
    }
}
