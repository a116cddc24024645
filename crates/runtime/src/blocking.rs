//! Blocking work under way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};

/// Waits for blocking work, which goes on when this is dropped. Fails when the work panicked.
#[derive(Debug)]
pub struct Blocking<T>(State<T>);

#[derive(Debug)]
enum State<T> {
    OnThread(JoinHandle<T>),
    Done(Option<T>),
}

impl<T> Blocking<T> {
    pub(crate) const fn on_thread(work: JoinHandle<T>) -> Self {
        Self(State::OnThread(work))
    }

    pub(crate) const fn done(outcome: T) -> Self {
        Self(State::Done(Some(outcome)))
    }
}

/// Nothing in it is pinned.
impl<T> Unpin for Blocking<T> {}

impl<T> Future for Blocking<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::OnThread(work) => Pin::new(work).poll(context),
            State::Done(outcome) => {
                Poll::Ready(Ok(outcome.take().expect("polled once it was ready")))
            }
        }
    }
}
