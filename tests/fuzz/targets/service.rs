//! What the service answers, over real connections: any bytes, behind any request of the client.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex, atomic::AtomicU64},
    thread,
    time::Duration,
};

use albumen::{
    model::ids::{AlbumId, MediaItemId, SessionUrl},
    photos_api::{
        Answer, Bandwidth, Call, Client, FileBody, Kind, Login, Method, Part,
        wire::{Album, AlbumsPage, BatchCreate, BatchCreated, BatchGot, MediaItem, MediaItemsPage},
    },
};
use serde::de::DeserializeOwned;

use super::{
    end,
    files::{Account, TOKENS, runtime, settings},
    first_line,
};
use crate::runner::Target;

/// Answers as the journal gives them back: the first line is the HTTP status, the rest the body.
pub(crate) fn wire() -> Target {
    fn parsed<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
        match answer.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Garbled);
                let _ = error.to_string();
                None
            }
        }
    }
    Target::new(|input| {
        let (status, body) = first_line(input);
        let status = String::from_utf8_lossy(status).parse().unwrap_or(200);
        let answer = Answer::journalled(status, String::from_utf8_lossy(body).into_owned());
        let created = parsed::<BatchCreated>(&answer).map_or(0, |batch| {
            let results = batch.new_media_item_results.iter();
            1 + results.filter_map(|result| result.created()).count().min(3)
        });
        let got =
            parsed::<BatchGot>(&answer).map_or(0, |got| 1 + got.media_item_results.len().min(3));
        let album = parsed::<Album>(&answer).map(|album| album.items().checked_ilog2());
        let albums = parsed::<AlbumsPage>(&answer).map(|page| page.albums.len().min(3));
        let items = parsed::<MediaItemsPage>(&answer).map(|page| page.media_items.len().min(3));
        let item = parsed::<MediaItem>(&answer).is_some();
        let again = Call {
            method: Method::MediaItemsBatchCreate,
            path: "/v1/x".into(),
            body: answer.body.clone(),
        };
        let again = again.as_batch_create();
        let again = again.map(|batch: BatchCreate| batch.new_media_items.len().min(3));
        format!("{created} {got} {album:?} {albums:?} {items:?} {item} {again:?}")
    })
}

/// A port at which everybody is told the same bytes, whatever they ask.
struct Mouth {
    port: u16,
    says: Arc<Mutex<Vec<u8>>>,
}

impl Mouth {
    fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let says: Arc<Mutex<Vec<u8>>> = Arc::default();
        let heard = Arc::clone(&says);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bytes = heard.lock().unwrap().clone();
                // Whoever does not listen to the end hangs up.
                let _ = Self::answer(stream, &bytes);
            }
        });
        Self { port, says }
    }

    fn answer(mut stream: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked)?;
        stream.write_all(bytes)?;
        stream.shutdown(Shutdown::Write)?;
        // What comes after it would be a reset, which takes the answer away.
        while stream.read(&mut asked)? > 0 {}
        Ok(())
    }

    fn will_say(&self, bytes: &[u8]) {
        let mut says = self.says.lock().unwrap();
        says.clear();
        says.extend_from_slice(bytes);
    }
}

/// A client of that port, signed in anew each time: a refused token would be remembered.
fn client(account: &Account, port: u16) -> Client {
    Client::new(&settings(port), account.auth(port)).unwrap()
}

/// One request: its number is the first byte.
async fn ask(
    client: &Client,
    which: u8,
    mouth: &Mouth,
) -> Result<String, albumen::photos_api::Error> {
    let album = AlbumId::new("album");
    let item = MediaItemId::new("item");
    let session = SessionUrl::new(format!("http://127.0.0.1:{}/session", mouth.port));
    let call = match which % 12 {
        0 => Call::batch_create(
            &[],
            Some((&album, albumen::photos_api::wire::Position::FirstInAlbum)),
        ),
        1 => Call::album_create("title"),
        2 => Call::album_get(&album),
        3 => Call::albums_list(""),
        4 => Call::batch_get(&[item]),
        5 => Call::media_items_search(&album, "next"),
        6 => Call::album_add(&album, &[item]),
        7 => {
            client.upload_raw("image/jpeg", body()).await?;
            return Ok("a token".to_owned());
        }
        8 => {
            let session = client.start_session("video/mp4", 1 << 40).await?;
            return Ok(format!("granules of 2^{}", session.granularity.ilog2()));
        }
        9 => return Ok(format!("{:.7?}", client.query_session(&session).await?)),
        10 => {
            let answer = client.send_part(&session, 0, Part::Last, body()).await?;
            return Ok(format!("{answer:.7?}"));
        }
        _ => {
            let answer = client
                .send_part(&session, u64::MAX, Part::More, body())
                .await?;
            return Ok(format!("{answer:.7?}"));
        }
    };
    let answer = client.send(&call).await?;
    let parsed = answer.parse::<BatchCreated>().is_ok();
    Ok(format!("{} {parsed}", answer.http_status))
}

