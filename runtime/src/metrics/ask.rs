//! How a scrape asks a task how things stand. The task then needs not count on the side, in step with what it does: it
//! says what is so, when somebody wants to know.

use tokio::sync::{mpsc, oneshot};

/// Scrapes that wait for an answer. More wait for a place, and each ends with its request.
const WAITING: usize = 4;

/// Asks. Clones ask the same task.
#[derive(Debug)]
pub struct Asker<T>(mpsc::Sender<Question<T>>);

impl<T> Clone for Asker<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Somebody waits for the answer.
#[derive(Debug)]
pub struct Question<T>(oneshot::Sender<T>);

/// The questions that a task gets. They end when nobody is left who could ask.
pub type Questions<T> = mpsc::Receiver<Question<T>>;

/// A way to ask, and the questions at its other end.
pub fn questions<T>() -> (Asker<T>, Questions<T>) {
    let (asker, questions) = mpsc::channel(WAITING);
    (Asker(asker), questions)
}

impl<T> Asker<T> {
    /// The answer; `None` if the task is gone, and with it soon the process.
    pub async fn ask(&self) -> Option<T> {
        let (question, answer) = oneshot::channel();
        self.0.send(Question(question)).await.ok()?;
        answer.await.ok()
    }
}

impl<T> Question<T> {
    /// Answers. It does not matter if nobody waits any more.
    pub fn answer(self, answer: T) {
        let _ = self.0.send(answer);
    }
}
