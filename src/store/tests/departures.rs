//! Who leaves an album when files are gone, and who does not.

use super::*;
use crate::model::ids::FileId;

const QUIET: Duration = Duration::from_mins(1);

fn removing() -> PlanRules {
    PlanRules {
        quiet: Some(QUIET),
        ..backfill()
    }
}

/// A root that removes, with files 0..n made in album A.
async fn made_in_album(n: u32) -> (Bench, RootId) {
    let bench = Bench::new();
    let root = bench.removing_root("/p").await;
    bench.queue(root, Some("A"), 0..n).await;
    bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    assert_eq!(bench.count("placement", "placed"), u64::from(n));
    (bench, root)
}

async fn gone(bench: &Bench, files: impl IntoIterator<Item = i64>, now: Timestamp) {
    let missed = |file| Change::Missing {
        file: FileId(file),
        confirmed: true,
    };
    let changes = files.into_iter().map(missed).collect();
    bench.store.record(changes, now).await.unwrap();
}

/// What leaves in one call, now.
async fn leaving(bench: &Bench, now: Timestamp) -> Vec<ItemId> {
    match bench.plan(removing(), now).await {
        Planned::Remove(removal) => removal.items.into_iter().map(|(item, _)| item).collect(),
        Planned::Wait { .. } => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_gone_leaves_its_album_once_nothing_more_goes() {
    let (bench, _) = made_in_album(120).await;
    gone(&bench, [1, 2], t(100)).await;
    assert!(leaving(&bench, t(130)).await.is_empty());
    gone(&bench, [3], t(140)).await;
    assert!(
        leaving(&bench, t(190)).await.is_empty(),
        "another one has gone since"
    );
    assert_eq!(
        leaving(&bench, t(201)).await,
        [ItemId(1), ItemId(2), ItemId(3)]
    );
    assert_eq!(bench.count("placement", "leaving"), 3);
    bench.check();
}

#[tokio::test]
async fn a_folder_that_keeps_lets_nothing_leave() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..3).await;
    bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    gone(&bench, [1], t(1)).await;
    assert!(leaving(&bench, t(10_000)).await.is_empty());
    assert_eq!(bench.count("placement", "placed"), 3);
}

#[tokio::test]
async fn what_comes_back_in_time_never_leaves() {
    let (bench, _) = made_in_album(3).await;
    gone(&bench, [1], t(1)).await;
    let change = Change::Modified {
        file: FileId(1),
        stat: stat(100),
        decision: decision(Some("A"), 0),
    };
    bench.store.record(vec![change], t(2)).await.unwrap();
    bench.hash_next(content(0), t(2)).await;
    assert!(leaving(&bench, t(10_000)).await.is_empty());
    assert_eq!(bench.count("placement", "placed"), 3);
    assert_eq!(bench.count("removal", "waiting"), 0);
    bench.check();
}

#[tokio::test]
async fn it_waits_for_a_file_of_its_size_that_may_be_the_same_one() {
    let (bench, root) = made_in_album(3).await;
    gone(&bench, [1], t(1)).await;
    bench.queue(root, Some("A"), [700]).await;
    assert!(leaving(&bench, t(1000)).await.is_empty());
    // It was the same one, renamed within its album.
    bench.hash_next(content(0), t(1001)).await;
    assert!(leaving(&bench, t(5000)).await.is_empty());
    assert_eq!(bench.count("placement", "placed"), 3);
    assert_eq!(bench.count("removal", "waiting"), 0);
}

#[tokio::test]
async fn a_copy_elsewhere_in_the_album_keeps_it_there() {
    let (bench, root) = made_in_album(2).await;
    bench.queue(root, Some("A"), [700]).await;
    bench.hash_next(content(0), t(1)).await;
    gone(&bench, [1], t(2)).await;
    assert!(leaving(&bench, t(1000)).await.is_empty());
    gone(&bench, [3], t(1001)).await;
    assert_eq!(leaving(&bench, t(2000)).await, [ItemId(1)]);
}

