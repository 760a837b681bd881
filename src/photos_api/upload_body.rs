//! The body of an upload: a stretch of a file, of exact length, hashed on its way.
//!
//! Buffers are read on the blocking pool, one ahead of the one being sent, and hashed there. The
//! length is fixed when the body is made: a file that has become shorter is an error, bytes added
//! at its end are not sent. Reqwest buries the cause of a failing body several sources deep, so it
//! is kept beside, in [`Sent`].

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{
    task::JoinHandle,
    time::{Instant, Sleep},
};

use crate::{
    failpoint::{self, Moment},
    model::ids::ContentHash,
};

use super::bandwidth::Bandwidth;

/// A stretch of a file on its way to the service.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<File>,
    at: u64,
    unread: u64,
    left: u64,
    context: Stage,
    bandwidth: Bandwidth,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Reading(JoinHandle<io::Result<Bytes>>),
    HeldBack(Bytes, Pin<Box<Sleep>>),
}

#[derive(Debug)]
struct Shared {
    size: u64,
    sent: AtomicU64,
    offset: u64,
    held_back: AtomicBool,
    position: Arc<AtomicU64>,
    hasher: Mutex<blake3::Hasher>,
    fault: Mutex<Option<io::Error>>,
}

/// What is known of a [`FileBody`] from outside; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sent(Arc<Shared>);

impl FileBody {
    /// `size` bytes of `file` from `offset` on.
    ///
    /// `hasher` has seen what lies before `offset` (for a whole file: nothing). `position` is set to
    /// the place in the file up to which bytes have been handed to the connection. The cursor of
    /// `file` is moved: one body at a time.
    pub fn new(
        file: Arc<File>,
        offset: u64,
        size: u64,
        hasher: blake3::Hasher,
        position: Arc<AtomicU64>,
        bandwidth: Bandwidth,
    ) -> Self {
        position.store(offset, Ordering::Relaxed);
        Self {
            file,
            at: offset,
            unread: size,
            left: size,
            context: Stage::Idle,
            bandwidth,
            shared: Arc::new(Shared {
                size,
                sent: AtomicU64::new(0),
                offset,
                held_back: AtomicBool::new(false),
                position,
                hasher: Mutex::new(hasher),
                fault: Mutex::new(None),
            }),
        }
    }

    /// How many bytes it sends.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// What is known of it from outside, also after it is gone.
    pub fn sent(&self) -> Sent {
        Sent(Arc::clone(&self.shared))
    }

    /// Starts to read the next buffer on the blocking pool.
    fn read(&mut self) -> JoinHandle<io::Result<Bytes>> {
        let len = self.unread.min(self.bandwidth.buffer());
        let (file, shared, at) = (Arc::clone(&self.file), Arc::clone(&self.shared), self.at);
        self.unread -= len;
        self.at += len;
        tokio::task::spawn_blocking(move || read(&file, at, len, &shared))
    }

    /// Hands a buffer over, with the next one already being read.
    fn hand_over(&mut self, buffer: Bytes) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let len = buffer.len() as u64;
        self.left = self.left.saturating_sub(len);
        self.context = if self.unread > 0 {
            Stage::Reading(self.read())
        } else {
            Stage::Idle
        };
        let sent = self.shared.sent.fetch_add(len, Ordering::Release) + len;
        self.shared
            .position
            .store(self.shared.offset + sent, Ordering::Relaxed);
        failpoint::point(Moment::MidBody);
        Poll::Ready(Some(Ok(Frame::data(buffer))))
    }

    /// Keeps the cause where the caller finds it, and fails the request.
    fn fail(&mut self, error: io::Error) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.context = Stage::Idle;
        self.left = 0;
        self.unread = 0;
        let told = io::Error::new(error.kind(), "the file cannot be read");
        *lock(&self.shared.fault) = Some(error);
        Poll::Ready(Some(Err(told)))
    }
}

fn read(file: &File, at: u64, len: u64, shared: &Shared) -> io::Result<Bytes> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    let mut buffer = vec![0; len];
    let mut file = file;
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut buffer).map_err(|error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            io::Error::new(error.kind(), "the file has become shorter")
        } else {
            error
        }
    })?;
    lock(&shared.hasher).update(&buffer);
    Ok(buffer.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.context {
                Stage::Idle if this.unread == 0 => return Poll::Ready(None),
                Stage::Idle => this.context = Stage::Reading(this.read()),
                Stage::Reading(reading) => {
                    let buffer = match ready!(Pin::new(reading).poll(cx)) {
                        Ok(Ok(buffer)) => buffer,
                        Ok(Err(error)) => return this.fail(error),
                        Err(error) => return this.fail(io::Error::other(error)),
                    };
                    match this.bandwidth.book(buffer.len() as u64, Instant::now()) {
                        None => return this.hand_over(buffer),
                        Some(start) => {
                            this.shared.held_back.store(true, Ordering::Relaxed);
                            let sleep = Box::pin(tokio::time::sleep_until(start));
                            this.context = Stage::HeldBack(buffer, sleep);
                        }
                    }
                }
                Stage::HeldBack(buffer, sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    let buffer = std::mem::take(buffer);
                    this.shared.held_back.store(false, Ordering::Relaxed);
                    return this.hand_over(buffer);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Sent {
    /// How many bytes were handed to the connection.
    pub fn bytes(&self) -> u64 {
        self.0.sent.load(Ordering::Acquire)
    }

    /// Whether all were.
    pub fn is_whole(&self) -> bool {
        self.bytes() == self.0.size
    }

    /// The hash of what was sent, with what the hasher had seen before; none before all is sent.
    pub fn hash(&self) -> Option<ContentHash> {
        self.hasher()
            .map(|hasher| ContentHash(*hasher.finalize().as_bytes()))
    }

    /// The hasher after the last byte, for the next stretch of the same file.
    pub fn hasher(&self) -> Option<blake3::Hasher> {
        self.is_whole().then(|| lock(&self.0.hasher).clone())
    }

    /// Whether the bandwidth limit is what keeps it.
    pub(super) fn is_held_back(&self) -> bool {
        self.0.held_back.load(Ordering::Relaxed)
    }

    /// Why the file could not be read; told once.
    pub(super) fn take_fault(&self) -> Option<io::Error> {
        lock(&self.0.fault).take()
    }

    /// A request without bytes.
    pub(super) fn nothing() -> Self {
        Self(Arc::new(Shared {
            size: 0,
            sent: AtomicU64::new(0),
            offset: 0,
            held_back: AtomicBool::new(false),
            position: Arc::default(),
            hasher: Mutex::default(),
            fault: Mutex::default(),
        }))
    }
}

/// A panic elsewhere does not make the value wrong: each is replaced or updated whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "upload_body_tests.rs"]
mod tests;
