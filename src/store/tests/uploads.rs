//! What becomes of a file in an upload slot, also when a scan looks at it meanwhile.

use super::*;
use crate::model::ids::FileId;

pub(super) struct Sending {
    pub(super) bench: Bench,
    root: RootId,
    pub(super) file: FileId,
    pub(super) item: ItemId,
}

/// A file of album A whose bytes are on their way.
pub(super) async fn sending() -> Sending {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [0]).await;
    let (claim, hashed) = bench.hash_all(t(1)).await.remove(0);
    let Hashed::Upload(item, _) = hashed else {
        panic!()
    };
    Sending {
        bench,
        root,
        file: claim.file,
        item,
    }
}

/// Another file that holds the same bytes.
async fn twin(sending: &Sending) -> FileId {
    sending.bench.queue(sending.root, Some("B"), [1]).await;
    let claim = sending
        .bench
        .store
        .claim(1, false, t(1))
        .await
        .unwrap()
        .remove(0);
    let known = sending
        .bench
        .store
        .hashed(claim.file, content(0), t(1))
        .await
        .unwrap();
    assert!(matches!(known, Hashed::Duplicate(same, _) if same == sending.item));
    claim.file
}

fn settling() -> FileDecision {
    FileDecision::Settle {
        due_at: t(100),
        settle_ms: 5000,
    }
}

#[tokio::test]
async fn a_token_makes_the_item_ready_and_ends_its_session() {
    let s = sending().await;
    s.bench.store.process_is("backfill", 7, t(0)).await.unwrap();
    let session = Session {
        url: crate::model::ids::SessionUrl::new("https://x/session"),
        granularity: 262_144,
        offset: 0,
        stat: stat(100),
        opened_at: t(1),
    };
    s.bench.store.session_opened(s.item, session).await.unwrap();
    s.bench.store.session_at(s.item, 42).await.unwrap();
    s.bench
        .store
        .upload_again(s.file, s.item, t(2), None, t(2))
        .await
        .unwrap();
    let claim = s.bench.store.claim(1, false, t(2)).await.unwrap().remove(0);
    let Hashed::Upload(_, Some(kept)) = s
        .bench
        .store
        .hashed(claim.file, content(0), t(2))
        .await
        .unwrap()
    else {
        panic!("the session is kept");
    };
    assert_eq!((kept.offset, kept.stat), (42, stat(100)));
    s.bench.token(s.item, t(3)).await;
    assert_eq!(s.bench.state(s.item), "uploaded");
    assert_eq!(s.bench.store.tokens_ready().await.unwrap(), 1);
    assert_eq!(s.bench.reader().overview(t(3)).unwrap().bytes_sent, 100);
    let sessions: i64 = s.bench.one(
        "SELECT count(*) FROM upload_sessions WHERE item_id = ?1",
        s.item.0,
    );
    assert_eq!(sessions, 0);
    s.bench.check();
}

#[tokio::test]
async fn a_file_that_changed_while_it_was_sent_settles_anew_and_another_holder_takes_over() {
    let s = sending().await;
    let twin = twin(&s).await;
    s.bench
        .store
        .changed_while_sent(s.file, Some(s.item), stat(200), t(60), 10_000, t(2))
        .await
        .unwrap();
    s.bench.check();
    assert_eq!(s.bench.file_state(s.file), "settling");
    assert_eq!(s.bench.file_state(twin), "queued");
    let settled = s
        .bench
        .reader()
        .settled(&[s.root], t(60), 9)
        .unwrap()
        .remove(0);
    assert_eq!(
        (
            settled.file.id,
            settled.file.settle_ms,
            settled.file.stat.size
        ),
        (s.file, 10_000, 200)
    );
    let claim = s.bench.store.claim(9, false, t(2)).await.unwrap().remove(0);
    assert_eq!(claim.file, twin);
    assert!(matches!(
        s.bench.store.hashed(twin, content(0), t(2)).await.unwrap(),
        Hashed::Upload(..)
    ));
    s.bench.check();
}

#[tokio::test]
async fn a_scan_that_sees_the_change_first_does_no_harm() {
    for decision in [
        settling(),
        decision(Some("A"), 0),
        FileDecision::Refuse {
            kind: "empty",
            reason: "it is empty".to_owned(),
        },
    ] {
        for end in 0..3 {
            let s = sending().await;
            let change = Change::Modified {
                file: s.file,
                stat: stat(300),
                decision: decision.clone(),
            };
            s.bench.store.record(vec![change], t(2)).await.unwrap();
            match end {
                0 => {
                    let changed = s.bench.store.changed_while_sent(
                        s.file,
                        Some(s.item),
                        stat(300),
                        t(60),
                        10,
                        t(3),
                    );
                    changed.await.unwrap();
                    assert_eq!(s.bench.file_state(s.file), "settling");
                    assert_eq!(s.bench.state(s.item), "skipped");
                }
                1 => {
                    s.bench
                        .store
                        .upload_again(s.file, s.item, t(3), None, t(3))
                        .await
                        .unwrap();
                    assert_ne!(s.bench.file_state(s.file), "attached");
                    assert_eq!(s.bench.state(s.item), "skipped");
                }
                _ => {
                    s.bench
                        .store
                        .vanished(s.file, Some(s.item), t(3))
                        .await
                        .unwrap();
                    assert_eq!(s.bench.file_state(s.file), "gone");
                    assert_eq!(s.bench.state(s.item), "skipped");
                }
            }
            s.bench.check();
        }
    }
}

#[tokio::test]
async fn a_scan_leaves_a_claimed_file_to_its_slot() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    let file = bench.store.claim(1, false, t(1)).await.unwrap()[0].file;
    let altered = Change::Modified {
        file,
        stat: stat(5),
        decision: settling(),
    };
    let missed = Change::Missing {
        file,
        confirmed: true,
    };
    bench
        .store
        .record(vec![altered, missed], t(1))
        .await
        .unwrap();
    assert_eq!(bench.file_state(file), "claimed");
    bench
        .store
        .changed_while_sent(file, None, stat(5), t(9), 10, t(1))
        .await
        .unwrap();
    assert_eq!(bench.file_state(file), "settling");
    bench.check();
}

#[tokio::test]
async fn a_vanished_file_leaves_its_item_to_another_holder() {
    let s = sending().await;
    let twin = twin(&s).await;
    s.bench
        .store
        .vanished(s.file, Some(s.item), t(2))
        .await
        .unwrap();
    assert_eq!(
        (s.bench.file_state(s.file), s.bench.file_state(twin)),
        ("gone".to_owned(), "queued".to_owned())
    );
    assert_eq!(s.bench.state(s.item), "queued");
    s.bench.check();
}
