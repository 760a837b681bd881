//! What clients and scripts say to the sandbox.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use photos_sandbox::{Options, Sandbox};
use tokio::{runtime::Runtime, sync::oneshot};

use super::files::runtime;
use crate::runner::Target;

/// How long an answer is waited for: a request may ask for more than it sends, and a script may say
/// that nothing ever comes.
const WAIT: Duration = Duration::from_millis(250);

/// How long a client pauses before it hangs up.
const PAUSE: Duration = Duration::from_millis(20);

/// So many requests meet the same sandbox, with whatever they have made of it.
const LIFE: u32 = 500;

async fn sandbox() -> Sandbox {
    let listen = ([127, 0, 0, 1], 0).into();
    let options = Options {
        listen,
        data_dir: None,
    };
    Sandbox::start(options).await.unwrap()
}

/// Says it, listens, hangs up when nothing more comes, and listens again: to a client that has hung up
/// the sandbox says nothing, and a request may announce more than ever follows.
fn visit(address: SocketAddr, bytes: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(WAIT))?;
    stream.write_all(bytes)?;
    for wait in [PAUSE, WAIT] {
        stream.set_read_timeout(Some(wait))?;
        match (&stream).take(1 << 20).read_to_end(answer) {
            Ok(_) => break,
            Err(_) => stream.shutdown(Shutdown::Write)?,
        }
    }
    Ok(())
}

/// Says it on a connection, and gives the answer, as far as it comes in time.
fn asked(runtime: &Runtime, address: SocketAddr, bytes: Vec<u8>) -> String {
    let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
    let heard = Arc::clone(&answer);
    let (done, is_done) = oneshot::channel();
    let visitor = thread::spawn(move || {
        // Whoever hangs up early has heard what came until then.
        let _ = visit(address, &bytes, &mut heard.lock().unwrap());
        let _ = done.send(());
    });
    // The sandbox works on this thread, and only while this waits.
    let _ = runtime.block_on(is_done);
    visitor.join().unwrap();
    let answer = String::from_utf8_lossy(&answer.lock().unwrap()).into_owned();
    assert!(!answer.contains("this is its fault"), "{answer}");
    answer
}

/// A sandbox with something in it, and the words by which inputs speak of it.
struct Furnished {
    sandbox: Sandbox,
    words: Vec<(&'static str, String)>,
}

impl Furnished {
    fn new(runtime: &Runtime) -> Self {
        Self::around(runtime, runtime.block_on(sandbox()))
    }

