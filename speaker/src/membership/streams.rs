//! The TCP side of membership: everything that two members know, and pings where datagrams do not get through. Owns the
//! connections, their number and their deadlines. Never keeps what it reads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metallb_protocol::memberlist::message::{Ack, Ping, PushPull};
use metallb_protocol::memberlist::stream::{Collector, Content, Direction, Progress};
use metallb_protocol::memberlist::{Refusal, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::driver::nonce;

/// Connections of each direction at one time. Members connect twice a minute and are done in milliseconds; a stranger's
/// connection occupies its place until its deadline. When all are taken, those that come wait in the kernel's queue, and
/// those that we would open are left out: the machine asks again.
const CONNECTIONS: usize = 16;

/// What a read takes in at a time.
const PIECE_BYTES: usize = 4096;

/// What a stream tells the driver, or asks it.
#[derive(Debug)]
pub(super) enum Said {
    /// Another member told everything, and wants our side.
    Exchange(PushPull, oneshot::Sender<PushPull>),
    /// Another member asks whether we are there; none if it means somebody else.
    Ping(Ping, oneshot::Sender<Option<Ack>>),
    /// The answer to what we told another member.
    Answered(PushPull),
    /// The answer to our ping of this number.
    Contacted(u32),
    /// Why something was not read.
    Refused(SocketAddr, Refusal),
}

/// Why a stream brought nothing.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("the connection failed")]
    Io(#[from] std::io::Error),
    #[error("the other side closed the connection too early")]
    Closed,
    #[error("it took too long")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the other side could not read what it was sent: {0}")]
    Remote(String),
    #[error("the other side said something else than it was asked")]
    Unexpected,
    #[error("this member ends")]
    Ending,
}

/// Opens streams, and answers those that others open.
#[derive(Clone)]
pub(super) struct Streams {
    wire: Arc<Wire>,
    timeout: Duration,
    said: mpsc::Sender<Said>,
    outgoing: Arc<Semaphore>,
    incoming: Arc<Semaphore>,
}

impl Streams {
    /// Everything that is read goes to `said`.
    pub(super) fn new(wire: Arc<Wire>, timeout: Duration, said: mpsc::Sender<Said>) -> Self {
        Self {
            wire,
            timeout,
            said,
            outgoing: Arc::new(Semaphore::new(CONNECTIONS)),
            incoming: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// The next stream that another member opens, once there is a place for it.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.incoming).acquire_owned().await;
        let place = place.map_err(|_| std::io::Error::other("the places for streams are gone"))?;
        let (stream, from) = listener.accept().await?;
        Ok((stream, from, place))
    }

    /// Answers a stream, in the background.
    pub(super) fn answer(&self, stream: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit) {
        let streams = self.clone();
        tokio::spawn(async move {
            let deadline = Instant::now() + streams.timeout;
            let outcome = timeout_at(deadline, streams.serve(stream)).await;
            streams
                .settle(from, outcome.map_err(StreamError::from).flatten())
                .await;
            drop(place);
        });
    }

    /// Tells `to` everything and brings back what it knows, in the background. Whether there was a place for it.
    pub(super) fn exchange(&self, to: SocketAddr, state: PushPull) -> bool {
        let streams = self.clone();
        self.open(to, Instant::now() + self.timeout, async move {
            match streams.ask(to, Content::PushPull(state)).await? {
                Content::PushPull(theirs) => streams.tell(Said::Answered(theirs)).await,
                other => Err(unexpected(other)),
            }
        })
    }

    /// Asks `to` whether it is there, in the background. Whether there was a place for it.
    pub(super) fn ping(&self, to: SocketAddr, ping: Ping, deadline: Instant) -> bool {
        let streams = self.clone();
        self.open(to, deadline, async move {
            let sequence = ping.sequence;
            match streams.ask(to, Content::Ping(ping)).await? {
                Content::Ack(ack) if ack.sequence == sequence => {
                    streams.tell(Said::Contacted(sequence)).await
                }
                other => Err(unexpected(other)),
            }
        })
    }

    fn open<F>(&self, to: SocketAddr, deadline: Instant, stream: F) -> bool
    where
        F: Future<Output = Result<(), StreamError>> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.outgoing).try_acquire_owned() else {
            return false;
        };
        let streams = self.clone();
        tokio::spawn(async move {
            let outcome = timeout_at(deadline, stream).await;
            streams
                .settle(to, outcome.map_err(StreamError::from).flatten())
                .await;
            drop(place);
        });
        true
    }

    async fn ask(&self, to: SocketAddr, question: Content) -> Result<Content, StreamError> {
        let mut stream = TcpStream::connect(to).await?;
        self.write(&mut stream, &question, Direction::Asking).await?;
        self.read(&mut stream, Direction::Answering).await
    }

    async fn serve(&self, mut stream: TcpStream) -> Result<(), StreamError> {
        let question = match self.read(&mut stream, Direction::Asking).await {
            Ok(question) => question,
            Err(StreamError::Refused(refusal)) => {
                // Its author reads this in the log of the other side, as with Go's library.
                let error = Content::Error(refusal.to_string());
                self.write(&mut stream, &error, Direction::Answering).await?;
                return Err(refusal.into());
            }
            Err(error) => return Err(error),
        };
        let answer = match question {
            Content::PushPull(theirs) => {
                let (reply, ours) = oneshot::channel();
                self.tell(Said::Exchange(theirs, reply)).await?;
                Content::PushPull(ours.await.map_err(|_| StreamError::Ending)?)
            }
            Content::Ping(ping) => {
                let (reply, ack) = oneshot::channel();
                self.tell(Said::Ping(ping, reply)).await?;
                match ack.await.map_err(|_| StreamError::Ending)? {
                    Some(ack) => Content::Ack(ack),
                    None => return Ok(()),
                }
            }
            Content::User(_) => return Ok(()),
            other => return Err(unexpected(other)),
        };
        self.write(&mut stream, &answer, Direction::Answering).await
    }

    async fn write(
        &self,
        stream: &mut TcpStream,
        content: &Content,
        way: Direction,
    ) -> Result<(), StreamError> {
        let bytes = self.wire.stream(content, way, nonce());
        Ok(stream.write_all(&bytes).await?)
    }

    async fn read(&self, stream: &mut TcpStream, way: Direction) -> Result<Content, StreamError> {
        let mut collector = Collector::new(way);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = stream.read(&mut piece).await?;
            if length == 0 {
                return Err(StreamError::Closed);
            }
            if let Progress::Complete(content) = collector.take(&piece[..length], &self.wire)? {
                return Ok(content);
            }
        }
    }

    async fn tell(&self, said: Said) -> Result<(), StreamError> {
        self.said.send(said).await.map_err(|_| StreamError::Ending)
    }

    /// What strangers and dead members do is counted, and of interest only to who looks for it.
    async fn settle(&self, peer: SocketAddr, outcome: Result<(), StreamError>) {
        match outcome {
            Ok(()) => {}
            Err(StreamError::Refused(refusal)) => {
                let _ = self.said.send(Said::Refused(peer, refusal)).await;
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(%peer, error, "a stream of the membership protocol ended without result");
            }
        }
    }
}

fn unexpected(content: Content) -> StreamError {
    match content {
        Content::Error(text) => StreamError::Remote(text),
        Content::Ping(_) | Content::Ack(_) | Content::PushPull(_) | Content::User(_) => {
            StreamError::Unexpected
        }
    }
}