fn body() -> FileBody {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"seventeen bytes..").unwrap();
    let file: Arc<File> = Arc::new(file);
    let position = Arc::new(AtomicU64::new(0));
    let hasher = blake3::Hasher::new();
    FileBody::new(file, 0, 17, hasher, position, Bandwidth::unlimited())
}

fn ended(which: u8, ended: Result<String, albumen::photos_api::Error>) -> String {
    match ended {
        Ok(words) => format!("{which} {words}"),
        Err(error) => {
            let wait = error
                .retry_after()
                .map(|wait| wait.as_secs().checked_ilog2());
            assert!(error.retry_after() <= Some(Duration::from_hours(24)));
            let shown = error.to_string();
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            format!("{which} {:?} {wait:?}", error.kind())
        }
    }
}

/// An answer of the Library API behind the number of the request.
pub(crate) fn answers() -> Target {
    let (account, runtime, mouth) = (Account::new(), runtime(), Mouth::new());
    Target::new(move |input| {
        let (which, answer) = input.split_first().unwrap_or((&0, b""));
        mouth.will_say(answer);
        let client = client(&account, mouth.port);
        let answer = runtime.block_on(ask(&client, *which, &mouth));
        ended(*which % 12, answer)
    })
}

/// The value of `Retry-After` in a refusal; a line break would be another header.
pub(crate) fn retry_after() -> Target {
    let (account, runtime, mouth) = (Account::new(), runtime(), Mouth::new());
    Target::new(move |input| {
        let mut answer = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nretry-after: ".to_vec();
        answer.extend(input.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        answer.extend(b"\r\n\r\n");
        mouth.will_say(&answer);
        let client = client(&account, mouth.port);
        ended(3, runtime.block_on(ask(&client, 3, &mouth)))
    })
}

/// An answer of the sign-in server: to a refresh, or (the first byte is odd) to a revocation.
pub(crate) fn sign_in() -> Target {
    let (account, runtime, mouth) = (Account::new(), runtime(), Mouth::new());
    let over = TOKENS.replace("2199", "1999");
    Target::new(move |input| {
        let (which, answer) = input.split_first().unwrap_or((&0, b""));
        mouth.will_say(answer);
        account.token_is(over.as_bytes());
        let auth = account.auth(mouth.port);
        let answer = runtime.block_on(async {
            if which % 2 == 1 {
                auth.revoke().await?;
                return Ok("revoked".to_owned());
            }
            auth.bearer().await?;
            // What was given is kept; it must be readable again.
            auth.signed_in().await?;
            Ok("given".to_owned())
        });
        ended(*which % 2, answer)
    })
}

fn login(account: &Account, runtime: &tokio::runtime::Runtime) -> Login {
    runtime.block_on(Login::begin(&account.auth(1))).unwrap()
}

fn state_of(login: &Login) -> String {
    let pairs = login.address().query_pairs();
    let mut states = pairs.filter(|(name, _)| name == "state");
    states.next().unwrap().1.into_owned()
}

/// What a person pastes at the end of a sign-in; `STATE` stands for this one's.
pub(crate) fn pasted() -> Target {
    let (account, runtime) = (Account::new(), runtime());
    let login = login(&account, &runtime);
    let state = state_of(&login);
    Target::new(move |input| {
        let _ = &account;
        let text = String::from_utf8_lossy(input).replace("STATE", &state);
        match runtime.block_on(login.finish_with(&text)) {
            Ok(granted) => format!("{} scopes", granted.scopes.len()),
            Err(error) => end(&error),
        }
    })
}

/// What a browser, or somebody else on this machine, says at the port of a sign-in; whatever it is,
/// the sign-in still hears the browser that comes after it.
pub(crate) fn browser() -> Target {
    let (account, runtime) = (Account::new(), runtime());
    Target::new(move |input| {
        let login = login(&account, &runtime);
        let pairs = login.address().query_pairs();
        let mut redirects = pairs.filter(|(name, _)| name == "redirect_uri");
        let redirect: url::Url = redirects.next().unwrap().1.parse().unwrap();
        let port = redirect.port().unwrap();
        let state = state_of(&login);
        let text = input.to_vec();
        let visits = thread::spawn(move || {
            let answer = visit(port, &text);
            let honest = format!("GET /?error=access_denied&state={state} HTTP/1.1\r\n\r\n");
            let _ = visit(port, honest.as_bytes());
            answer
        });
        let finished = runtime.block_on(login.finish(Some(Duration::from_secs(30))));
        let answer = visits.join().unwrap();
        let words = match finished {
            Ok(_) => "signed in".to_owned(),
            Err(error) => end(&error),
        };
        assert!(words.contains("declined"), "{words}");
        String::from_utf8_lossy(&answer)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    })
}

/// Says it, and gives what is answered.
fn visit(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return answer;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut answer);
    answer
}