    fn around(runtime: &Runtime, sandbox: Sandbox) -> Self {
        let mut furnished = Self {
            sandbox,
            words: Vec::new(),
        };
        let token = furnished.token(runtime);
        furnished.knows("@token", &token, "\"access_token\": \"");
        let head = "authorization: Bearer @token\r\nx-goog-upload-protocol: raw";
        let upload = furnished.post(runtime, "/v1/uploads", head, "\u{89}PNG no more of it");
        let upload = upload.rsplit("\r\n").next().unwrap_or_default().to_owned();
        furnished.words.push(("@upload", upload));
        let head = "authorization: Bearer @token\r\ncontent-type: application/json";
        let album = furnished.post(runtime, "/v1/albums", head, r#"{"album":{"title":"Rome"}}"#);
        furnished.knows("@album", &album, "\"id\": \"");
        let item = r#"{"albumId":"@album","newMediaItems":[{"simpleMediaItem":{"uploadToken":"@upload"}}]}"#;
        let item = furnished.post(runtime, "/v1/mediaItems:batchCreate", head, item);
        furnished.knows("@item", &item, "\"id\": \"");
        let head = "authorization: Bearer @token\r\nx-goog-upload-protocol: resumable\r\n\
                    x-goog-upload-command: start\r\nx-goog-upload-raw-size: 9";
        let session = furnished.post(runtime, "/v1/uploads", head, "");
        furnished.knows("@session", &session, "/v1/uploads?");
        furnished
    }

    fn post(&self, runtime: &Runtime, path: &str, head: &str, body: &str) -> String {
        let body = self.spoken(body.as_bytes());
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\n{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        let request = [self.spoken(head.as_bytes()), body].concat();
        asked(runtime, self.sandbox.address(), request)
    }

    fn token(&self, runtime: &Runtime) -> String {
        let form = "grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s";
        let head = "content-type: application/x-www-form-urlencoded";
        self.post(runtime, "/token", head, form)
    }

    /// Learns what stands behind `before` in an answer, if it is there.
    fn knows(&mut self, word: &'static str, answer: &str, before: &str) {
        let Some((_, rest)) = answer.split_once(before) else {
            return;
        };
        let known = rest.split(['"', '\r']).next().unwrap_or_default();
        self.words.push((word, known.to_owned()));
    }

    /// The input, with the words replaced by what they mean here.
    fn spoken(&self, input: &[u8]) -> Vec<u8> {
        let mut spoken = Vec::with_capacity(input.len());
        let mut rest = input;
        'next: while let Some((first, after)) = rest.split_first() {
            for (word, meaning) in &self.words {
                if let Some(behind) = rest.strip_prefix(word.as_bytes()) {
                    spoken.extend(meaning.as_bytes());
                    rest = behind;
                    continue 'next;
                }
            }
            spoken.push(*first);
            rest = after;
        }
        // How long its body is depends on the words in it.
        let body = spoken.windows(4).rposition(|end| end == b"\r\n\r\n");
        let length = body.map_or(0, |at| spoken.len() - at - 4);
        if let Some(at) = spoken.windows(7).position(|word| word == b"@length") {
            drop(spoken.splice(at..at + 7, length.to_string().into_bytes()));
        }
        spoken
    }

    /// How it answers those who ask for what is in it.
    fn looked_at(&self, runtime: &Runtime) -> String {
        let mut words = self
            .token(runtime)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        for target in [
            "GET /",
            "GET /sandbox/state",
            "GET /v1/albums",
            "GET /v1/albums/@album",
            "GET /v1/mediaItems?pageSize=100",
            "POST /v1/mediaItems:search?albumId=@album",
            "POST /v1/uploads?@session",
            "POST /v1/uploads",
        ] {
            let request = format!(
                "{target} HTTP/1.1\r\nauthorization: Bearer @token\r\nconnection: close\r\n\
                 x-goog-upload-command: query\r\ncontent-length: 0\r\n\r\n"
            );
            let address = self.sandbox.address();
            let answer = asked(runtime, address, self.spoken(request.as_bytes()));
            words += answer.lines().next().unwrap_or_default();
        }
        words
    }
}

/// Any bytes on a connection.
pub(crate) fn requests() -> Target {
    let runtime = runtime();
    let mut present: Option<Furnished> = None;
    let mut age = 0;
    Target::new(move |input| {
        age += 1;
        if age > LIFE
            && let Some(old) = present.take()
        {
            runtime.block_on(old.sandbox.stop());
            age = 0;
        }
        let furnished = present.get_or_insert_with(|| Furnished::new(&runtime));
        let address = furnished.sandbox.address();
        let answer = asked(&runtime, address, furnished.spoken(input));
        let status = answer.lines().next().unwrap_or_default();
        let told = answer.lines().find(|line| line.contains("\"message\""));
        if input.windows(15).any(|word| word == b"/sandbox/faults") {
            // A script may hold everything up that comes after it.
            age = LIFE;
        }
        let size = answer.len().checked_ilog2().unwrap_or(0);
        format!(
            "{status} {} {size}",
            super::end(&told.unwrap_or_default().replace('"', ""))
        )
    })
}

/// Scripts of faults, settings and commands, and then a look at what they did.
pub(crate) fn scripts() -> Target {
    let runtime = runtime();
    Target::new(move |input| {
        let Ok(script) = serde_json::from_slice(input) else {
            return "no JSON".to_owned();
        };
        let furnished = Furnished::new(&runtime);
        let words = match furnished.sandbox.run_script(&script) {
            Ok(_) => furnished.looked_at(&runtime),
            Err(sentence) => super::end(&sentence),
        };
        runtime.block_on(furnished.sandbox.stop());
        words
    })
}

/// What an earlier sandbox left in its folder, and then a look at all of it.
pub(crate) fn data() -> Target {
    let runtime = runtime();
    let dir = tempfile::tempdir().unwrap();
    Target::new(move |input| {
        fs::write(dir.path().join("state.json"), input).unwrap();
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: Some(dir.path().to_owned()),
        };
        let sandbox = match runtime.block_on(Sandbox::start(options)) {
            Ok(sandbox) => sandbox,
            Err(error) => return super::end(&error),
        };
        let furnished = Furnished::around(&runtime, sandbox);
        let words = furnished.looked_at(&runtime);
        runtime.block_on(furnished.sandbox.stop());
        words
    })
}
