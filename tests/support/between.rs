//! Something between the program and the service: it keeps what it hears, and sends some callers
//! elsewhere. Everything else it passes on, a request on a connection of its own.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// The thing between.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    behind: Option<SocketAddr>,
    /// Requests, head and body.
    heard: Mutex<Vec<String>>,
    /// What sends a request elsewhere whose target has this in it.
    redirect: Mutex<Option<(&'static str, u16, String)>>,
}

impl Between {
    /// In front of the service at this address; with none behind it, everything is a 404.
    pub(crate) fn before(behind: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behind,
            ..Shared::default()
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

    /// From now on requests whose target has `part` in it are sent to `to`.
    pub(crate) fn redirects(&self, part: &'static str, status: u16, to: &str) {
        *self.shared.redirect.lock().unwrap() = Some((part, status, to.to_owned()));
    }

    /// From now on everything is passed on.
    pub(crate) fn redirects_nothing(&self) {
        *self.shared.redirect.lock().unwrap() = None;
    }

    /// All requests so far, head and body.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let Some((head, body)) = request_on(stream)? else {
            return Ok(());
        };
        let request = format!("{head}{}", String::from_utf8_lossy(&body));
        self.heard.lock().unwrap().push(request);
        let target = head.split(' ').nth(1).unwrap_or_default();
        let redirect = self.redirect.lock().unwrap().clone();
        let elsewhere = redirect.filter(|(part, ..)| target.contains(part));
        if let Some((_, status, to)) = elsewhere {
            let answer = "content-length: 0\r\nconnection: close\r\n\r\n";
            write!(
                stream,
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {to}\r\n{answer}"
            )?;
            return stream.shutdown(Shutdown::Write);
        }
        let Some(behind) = self.behind else {
            write!(stream, "HTTP/1.1 404 Nothing\r\ncontent-length: 0\r\n\r\n")?;
            return stream.shutdown(Shutdown::Write);
        };
        pass_on(stream, behind, &head, &body)
    }
}

/// The one request that comes on a connection, head and body, made to be the last one; none if nobody
/// asks anything.
pub(crate) fn request_on(stream: &TcpStream) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let start = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        } else if line.starts_with("connection:") {
            head.truncate(start);
        } else if line == "\r\n" {
            head.insert_str(start, "connection: close\r\n");
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

/// Has the service behind answer a request.
pub(crate) fn pass_on(
    mut client: &TcpStream,
    behind: SocketAddr,
    head: &str,
    body: &[u8],
) -> io::Result<()> {
    let mut service = TcpStream::connect(behind)?;
    service.write_all(head.as_bytes())?;
    service.write_all(body)?;
    io::copy(&mut service, &mut client)?;
    client.shutdown(Shutdown::Write)
}
