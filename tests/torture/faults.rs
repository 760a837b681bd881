//! What the service does to people: section 10 of the fact sheet, row by row, and the answers of its
//! section 8 that pass. Each is brought for one life of the program; which of them were really met is
//! told at the end.

use fastrand::Rng;
use serde_json::{Value, json};

/// A fault.
pub(crate) struct Fault {
    /// As the fact sheet calls it; the number is its row in section 10.
    pub(crate) name: &'static str,
    pub(crate) how: How,
}

/// How it is brought.
pub(crate) enum How {
    /// By rules, which meet some of the requests to come.
    Rules(fn(&mut Rng) -> Vec<Value>),
    /// By settings of the service, for one life of the program.
    Settings(fn(&mut Rng) -> Value),
    /// By what somebody does.
    Deed(Deed),
}

/// What somebody does.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// The requests of the day are used up soon, and stay so until it is over.
    SpendTheDay,
    /// The storage has room for a little more, until somebody makes room.
    FillTheStorage,
    /// An album is deleted by hand.
    DeleteAnAlbum,
    /// A video turns out to be one that cannot be played.
    SpoilAVideo,
}

const CREATE: &[&str] = &["mediaItems.batchCreate"];

/// Calls that change something; there is one that matters most.
const WRITES: &[&str] = &[
    "mediaItems.batchCreate",
    "mediaItems.batchCreate",
    "albums.create",
    "albums.batchAddMediaItems",
    "albums.batchRemoveMediaItems",
    "mediaItems.patch",
];

const PATCH: &[&str] = &["mediaItems.patch"];

/// Requests with bytes.
const BYTES: &[&str] = &["uploads.raw", "uploads.upload"];

const UPLOADS: &[&str] = &[
    "uploads.raw",
    "uploads.raw",
    "uploads.start",
    "uploads.upload",
    "uploads.query",
];

/// Everything that a program of this kind may call.
const ANY: &[&str] = &[
    "uploads.raw",
    "uploads.raw",
    "uploads.start",
    "uploads.upload",
    "uploads.query",
    "mediaItems.batchCreate",
    "mediaItems.batchCreate",
    "mediaItems.batchCreate",
    "mediaItems.batchGet",
    "mediaItems.search",
    "mediaItems.patch",
    "albums.create",
    "albums.list",
    "albums.get",
    "albums.batchAddMediaItems",
    "albums.batchRemoveMediaItems",
];

/// One rule: some of the next requests to one of these methods meet it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "each is written where it is used"
)]
fn one(rng: &mut Rng, methods: &[&str], action: Value) -> Vec<Value> {
    let method = rng.choice(methods).copied().unwrap_or("*");
    let (skip, times) = (rng.u64(0..4), rng.u64(1..3));
    vec![json!({"method": method, "skip": skip, "times": times, "action": action})]
}

const fn rules(name: &'static str, bring: fn(&mut Rng) -> Vec<Value>) -> Fault {
    let how = How::Rules(bring);
    Fault { name, how }
}

const fn settings(name: &'static str, bring: fn(&mut Rng) -> Value) -> Fault {
    let how = How::Settings(bring);
    Fault { name, how }
}

const fn deed(name: &'static str, deed: Deed) -> Fault {
    let how = How::Deed(deed);
    Fault { name, how }
}

