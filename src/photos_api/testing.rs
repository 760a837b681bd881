//! Small servers for the tests of this module: one that answers as told, and one that breaks off.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

use crate::clock::Clock;

use super::{Auth, AuthFiles, Client, Endpoints, Settings, Timeouts};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn form(&self, name: &str) -> String {
        url::form_urlencoded::parse(&self.body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

/// A server that keeps what it saw.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// What arrived so far, except at `/token` and `/revoke`.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.all(|path| path != "/token" && path != "/revoke")
    }

    /// What arrived at `/token`.
    pub(super) fn token_requests(&self) -> Vec<Seen> {
        self.all(|path| path == "/token")
    }

    fn all(&self, wanted: impl Fn(&str) -> bool) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| wanted(&seen.path))
            .cloned()
            .collect()
    }
}

/// Serves until the test ends.
pub(super) async fn serve(
    answer: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server {
        url: url.parse().unwrap(),
        seen: Arc::default(),
    };
    let kept = Arc::clone(&server.seen);
    let router = Router::new().fallback(move |request: Request| {
        let (kept, answer) = (Arc::clone(&kept), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let seen = Seen {
                method: parts.method,
                path: parts.uri.path_and_query().unwrap().as_str().to_owned(),
                headers: parts.headers,
                body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
            };
            kept.lock().unwrap().push(seen.clone());
            answer(&seen)
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    server
}

/// Accepts connections for as long as the test lasts and hands each to `handle`.
pub(super) async fn raw<F: Future<Output = ()> + Send + 'static>(
    handle: impl Fn(TcpStream) -> F + Send + 'static,
) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    url.parse().unwrap()
}

/// Reads up to the end of a request's head, and what came with it.
pub(super) async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = vec![0; 64 << 10];
    let n = stream.read(&mut head).await.unwrap();
    head.truncate(n);
    head
}

/// Writes and closes.
pub(super) async fn write(mut stream: TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

pub(super) fn json(status: u16, body: impl Into<String>) -> Response {
    answer(status, &[("content-type", "application/json")], body)
}

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A new access token as the sign-in server gives it.
pub(super) fn granted(access_token: &str) -> Response {
    json(
        200,
        format!(
            r#"{{"access_token":"{access_token}","expires_in":3599,"token_type":"Bearer","scope":"{}"}}"#,
            super::SCOPES.join(" ")
        ),
    )
}

/// An account in a folder of its own, and a client for it.
pub(super) struct Account {
    pub dir: TempDir,
    pub settings: Settings,
    pub auth: Auth,
    pub client: Client,
}

pub(super) fn settings(url: &Url) -> Settings {
    let at = |path: &str| url.join(path).unwrap();
    Settings {
        endpoints: Endpoints {
            api: url.clone(),
            auth: at("/auth"),
            token: at("/token"),
            revoke: at("/revoke"),
        },
        parallel: 4,
        timeouts: Timeouts::default(),
    }
}

impl Account {
    /// Signed in at `url` with the access token `at-0`, which lasts.
    pub(super) fn signed_in(url: &Url) -> Self {
        let account = Self::new(settings(url));
        account.write_tokens("refresh-0", "at-0", "2100-01-01T00:00:00Z");
        account
    }

    /// Not signed in.
    pub(super) fn new(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = AuthFiles {
            client_secret: dir.path().join("client_secret.json"),
            token: dir.path().join("token.json"),
        };
        let secret = r#"{"installed":{"client_id":"client-1","client_secret":"hush"}}"#;
        fs::write(&files.client_secret, secret).unwrap();
        let auth = Auth::new(&settings, files, Clock::system()).unwrap();
        let client = Client::new(&settings, auth.clone()).unwrap();
        Self {
            dir,
            settings,
            auth,
            client,
        }
    }

    /// The same account with less patience.
    pub(super) fn impatient(self) -> Self {
        let mut settings = self.settings.clone();
        settings.timeouts = Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_millis(200),
            write: Duration::from_millis(200),
            stall: Duration::from_millis(200),
            answer: Duration::from_millis(200),
        };
        let client = Client::new(&settings, self.auth.clone()).unwrap();
        Self {
            settings,
            client,
            ..self
        }
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.dir.path().join("token.json")
    }

    pub(super) fn write_tokens(&self, refresh: &str, access: &str, expires_at: &str) {
        let tokens = super::auth::Tokens {
            client_id: "client-1".into(),
            obtained_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            scopes: super::SCOPES.map(str::to_owned).to_vec(),
            refresh_token: refresh.into(),
            access_token: access.into(),
            expires_at: expires_at.parse().unwrap(),
            new_client: false,
        };
        tokens.save(&self.token_file()).unwrap();
    }
}