#[tokio::test]
async fn many_at_once_are_held_until_a_person_says_so() {
    let (bench, _) = made_in_album(150).await;
    gone(&bench, 1..=101, t(1)).await;
    assert!(leaving(&bench, t(1000)).await.is_empty());
    assert_eq!(bench.count("removal", "unconfirmed"), 101);
    assert_eq!(bench.count("placement", "leaving"), 0);
    // What goes later by itself is not held with them.
    gone(&bench, [150], t(1001)).await;
    assert_eq!(leaving(&bench, t(2000)).await.len(), 1);
    let released = bench.store.release_held(t(2001)).await.unwrap();
    assert_eq!(released.len(), 101);
    assert_eq!(bench.count("removal", "unconfirmed"), 0);
    assert_eq!(leaving(&bench, t(2002)).await.len(), 50, "in full groups");
    bench.check();
}

#[tokio::test]
async fn a_hundred_or_a_tenth_may_go_without_a_word() {
    let (bench, _) = made_in_album(150).await;
    gone(&bench, 1..=100, t(1)).await;
    assert_eq!(leaving(&bench, t(1000)).await.len(), 50);
    let (bench, _) = made_in_album(1100).await;
    gone(&bench, 1..=109, t(1)).await;
    assert_eq!(leaving(&bench, t(1000)).await.len(), 50);
}

#[tokio::test]
async fn what_came_back_while_the_call_was_under_way_is_wanted_again() {
    let (bench, _) = made_in_album(2).await;
    gone(&bench, [1], t(1)).await;
    let items = leaving(&bench, t(1000)).await;
    let call = NewCall {
        kind: CallKind::RemoveItems,
        album: AlbumRow(1),
        position: None,
        path: "/v1/albums/a:batchRemoveMediaItems".to_owned(),
        body: "{}".to_owned(),
        items: items.clone(),
        for_order: false,
    };
    let call = bench.store.journal(call, t(1000)).await.unwrap();
    let change = Change::Modified {
        file: FileId(1),
        stat: stat(100),
        decision: decision(Some("A"), 0),
    };
    bench.store.record(vec![change], t(1001)).await.unwrap();
    bench.hash_next(content(0), t(1001)).await;
    bench
        .store
        .removals_answered(call.id, AlbumRow(1), None, t(1002))
        .await
        .unwrap();
    assert_eq!(bench.count("placement", "wanted"), 1);
    bench.check();
}

#[tokio::test]
async fn what_a_person_took_out_stays_out() {
    let (bench, _) = made_in_album(2).await;
    bench
        .store
        .remove_by_user(vec![(ItemId(1), AlbumRow(1))])
        .await
        .unwrap();
    bench
        .store
        .left_already(AlbumRow(1), vec![ItemId(1)])
        .await
        .unwrap();
    let touched = FileStat {
        ctime_ns: 9,
        ..stat(100)
    };
    let change = Change::Modified {
        file: FileId(1),
        stat: touched,
        decision: decision(Some("A"), 0),
    };
    bench.store.record(vec![change], t(1)).await.unwrap();
    bench.hash_next(content(0), t(1)).await;
    assert_eq!(bench.count("placement", "gone"), 1);
    assert_eq!(bench.count("placement", "wanted"), 0);
}

#[tokio::test]
async fn an_item_that_lost_its_file_is_wanted_nowhere_until_another_brings_it_back() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [1]).await;
    let (claim, hashed) = bench.hash_all(t(0)).await.remove(0);
    let Hashed::Upload(item, _) = hashed else {
        panic!("{hashed:?}");
    };
    bench
        .store
        .vanished(claim.file, Some(item), t(1))
        .await
        .unwrap();
    assert_eq!(bench.state(item), "skipped");
    assert_eq!(bench.count("placement", "wanted"), 0);
    bench.queue(root, Some("A"), [2]).await;
    let again = bench.hash_next(content(1), t(2)).await;
    assert!(matches!(again, Hashed::Upload(same, _) if same == item));
    assert_eq!(bench.count("placement", "wanted"), 1);
    bench.check();
}

