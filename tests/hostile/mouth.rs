//! Something between the program and the service that answers some calls itself, and badly.
//!
//! What it does not spoil it passes on, a request on a connection of its own.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use super::support::between::{pass_on, request_on};

/// As much as nobody has room for.
pub(crate) const TOO_MUCH: u64 = 10 << 30;

/// A way of not answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bad {
    /// A success whose body has 10 GB.
    LongBody,
    /// The same of a refusal.
    LongRefusal,
    /// A body in chunks, for ever.
    EndlessBody,
    /// Headers, for ever.
    EndlessHeaders,
    /// One header of 10 GB.
    LongHeader,
    /// 10 GB in a megabyte: compressed zeros.
    Bomb,
    /// Answers that only announce the answer, for ever.
    Interim,
    /// A body of which a byte comes in a second.
    SlowBody,
    /// Headers, a byte a second.
    SlowHeaders,
    /// Nothing.
    Silence,
}

struct Shared {
    behind: SocketAddr,
    /// What spoils a request whose target has this in it, and how often still.
    bad: Mutex<Option<(Bad, &'static str, u32)>>,
    spoiled: AtomicU64,
    said: AtomicU64,
}

/// The thing between.
pub(crate) struct Mouth {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Mouth {
    /// In front of the service at this address.
    pub(crate) fn before(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behind,
            bad: Mutex::new(None),
            spoiled: AtomicU64::new(0),
            said: AtomicU64::new(0),
        });
        let with = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&with);
                // Who hangs up has heard enough.
                thread::spawn(move || drop(shared.serve(&stream)));
            }
        });
        Self { address, shared }
    }

    /// From now on so many requests whose target has `part` in it are answered like this.
    pub(crate) fn spoils(&self, bad: Bad, part: &'static str, times: u32) {
        *self.shared.bad.lock().unwrap() = Some((bad, part, times));
    }

    /// How many were.
    pub(crate) fn spoiled(&self) -> u64 {
        self.shared.spoiled.load(Ordering::Relaxed)
    }

    /// How many bytes of bad answers were taken off it.
    pub(crate) fn said(&self) -> u64 {
        self.shared.said.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let Some((head, body)) = request_on(stream)? else {
            return Ok(());
        };
        let target = head.split(' ').nth(1).unwrap_or_default();
        match self.bad_for(target) {
            Some(bad) => self.spoil(stream, bad),
            None => pass_on(stream, self.behind, &head, &body),
        }
    }

    fn bad_for(&self, target: &str) -> Option<Bad> {
        let mut spoils = self.bad.lock().unwrap();
        let (bad, part, times) = spoils.as_mut()?;
        if *times == 0 || !target.contains(*part) {
            return None;
        }
        *times -= 1;
        self.spoiled.fetch_add(1, Ordering::Relaxed);
        Some(*bad)
    }

    fn spoil(&self, stream: &TcpStream, bad: Bad) -> io::Result<()> {
        let mut out = Counted {
            stream,
            said: &self.said,
        };
        let piece = vec![b' '; 64 << 10];
        match bad {
            Bad::LongBody => {
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\ncontent-length: {TOO_MUCH}\r\n\r\n{{"
                )?;
                out.again(&piece)
            }
            Bad::LongRefusal => {
                write!(
                    out,
                    "HTTP/1.1 503 No\r\ncontent-length: {TOO_MUCH}\r\n\r\n{{"
                )?;
                out.again(&piece)
            }
            Bad::EndlessBody => {
                write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                let chunk = [b"10000\r\n", &piece[..], b"\r\n"].concat();
                out.again(&chunk)
            }
            Bad::EndlessHeaders => {
                write!(out, "HTTP/1.1 200 OK\r\n")?;
                out.again(b"x-more: and more\r\n".repeat(1000).as_slice())
            }
            Bad::LongHeader => {
                write!(out, "HTTP/1.1 200 OK\r\nx-more: ")?;
                out.again(&b"x".repeat(64 << 10))
            }
            Bad::Bomb => {
                let bomb = bomb();
                let length = bomb.len();
                write!(
                    out,
                    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
                )?;
                out.write_all(&bomb)
            }
            Bad::Interim => out.again(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
            Bad::SlowBody => {
                write!(out, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                out.slowly(b"1\r\n \r\n")
            }
            Bad::SlowHeaders => {
                write!(out, "HTTP/1.1 200 OK\r\nx-slow: ")?;
                out.slowly(b"x")
            }
            Bad::Silence => {
                // Until the other side gives up.
                let mut nothing = [0];
                let mut stream = stream;
                stream.read(&mut nothing).map(drop)
            }
        }
    }
}

struct Counted<'a> {
    stream: &'a TcpStream,
    said: &'a AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = (&mut &*self.stream).write(bytes)?;
        self.said.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Counted<'_> {
    /// Up to 10 GB of it.
    fn again(&mut self, piece: &[u8]) -> io::Result<()> {
        for _ in 0..TOO_MUCH / piece.len() as u64 {
            self.write_all(piece)?;
        }
        Ok(())
    }

    fn slowly(&mut self, piece: &[u8]) -> io::Result<()> {
        loop {
            self.write_all(piece)?;
            thread::sleep(Duration::from_secs(1));
        }
    }
}

/// Zeros, compressed twice as well as anything else: some megabytes that become 4 GB.
fn bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..256 {
        encoder.write_all(&zeros).unwrap();
    }
    let member = encoder.finish().unwrap();
    // Members of a gzip file follow one another.
    member.repeat(16)
}
