//! The body of an upload: a range of a file, hashed, throttled, with a stall timeout.
//!
//! Buffers are read and hashed on the blocking pool, one ahead of the one being sent. The length is
//! fixed when the body is created: a file that became shorter is an error, appended bytes are not
//! sent. The error of a failed read is stored in [`Sent`], because reqwest hides it several sources deep.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
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

use super::{
    bandwidth::Bandwidth,
    error::{Error, Kind},
    transport::Timeouts,
};

/// The most bytes that the kernel buffers of a connection: the usual maximum of `net.ipv4.tcp_wmem`.
const KERNEL_BUFFER_MAX: u64 = 4 << 20;

/// The longest additional timeout for buffered bytes.
const EXTRA_MAX: Duration = Duration::from_mins(10);

/// A range of a file, as a request body.
#[derive(Debug)]
pub struct FileBody {
    file: Arc<File>,
    at: u64,
    unread: u64,
    left: u64,
    state: ReadState,
    bandwidth: Bandwidth,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum ReadState {
    Idle,
    Reading(JoinHandle<io::Result<Bytes>>),
    Throttled(Bytes, Pin<Box<Sleep>>),
}

#[derive(Debug)]
struct Shared {
    size: u64,
    sent: AtomicU64,
    offset: u64,
    throttled: AtomicBool,
    position: Arc<AtomicU64>,
    hasher: Mutex<blake3::Hasher>,
    error: Mutex<Option<io::Error>>,
}

/// The progress and result of a [`FileBody`]; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sent(Arc<Shared>);

impl FileBody {
    /// `size` bytes of `file` from `offset` on.
    ///
    /// `hasher` has hashed the bytes before `offset`. `position` is set to the offset up to which bytes
    /// were handed to the connection. The cursor of `file` is moved: use one body at a time.
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
            state: ReadState::Idle,
            bandwidth,
            shared: Arc::new(Shared {
                size,
                sent: AtomicU64::new(0),
                offset,
                throttled: AtomicBool::new(false),
                position,
                hasher: Mutex::new(hasher),
                error: Mutex::new(None),
            }),
        }
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.shared.size
    }

    /// Its progress, available even after it is dropped.
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

    /// Returns a buffer and starts to read the next one.
    fn hand_over(&mut self, buffer: Bytes) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let len = buffer.len() as u64;
        self.left = self.left.saturating_sub(len);
        self.state = if self.unread > 0 {
            ReadState::Reading(self.read())
        } else {
            ReadState::Idle
        };
        let sent = self.shared.sent.fetch_add(len, Ordering::Release) + len;
        self.shared
            .position
            .store(self.shared.offset + sent, Ordering::Relaxed);
        failpoint::point(Moment::MidBody);
        Poll::Ready(Some(Ok(Frame::data(buffer))))
    }

    /// Stores the error for [`Sent::take_error`] and fails the request.
    fn fail(&mut self, error: io::Error) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.state = ReadState::Idle;
        self.left = 0;
        self.unread = 0;
        let told = io::Error::new(error.kind(), "the file cannot be read");
        *lock(&self.shared.error) = Some(error);
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
            match &mut this.state {
                ReadState::Idle if this.unread == 0 => return Poll::Ready(None),
                ReadState::Idle => this.state = ReadState::Reading(this.read()),
                ReadState::Reading(reading) => {
                    let buffer = match ready!(Pin::new(reading).poll(cx)) {
                        Ok(Ok(buffer)) => buffer,
                        Ok(Err(error)) => return this.fail(error),
                        Err(error) => return this.fail(io::Error::other(error)),
                    };
                    match this.bandwidth.book(buffer.len() as u64, Instant::now()) {
                        None => return this.hand_over(buffer),
                        Some(start) => {
                            this.shared.throttled.store(true, Ordering::Relaxed);
                            let sleep = Box::pin(tokio::time::sleep_until(start));
                            this.state = ReadState::Throttled(buffer, sleep);
                        }
                    }
                }
                ReadState::Throttled(buffer, sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    let buffer = std::mem::take(buffer);
                    this.shared.throttled.store(false, Ordering::Relaxed);
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

    /// Whether all bytes were.
    pub fn is_whole(&self) -> bool {
        self.bytes() == self.0.size
    }

    /// The hash of all bytes from the start of the file; none before all are sent.
    pub fn hash(&self) -> Option<ContentHash> {
        self.hasher()
            .map(|hasher| ContentHash(*hasher.finalize().as_bytes()))
    }

    /// The hasher after the last byte, for the next part of the same file.
    pub fn hasher(&self) -> Option<blake3::Hasher> {
        self.is_whole().then(|| lock(&self.0.hasher).clone())
    }

    /// Whether it waits for the bandwidth limit.
    fn is_throttled(&self) -> bool {
        self.0.throttled.load(Ordering::Relaxed)
    }

    /// Why the file could not be read; returned once.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        lock(&self.0.error).take()
    }

    /// The progress of a request without a body.
    pub(super) fn nothing() -> Self {
        Self(Arc::new(Shared {
            size: 0,
            sent: AtomicU64::new(0),
            offset: 0,
            throttled: AtomicBool::new(false),
            position: Arc::default(),
            hasher: Mutex::default(),
            error: Mutex::default(),
        }))
    }
}

/// Runs an exchange until it makes no progress for too long.
///
/// A total timeout would fail large files on slow lines, and reqwest's read timeout runs while the
/// body is still being sent. So the byte counter is polled.
pub(super) async fn with_stall_timeout<T>(
    exchange: impl Future<Output = Result<T, Error>>,
    sent: &Sent,
    timeouts: &Timeouts,
) -> Result<T, Error> {
    tokio::pin!(exchange);
    // The timeout is exact to an eighth.
    let poll = timeouts.stall.min(timeouts.answer) / 8;
    let poll = poll.clamp(Duration::from_millis(1), Duration::from_secs(5));
    let mut seen = None;
    let started = Instant::now();
    let mut since = started;
    loop {
        tokio::select! {
            biased;
            result = &mut exchange => return result,
            () = tokio::time::sleep(poll) => {}
        }
        let now = Instant::now();
        let progress = (sent.bytes(), sent.is_whole());
        if seen != Some(progress) || sent.is_throttled() {
            seen = Some(progress);
            since = now;
        }
        let (timeout, words) = if sent.is_whole() {
            (timeouts.answer, "no answer after the last byte")
        } else {
            (timeouts.stall, "the upload does not move")
        };
        let extra = time_to_drain(sent.bytes(), since.duration_since(started));
        if now.duration_since(since) >= timeout + extra {
            return Err(Error::new(Kind::Unanswered, words));
        }
    }
}

/// How long the kernel may need to send its buffer, at the pace so far. The counter counts the bytes
/// handed to the kernel, which on a slow line is far ahead of those sent.
fn time_to_drain(sent: u64, took: Duration) -> Duration {
    if sent == 0 {
        return Duration::ZERO;
    }
    let share = sent.min(KERNEL_BUFFER_MAX) as f64 / sent as f64;
    took.mul_f64(share).min(EXTRA_MAX)
}

/// The value is valid after a panic elsewhere: no update of it can stop half-way.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "upload_body_tests.rs"]
mod tests;