#[tokio::test]
async fn what_is_gone_before_it_was_made_does_not_stay_in_its_album() {
    for had_failed in [false, true] {
        let bench = Bench::new();
        let root = bench.removing_root("/p").await;
        bench.queue(root, Some("A"), [0]).await;
        let (claim, hashed) = bench.hash_all(t(0)).await.remove(0);
        let Hashed::Upload(item, _) = hashed else {
            panic!("{hashed:?}");
        };
        // The other half of a move to another album, which is found out by its bytes.
        bench.queue(root, Some("B"), [700]).await;
        let moved = bench.store.claim(9, false, t(0)).await.unwrap().remove(0);
        let held = bench.store.hashed(moved.file, content(0), t(2)).await;
        assert!(held.is_ok(), "{held:?}");
        if had_failed {
            let again = bench.store.upload_again(claim.file, item, t(2), None, t(2));
            again.await.unwrap();
            gone(&bench, [claim.file.0], t(3)).await;
        } else {
            let vanished = bench.store.vanished(claim.file, Some(item), t(3));
            vanished.await.unwrap();
        }
        assert_eq!(bench.count("removal", "waiting"), 1);
        let moved = bench.store.claim(9, false, t(9)).await.unwrap().remove(0);
        let sent = bench.store.hashed(moved.file, content(0), t(9)).await;
        assert!(matches!(sent, Ok(Hashed::Upload(same, _)) if same == item));
        bench.token(item, t(9)).await;
        bench.make_all(removing(), t(1000)).await;
        let left = match bench.plan(removing(), t(2000)).await {
            Planned::Remove(removal) => Some((removal.album, removal.items.len())),
            _ => None,
        };
        assert_eq!(left, Some((AlbumRow(1), 1)), "{had_failed}");
        bench.check();
    }
}

#[tokio::test]
async fn a_touched_copy_in_no_album_holds_nothing_in_the_album_of_another() {
    let (bench, _) = made_in_album(1).await;
    let plain = bench.root("/plain").await;
    bench.queue(plain, None, [700]).await;
    let copy = FileId(2);
    for touched in [false, true] {
        if touched {
            let stat = FileStat {
                ctime_ns: 9,
                ..stat(100)
            };
            let decision = decision(None, 700);
            let change = Change::Modified {
                file: copy,
                stat,
                decision,
            };
            bench.store.record(vec![change], t(1)).await.unwrap();
        }
        let claim = bench.store.claim(1, false, t(1)).await.unwrap().remove(0);
        assert_eq!(claim.file, copy);
        let held = bench.store.hashed(copy, content(0), t(1)).await;
        assert!(held.is_ok(), "{held:?}");
    }
    gone(&bench, [1], t(2)).await;
    assert_eq!(leaving(&bench, t(1000)).await, [ItemId(1)]);
    bench.check();
}

#[tokio::test]
async fn a_copy_in_a_folder_that_left_the_configuration_keeps_it_there_for_a_week() {
    const DAY: i64 = 24 * 3600;
    for (days, is_same_file, leaves) in [(6, false, false), (8, false, true), (0, true, true)] {
        let (bench, _) = made_in_album(1).await;
        let old = bench.removing_root("/old").await;
        bench.queue(old, Some("A"), [700]).await;
        bench.hash_next(content(0), t(1)).await;
        let inode = if is_same_file { "1" } else { "id + 1" };
        let sql = format!("UPDATE files SET dev = 7, inode = {inode}");
        crate::store::connection::beside(&bench.dir.path().join(FILE_NAME))
            .unwrap()
            .execute(&sql, [])
            .unwrap();
        let dropped = bench.store.configured(vec![PathBuf::from("/p")], t(2));
        dropped.await.unwrap();
        let then = t(2 + days * DAY);
        gone(&bench, [1], then).await;
        let later = crate::clock::after(then, QUIET * 2);
        let left = leaving(&bench, later).await;
        assert_eq!(!left.is_empty(), leaves, "{days} {is_same_file}");
        bench.check();
    }
}
