//! The client before a service that takes its time, with its waits hurried: whatever is slow, endless
//! or silent ends when its wait is over, and says that the outcome is unknown.

use std::{
    fs::File,
    io::Write as _,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use albumen::{
    clock::Clock,
    model::ids::AlbumId,
    photos_api::{
        Auth, AuthFiles, Bandwidth, Call, Client, Endpoints, Error, FileBody, Kind, Settings,
        Timeouts,
    },
};

use crate::{
    mouth::{Bad, Mouth},
    support::home::Home,
};

/// All waits of this client.
const SOON: Duration = Duration::from_millis(400);

/// When something must have ended that was waited for with [`SOON`], on a machine with other work.
const LATE: Duration = Duration::from_secs(20);

const ALL: [Bad; 10] = [
    Bad::LongBody,
    Bad::LongRefusal,
    Bad::EndlessBody,
    Bad::EndlessHeaders,
    Bad::LongHeader,
    Bad::Bomb,
    Bad::Interim,
    Bad::SlowBody,
    Bad::SlowHeaders,
    Bad::Silence,
];

fn client(home: &Home, mouth: &Mouth) -> Client {
    let at = |path: &str| format!("http://{}{path}", mouth.address).parse().unwrap();
    let settings = Settings {
        endpoints: Endpoints {
            api: at(""),
            auth: at("/auth"),
            token: at("/token"),
            revoke: at("/revoke"),
        },
        parallel: 2,
        timeouts: Timeouts {
            connect: SOON,
            read: SOON,
            write: SOON,
            stall: SOON,
            answer: SOON,
        },
    };
    let files = AuthFiles {
        client_secret: home.path("client_secret.json"),
        token: home.path("state/token.json"),
    };
    let auth = Auth::new(&settings, files, Clock::system()).unwrap();
    Client::new(&settings, auth).unwrap()
}

fn body() -> FileBody {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"seventeen bytes..").unwrap();
    let file: Arc<File> = Arc::new(file);
    let position = Arc::new(AtomicU64::new(0));
    FileBody::new(
        file,
        0,
        17,
        blake3::Hasher::new(),
        position,
        Bandwidth::unlimited(),
    )
}

/// Spoils every answer to `target` in each way; `call` must fail in time.
async fn each_ends(target: &'static str, call: impl AsyncFn(&Client) -> Result<(), Error>) {
    let home = Home::new().await;
    let mouth = Mouth::before(home.sandbox.address());
    let client = client(&home, &mouth);
    for (n, bad) in (1..).zip(ALL) {
        mouth.spoils(bad, target, 1);
        let began = Instant::now();
        let error = call(&client).await.unwrap_err();
        let took = began.elapsed();
        assert!(took < LATE, "{bad:?} of {target} took {took:?}");
        assert_eq!(mouth.spoiled(), n, "{bad:?} of {target}");
        let expected: &[Kind] = match bad {
            // The sign-in could not be renewed; the call itself was never sent.
            _ if target == "/token" => &[Kind::Unreachable],
            Bad::LongRefusal => &[Kind::Server],
            Bad::LongBody | Bad::EndlessBody | Bad::Bomb => &[Kind::Garbled, Kind::Unanswered],
            _ => &[Kind::Unanswered],
        };
        assert!(
            expected.contains(&error.kind()),
            "{bad:?} of {target}: {error:?}"
        );
    }
    // And then it works.
    mouth.spoils(Bad::Silence, target, 0);
    if let Err(error) = call(&client).await {
        assert_eq!(
            error.kind(),
            Kind::AlbumRefused,
            "the album is not there, but it answers"
        );
    }
}

#[tokio::test]
async fn a_reading_call_ends_in_time() {
    each_ends("/v1/albums", async |client| {
        let call = Call::album_get(&AlbumId::new("none"));
        client.send(&call).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_mutating_call_ends_in_time() {
    each_ends("/v1/albums", async |client| {
        client.send(&Call::album_create("title")).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn an_upload_ends_in_time() {
    each_ends("/v1/uploads", async |client| {
        client.upload_raw("image/jpeg", body()).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_session_begins_in_time_or_not_at_all() {
    each_ends("/v1/uploads", async |client| {
        client.start_session("video/mp4", 17).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_renewal_of_the_sign_in_ends_in_time() {
    each_ends("/token", async |client| {
        client
            .send(&Call::album_get(&AlbumId::new("none")))
            .await
            .map(drop)
    })
    .await;
}