/// All of them. Rows 1, 7 and 15 are ways of the service that are drawn once for each seed: see
/// [`ways`].
pub(crate) const FAULTS: &[Fault] = &[
    rules("2 partial success under 207", |rng| {
        let action = json!({"status_207": true, "item_codes": {"1": 13, "2": 14, "4": 8}});
        one(rng, CREATE, action)
    }),
    rules("2 partial success under 200", |rng| {
        let code = *rng.choice(&[4, 10, 13, 14]).unwrap();
        one(rng, CREATE, json!({"item_codes": {"0": code, "3": code}}))
    }),
    rules("3 results shuffled", |rng| {
        one(rng, CREATE, json!("shuffle_results"))
    }),
    rules("3 results dropped", |rng| {
        one(rng, CREATE, json!({"drop_results": [0, 3]}))
    }),
    settings(
        "4 single-use tokens",
        |_| json!({"single_use_tokens": true}),
    ),
    settings(
        "4 tokens that expire early",
        |_| json!({"upload_token_lifetime_s": 1}),
    ),
    rules("4 a token refused that is good", |rng| {
        one(rng, CREATE, json!("bad_upload_token"))
    }),
    settings(
        "5 the query of a final session gives no token",
        |_| json!({"final_query_returns_token": false}),
    ),
    settings(
        "6 another status for a wrong offset",
        |rng| json!({"offset_mismatch_status": rng.choice([400, 412, 416])}),
    ),
    settings(
        "8 sessions that are over at once",
        |_| json!({"session_lifetime_s": 0}),
    ),
    rules("9 quota of the day as 429, once", |rng| {
        one(rng, ANY, json!("daily_429"))
    }),
    deed("9 quota of the day as 429, to its end", Deed::SpendTheDay),
    rules("9 quota of the minute as 429", |rng| {
        one(rng, ANY, json!("minute_429"))
    }),
    rules("9 quota as 403", |rng| one(rng, ANY, json!("quota_403"))),
    rules("9 quota of uploads as 400", |rng| {
        one(rng, UPLOADS, json!("quota_400_flat"))
    }),
    rules("10 concurrent write, once", |rng| {
        one(rng, WRITES, json!("concurrent_429"))
    }),
    settings("10 concurrent write, sticky", |rng| {
        // A write that takes longer than its sender lives meets the first one of the next.
        let latency = json!({"mediaItems.batchCreate": 400, "albums.create": 400});
        json!({"sticky_concurrent_s": rng.u64(1..4), "latency_ms": latency})
    }),
    rules("11 commit, then drop", |rng| {
        one(rng, ANY, json!("cut_after"))
    }),
    rules("11 drop before the commit", |rng| {
        one(rng, ANY, json!("cut_before"))
    }),
    rules("11 commit, then an error", |rng| {
        let canned = rng.choice(["server_500", "unavailable_503", "html_502"]);
        one(rng, WRITES, json!({"canned": canned, "commit": true}))
    }),
    rules("11 cut in mid-body", |rng| {
        let action = json!({"cut_body_after": rng.u64(1..60_000)});
        one(rng, BYTES, action)
    }),
    rules("12 slow answers", |rng| {
        let action = json!({"delay_ms": rng.u64(1..400)});
        one(rng, ANY, action)
    }),
    rules("12 no answer at all", |rng| {
        let action = json!({"hang": true, "commit": rng.bool()});
        one(rng, ANY, action)
    }),
    // A second here is ten minutes there, after which an album that answers 404 counts as deleted.
    settings(
        "13 albums that are seen late",
        |_| json!({"album_visible_after_s": 1}),
    ),
    settings(
        "13 items that are seen late",
        |_| json!({"items_visible_after_s": 1}),
    ),
    settings(
        "14 lists with odd pages",
        |_| json!({"list_oddities": true}),
    ),
    settings(
        "16 errors without details",
        |_| json!({"error_details": false}),
    ),
    rules("16 HTML", |rng| one(rng, ANY, json!("html_502"))),
    rules("16 broken JSON", |rng| one(rng, CREATE, json!("garbage"))),
    rules("16 nothing", |rng| one(rng, WRITES, json!("empty"))),
    rules("17 storage full, once", |rng| {
        one(rng, CREATE, json!("storage_full"))
    }),
    deed("17 storage full after some bytes", Deed::FillTheStorage),
    deed("18 album deleted by hand", Deed::DeleteAnAlbum),
    rules("18 album said to be gone", |rng| {
        one(rng, CREATE, json!("album_gone"))
    }),
    rules("19 access token dies", |rng| {
        one(rng, ANY, json!("access_dies"))
    }),
    rules("19 access token dies in mid-upload", |rng| {
        let skip = rng.u64(0..3);
        let cut = json!({"cut_body_after": rng.u64(1..60_000)});
        let dies = json!({"method": "uploads.*", "skip": skip + 1, "action": "access_dies"});
        vec![
            json!({"method": BYTES, "skip": skip, "action": cut}),
            dies.clone(),
            dies,
        ]
    }),
    rules("19 access token refused that is good", |rng| {
        one(rng, ANY, json!("unauthenticated_401"))
    }),
    settings(
        "19 access tokens that die soon",
        |_| json!({"token_lifetime_s": 1}),
    ),
    rules("19 refresh token dies", |_| {
        vec![json!({"method": "oauth.token", "action": "refresh_dies"})]
    }),
    rules("20 scopes partly granted", |rng| {
        let all = [
            "photoslibrary.appendonly",
            "photoslibrary.readonly.appcreateddata",
            "photoslibrary.edit.appcreateddata",
        ];
        let taken = [*rng.choice(&all).unwrap()];
        one(rng, ANY, json!({"revoke_scopes": taken}))
    }),
    settings(
        "21 videos that are processed",
        |rng| json!({"video_processing_s": rng.u64(1..4)}),
    ),
    deed("21 a video that fails", Deed::SpoilAVideo),
    rules("8 500", |rng| one(rng, ANY, json!("server_500"))),
    rules("8 503", |rng| one(rng, ANY, json!("unavailable_503"))),
    rules("8 504", |rng| {
        one(rng, ANY, json!({"answer": {"status": 504, "body": ""}}))
    }),
    rules("8 409 aborted", |rng| {
        one(rng, WRITES, json!("aborted_409"))
    }),
    rules("8 a Retry-After", |rng| {
        let answer = json!({"status": 503, "body": "", "headers": {"retry-after": "1"}});
        one(rng, ANY, json!({"answer": answer}))
    }),
    rules("8 damaged in transit", |rng| {
        one(rng, BYTES, json!("checksum_400"))
    }),
    rules("8 API disabled", |rng| {
        one(rng, ANY, json!("api_disabled_403"))
    }),
    rules("8 Photos disabled", |rng| {
        one(rng, WRITES, json!("photos_disabled_403"))
    }),
    rules("8 a description that is not taken", |rng| {
        let canned = rng.choice(["server_500", "unavailable_503", "html_502", "aborted_409"]);
        let action = json!({"canned": canned, "commit": rng.bool()});
        one(rng, PATCH, action)
    }),
];

/// Ways of the service that nobody can be sure of, as they are for one seed: rows 1, 7 and 15.
pub(crate) fn ways(rng: &mut Rng) -> Value {
    json!({
        "uploads_count": rng.bool(),
        "granularity": rng.choice([1, 4096, 65_536, 262_144]),
        "success_message": rng.choice(["Success", "OK"]),
        "explicit_code_0": rng.bool(),
    })
}
