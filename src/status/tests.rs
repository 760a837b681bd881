//! The status from a real store, and whole texts.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    eta::{Bound, Eta},
    text::{LocalTime, headline, text},
    *,
};
use crate::{
    model::{ids::AlbumRow, order_key::OrderKey},
    store::{
        AccountState, AlbumView, Change, FileDecision, FileStat, ItemCounts, Pause, Reader,
        RootSpec, Store, WriterState,
    },
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn inputs(running: bool) -> StatusInputs {
    StatusInputs {
        signed_in_at: None,
        client_secret_changed_at: None,
        now: at("2026-11-21T12:00:00Z"),
        running,
        rate: None,
        requests_per_day: 10_000,
        count_uploads: false,
        writes_per_minute: 30,
        order_calls: 2_000,
    }
}

fn local() -> LocalTime {
    LocalTime {
        now: inputs(true).now,
        zone: TimeZone::get("Europe/Paris").unwrap(),
    }
}

fn found(root: &crate::store::RootRow, name: &str, decision: FileDecision) -> Change {
    Change::Found {
        root: root.id,
        dir: PathBuf::new(),
        name: name.into(),
        stat: FileStat {
            size: 1_000_000,
            mtime_ns: 0,
            ctime_ns: 0,
            dev: 1,
            inode: 1,
        },
        decision,
    }
}

#[tokio::test]
async fn files_of_the_store_are_told_by_state_and_a_refused_one_by_reason() {
    let dir = tempfile::tempdir().unwrap();
    let now = inputs(true).now;
    let store = Store::open(dir.path()).unwrap();
    let spec = RootSpec {
        path: "/photos".into(),
        configured: true,
        rule: String::new(),
        removes: false,
    };
    let roots = store.roots(vec![spec]).await.unwrap();
    let queue = |name: &str| {
        let decision = FileDecision::Queue {
            album: Some("Crete".into()),
            key: OrderKey::new(Some(now), name.as_bytes(), Path::new(name)),
            large: false,
            fresh: false,
        };
        found(&roots[0], name, decision)
    };
    let refuse = FileDecision::Refuse {
        kind: "empty",
        reason: "it is empty".into(),
    };
    let changes = vec![
        queue("a.jpg"),
        queue("b.jpg"),
        found(&roots[0], "c\u{1b}.jpg", refuse),
    ];
    store.record(changes, now).await.unwrap();
    store
        .process_is("daemon", 7, at("2026-11-21T11:00:00Z"))
        .await
        .unwrap();

    let overview = Reader::open(dir.path())
        .unwrap()
        .unwrap()
        .overview(now)
        .unwrap();
    let status = Status::new(Some(&overview), inputs(true));
    assert_eq!((status.items.queued, status.items.skipped), (2, 1));
    assert_eq!(status.bytes.queued, 2_000_000);
    assert_eq!(status.process.pid, Some(7));
    assert_eq!(status.failures[0].path, "/photos/c\\u{1b}.jpg");
    assert_eq!(status.albums[0].title, "Crete");
    assert_eq!(
        status.eta,
        Eta::default(),
        "nothing was sent, so nobody knows"
    );

    let status = Status::new(
        Some(&overview),
        StatusInputs {
            rate: Some(1e6),
            ..inputs(true)
        },
    );
    assert_eq!(
        status.eta.seconds,
        Some(3),
        "one call at nine tenths of 30 a minute"
    );
    assert_eq!(status.eta.bound_by, Some(Bound::Writes));

    let mut late = overview.clone();
    late.rate = Some(1e6);
    late.lane = Pause {
        state: WriterState::Waiting,
        reason: None,
        until: Some(at("2026-11-22T08:00:00Z")),
    };
    let bound_by = |order_calls| {
        let inputs = StatusInputs {
            order_calls,
            ..inputs(true)
        };
        Status::new(Some(&late), inputs).eta.bound_by
    };
    assert_eq!(bound_by(0), Some(Bound::Order), "they are used up");
    assert_eq!(
        bound_by(1),
        Some(Bound::Writes),
        "it waits for another reason"
    );

    let status = Status::new(Some(&overview), inputs(false));
    assert_eq!(status.process.pid, None, "nobody runs");
    assert_eq!(headline(&status, &local()), "not running, 2 files waiting");
}

#[test]
fn without_a_store_everything_is_there_and_zero() {
    let status = Status::new(None, inputs(false));
    insta::assert_json_snapshot!(status, { ".version" => "[version]" }, @r#"
    {
      "version": "[version]",
      "process": {
        "running": false,
        "mode": null,
        "pid": null,
        "since": null
      },
      "database": {
        "state": "ready",
        "reason": null,
        "remedy": null
      },
      "account": {
        "state": "ready",
        "reason": null,
        "until": null
      },
      "hint": null,
      "warnings": [],
      "items": {
        "settling": 0,
        "queued": 0,
        "uploading": 0,
        "uploaded": 0,
        "creating": 0,
        "created": 0,
        "verified": 0,
        "failed": 0,
        "missing": 0,
        "skipped": 0
      },
      "placements": {
        "wanted": 0,
        "placed": 0,
        "leaving": 0,
        "gone": 0,
        "refused": 0,
        "held": 0
      },
      "after_upload": {
        "waiting": 0,
        "staying": 0,
        "done": 0
      },
      "bytes": {
        "queued": 0,
        "sent": 0
      },
      "quota": {
        "day": "2026-11-21",
        "requests": 0,
        "limit": 10000,
        "uploads": 0,
        "resumes_at": null
      },
      "lane": {
        "state": "idle",
        "reason": null,
        "until": null
      },
      "uploads": {
        "state": "open",
        "reason": null,
        "until": null
      },
      "transfers": [],
      "albums": [],
      "failures": [],
      "eta": {
        "seconds": null,
        "bound_by": null
      },
      "away": []
    }
    "#);
    insta::assert_snapshot!(text(&status, &local()), @"
    nothing is queued, and nothing has gone up yet

      in Google Photos  0
      waiting           0
      failed            0

      0 of 10,000 requests of the day
    ");
}

/// A daemon in the midst of its work.
fn busy() -> Status {
    let mut status = Status::new(None, inputs(true));
    status.process = Process {
        running: true,
        mode: Some("daemon".into()),
        pid: Some(4711),
        since: Some(at("2026-11-20T07:00:00Z")),
    };
    status.items = ItemCounts {
        settling: 2,
        queued: 1_199,
        uploading: 3,
        uploaded: 3,
        created: 10_000,
        verified: 2_345,
        failed: 1,
        missing: 1,
        skipped: 12,
        ..ItemCounts::default()
    };
    status.placements.wanted = 50;
    status.bytes.queued = 3_400_000_000;
    status.quota.requests = 1_234;
    status.transfers = vec![
        Transfer {
            path: "/photos/Crete/VID_1.mp4".into(),
            sent: 730_000_000,
            size: 1_000_000_000,
        },
        Transfer {
            path: "/photos/a.jpg".into(),
            sent: 0,
            size: 0,
        },
    ];
    status.albums = vec![AlbumView {
        title: "Crete".into(),
        id: Some("x".into()),
        items: 1_100,
        reason: None,
        row: AlbumRow(1),
        product_url: None,
        wanted: 0,
        out_of_sequence: 0,
    }];
    status.failures = vec![
        Failure {
            path: "/photos/odd.jpg".into(),
            state: "failed",
            reason: Some("the service cannot read it".into()),
            code: Some(3),
            message: Some("Failed: There was an error".into()),
            attempts: 8,
            next_try_at: None,
            unreadable: false,
        },
        Failure {
            path: String::new(),
            state: "missing",
            reason: Some("the service no longer knows it".into()),
            code: None,
            message: None,
            attempts: 0,
            next_try_at: None,
            unreadable: false,
        },
    ];
    status.eta = Eta {
        seconds: Some(7_200),
        bound_by: Some(Bound::Bytes),
    };
    status
}

#[test]
fn a_busy_daemon_is_told_at_a_glance_and_in_full() {
    insta::assert_snapshot!(text(&busy(), &local()), @"
    sending 3 files, 1,204 waiting, done in about 2 h

      in Google Photos     12,345
        and read back       2,345
      sent, to be created       3
      being sent                3
      waiting               1,199  3.40 GB
      still changing            2
      failed                    1
      missing                   1
      skipped                  12
      not yet in album         50

      daemon (process 4711) since Fri 20 Nov 08:00
      1,234 of 10,000 requests of the day

      /photos/Crete/VID_1.mp4  73%  of 1.00 GB
      /photos/a.jpg             0%      of 0 B

    Not in Google Photos:
      /photos/odd.jpg: failed after 8 attempts, the service cannot read it, Failed: There was an error (code 3)
      (its file is gone): missing, the service no longer knows it
    hint: `albumen retry --all` tries failed and missing ones again

    Albums:
      Crete  1,100 items
    ");
}

fn paused(state: AccountState, until: Option<&str>) -> Status {
    let mut status = busy();
    status.account = Pause {
        state,
        reason: None,
        until: until.map(at),
    };
    status
}

#[test]
fn the_first_line_says_how_things_stand() {
    let said = |status: &Status| headline(status, &local());
    assert_eq!(
        said(&busy()),
        "sending 3 files, 1,204 waiting, done in about 2 h"
    );
    let login = paused(AccountState::LoginNeeded, None);
    assert_eq!(said(&login), "stopped: a sign-in is needed");
    let full = paused(AccountState::StorageFull, Some("2026-11-21T13:00:00Z"));
    assert_eq!(
        said(&full),
        "stopped: the storage of the Google account is full (tried again at 14:00)"
    );
    let quota = paused(AccountState::QuotaExhausted, Some("2026-11-22T08:05:00Z"));
    assert_eq!(
        said(&quota),
        "waiting: the requests of the day are used up (until tomorrow 09:05); 1,207 files to go"
    );
    let mut done = Status::new(None, inputs(true));
    done.items.created = 5;
    assert_eq!(said(&done), "everything is in Google Photos");
    done.items.failed = 1;
    assert_eq!(said(&done), "done, but 1 file did not make it");
}

#[test]
fn a_wait_of_the_lane_is_told_with_its_reason() {
    let mut status = busy();
    status.items.uploading = 0;
    status.lane = Pause {
        state: WriterState::Waiting,
        reason: Some("the service sees another write in progress".into()),
        until: Some(at("2026-11-21T12:10:00Z")),
    };
    assert_eq!(
        headline(&status, &local()),
        "waiting: the service sees another write in progress (until 13:10); 1,204 files to go"
    );
}
