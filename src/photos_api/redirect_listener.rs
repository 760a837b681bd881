//! The page on this machine to which the sign-in page sends the browser back.
//!
//! It takes one request with the right state, answers it once it is known how the sign-in ended,
//! and is gone. Browsers open connections that they never use, and other programs of this machine
//! can knock too, so connections are read side by side and what does not fit is turned away.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

/// The longest request head that is read; a redirect of the sign-in has under 1 kB.
const HEAD_MAX: usize = 16 << 10;

/// A connection that says nothing for so long is closed.
const HEAD_WAIT: Duration = Duration::from_mins(1);

/// The most connections read at once.
const CONNECTIONS: usize = 32;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Visitor {
    stream: TcpStream,
    /// Path and query, as the browser sent them.
    pub target: String,
}

/// Waits for the next request.
pub(super) async fn next(
    listener: &TcpListener,
    connections: &mut JoinSet<Option<Visitor>>,
) -> io::Result<Visitor> {
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
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

async fn read(mut stream: TcpStream) -> Option<Visitor> {
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
    timeout(HEAD_WAIT, read).await.ok()??;
    let line = std::str::from_utf8(&head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    let target = match (words.next()?, words.next()?) {
        ("GET", target) => target.to_owned(),
        _ => return None,
    };
    Some(Visitor { stream, target })
}

impl Visitor {
    /// Answers with a page and closes; a browser that has gone is no matter.
    pub(super) async fn answer(mut self, status: &str, title: &str, text: &str) {
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Albumen</title>\
             <body style=\"font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem\">\
             <h1 style=\"font-size:1.5rem\">{}</h1><p>{}</p></body></html>\n",
            escaped(title),
            escaped(text)
        );
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\
             Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
        let write = async {
            self.stream.write_all(answer.as_bytes()).await?;
            self.stream.shutdown().await
        };
        if let Ok(Err(error)) = timeout(Duration::from_secs(5), write).await {
            tracing::debug!(%error, "the browser did not wait for its page");
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
