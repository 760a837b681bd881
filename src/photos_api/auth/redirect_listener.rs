//! A small HTTP server on this machine that receives the redirect of the sign-in.
//!
//! Browsers open connections that they never use, and other programs of this machine can connect too,
//! so connections are read concurrently and bad requests are dropped.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

/// The most bytes of a request head; a redirect of the sign-in has under 1 kB.
const HEAD_MAX: usize = 16 << 10;

/// The longest time until a request head has arrived.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);

/// The most connections at once.
const CONNECTIONS_MAX: usize = 32;

/// A request that waits for its response.
#[derive(Debug)]
pub(super) struct Request {
    stream: TcpStream,
    /// Path and query.
    pub target: String,
}

/// Waits for the next request.
pub(super) async fn next(
    listener: &TcpListener,
    connections: &mut JoinSet<Option<Request>>,
) -> io::Result<Request> {
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                let (stream, _) = accepted?;
                connections.spawn(read(stream));
            }
            Some(read) = connections.join_next() => {
                if let Ok(Some(visitor)) = read {
                    return Ok(visitor);
                }
            }
        }
    }
}

async fn read(mut stream: TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    let read = async {
        let mut buffer = [0; 2048];
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let n = stream.read(&mut buffer).await.ok()?;
            if n == 0 || head.len() + n > HEAD_MAX {
                return None;
            }
            head.extend_from_slice(&buffer[..n]);
        }
        Some(())
    };
    timeout(HEAD_TIMEOUT, read).await.ok()??;
    let line = std::str::from_utf8(&head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    let target = match (words.next()?, words.next()?) {
        ("GET", target) => target.to_owned(),
        _ => return None,
    };
    Some(Request { stream, target })
}

impl Request {
    /// Responds with a page and closes the connection; a closed browser is no error.
    pub(super) async fn respond(mut self, status: &str, title: &str, text: &str) {
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Albumen</title>\
             <body style=\"font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem\">\
             <h1 style=\"font-size:1.5rem\">{}</h1><p>{}</p></body></html>\n",
            escaped(title),
            escaped(text)
        );
        let response = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        let write = async {
            self.stream.write_all(response.as_bytes()).await?;
            self.stream.shutdown().await
        };
        if let Ok(Err(error)) = timeout(Duration::from_secs(5), write).await {
            tracing::debug!(%error, "the browser closed the connection before its page");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
