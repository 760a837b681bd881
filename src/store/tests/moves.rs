//! A moved file is known by its inode where that is sure, and read where it is not.

use super::*;
use crate::model::ids::FileId;

/// When a file system with fractions of a second says that the file changed.
const FINE: i64 = 1_700_000_000_123_456_789;

fn seen(root: RootId, album: Option<&str>, n: u32, mtime_ns: i64, inode: u64) -> Change {
    let Change::Found {
        dir,
        name,
        decision,
        ..
    } = found(root, album, n)
    else {
        unreachable!()
    };
    let stat = FileStat {
        mtime_ns,
        inode,
        ..stat(100)
    };
    Change::Found {
        root,
        dir,
        name,
        stat,
        decision,
    }
}

/// One made item in album A, whose file has this time and inode 77.
async fn one_made(mtime_ns: i64) -> (Bench, RootId, ItemId) {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    let change = seen(root, Some("A"), 1, mtime_ns, 77);
    bench.store.record(vec![change], t(0)).await.unwrap();
    let item = bench.send_all(t(0)).await[0];
    bench.make_all(backfill(), t(0)).await;
    (bench, root, item)
}

#[tokio::test]
async fn a_moved_file_is_a_row_and_is_never_read() {
    let (bench, root, item) = one_made(FINE).await;
    let change = seen(root, Some("B"), 2, FINE, 77);
    bench.store.record(vec![change], t(100_000)).await.unwrap();
    assert_eq!(bench.count("file", "attached"), 2);
    assert!(!bench.store.has_claimable(t(100_000)).await.unwrap());
    let wanted: i64 = bench.one(
        "SELECT count(*) FROM placements WHERE state = 'wanted' AND item_id = ?1",
        item.0,
    );
    assert_eq!(wanted, 1, "it joins the album of its new folder");
    bench.check();
}

#[tokio::test]
async fn what_only_looks_alike_is_read() {
    for (mtime_ns, inode, why) in [(FINE + 1, 77, "another time"), (FINE, 78, "another inode")] {
        let (bench, root, _) = one_made(FINE).await;
        let change = seen(root, Some("B"), 2, mtime_ns, inode);
        bench.store.record(vec![change], t(1)).await.unwrap();
        assert_eq!(bench.count("file", "queued"), 1, "{why}");
    }
    let (bench, root, _) = one_made(1_000_000_000).await;
    let change = seen(root, Some("B"), 2, 1_000_000_000, 77);
    bench.store.record(vec![change], t(1)).await.unwrap();
    assert_eq!(bench.count("file", "queued"), 1, "a time without fractions");
}

#[tokio::test]
async fn a_moved_file_whose_edit_was_ignored_is_read() {
    let (bench, root, _) = one_made(FINE).await;
    let edited = FileStat {
        mtime_ns: FINE + 5,
        inode: 77,
        ..stat(100)
    };
    let change = Change::Modified {
        file: FileId(1),
        stat: edited,
        decision: FileDecision::KeepAsIs,
    };
    bench.store.record(vec![change], t(1)).await.unwrap();
    let change = seen(root, Some("B"), 2, FINE + 5, 77);
    bench.store.record(vec![change], t(2)).await.unwrap();
    assert_eq!(bench.count("file", "queued"), 1);
}

#[tokio::test]
async fn what_was_edited_leaves_its_media_item_in_the_history() {
    let (bench, _, item) = one_made(FINE).await;
    let former = |bench: &Bench| -> i64 {
        bench.one("SELECT count(*) FROM former_items WHERE file_id = ?1", 1)
    };
    let touched = FileStat {
        mtime_ns: FINE + 9,
        inode: 77,
        ..stat(100)
    };
    let change = Change::Modified {
        file: FileId(1),
        stat: touched,
        decision: decision(Some("A"), 1),
    };
    bench
        .store
        .record(vec![change.clone()], t(1))
        .await
        .unwrap();
    assert_eq!(former(&bench), 1);
    bench.hash_next(content(1), t(1)).await;
    assert_eq!(former(&bench), 0, "it was only touched");
    bench.store.record(vec![change], t(2)).await.unwrap();
    bench.hash_next(content(2), t(2)).await;
    let kept: i64 = bench.one("SELECT item_id FROM former_items WHERE file_id = ?1", 1);
    assert_eq!(kept, item.0);
    bench.check();
}

#[tokio::test]
async fn a_touched_file_of_a_full_part_does_not_come_into_the_next_one() {
    let (bench, _, item) = one_made(FINE).await;
    let db = Connection::open(bench.dir.path().join(FILE_NAME)).unwrap();
    db.execute("INSERT INTO albums (title, part) VALUES ('A', 2)", [])
        .unwrap();
    let touched = FileStat {
        mtime_ns: FINE + 9,
        inode: 77,
        ..stat(100)
    };
    let change = Change::Modified {
        file: FileId(1),
        stat: touched,
        decision: decision(Some("A"), 1),
    };
    bench.store.record(vec![change], t(1)).await.unwrap();
    bench.hash_next(content(1), t(1)).await;
    let places: i64 = bench.one(
        "SELECT count(*) FROM placements WHERE item_id = ?1 AND album_id <> 0",
        item.0,
    );
    assert_eq!(places, 1);
    bench.check();
}

#[tokio::test]
async fn an_edited_picture_stands_behind_the_one_it_was() {
    let (bench, _, item) = one_made(FINE).await;
    let edited = FileStat {
        mtime_ns: FINE + 9,
        inode: 77,
        ..stat(100)
    };
    let change = Change::Modified {
        file: FileId(1),
        stat: edited,
        decision: decision(Some("A"), 1),
    };
    bench.store.record(vec![change], t(1)).await.unwrap();
    let new = bench.hash_next(content(2), t(1)).await;
    let Hashed::Upload(new, _) = new else {
        panic!("{new:?}");
    };
    let key = |item: ItemId| -> Vec<u8> {
        bench.one(
            "SELECT order_key FROM placements WHERE item_id = ?1 AND album_id <> 0",
            item.0,
        )
    };
    assert!(key(item) < key(new));
    bench.check();
}

#[tokio::test]
async fn a_moved_file_that_another_program_has_sent_is_not_sent_either() {
    for (mtime_ns, inode, state) in [
        (FINE, 77, "refused"),
        (FINE, 78, "queued"),
        (FINE + 1, 77, "queued"),
    ] {
        let bench = Bench::new();
        let root = bench.root("/p").await;
        let Change::Found {
            dir, name, stat, ..
        } = seen(root, None, 1, FINE, 77)
        else {
            unreachable!()
        };
        let decision = FileDecision::Refuse {
            kind: IMPORTED,
            reason: "it was sent".to_owned(),
        };
        let imported = Change::Found {
            root,
            dir,
            name,
            stat,
            decision,
        };
        bench.store.record(vec![imported], t(0)).await.unwrap();
        let change = seen(root, None, 2, mtime_ns, inode);
        bench.store.record(vec![change], t(1)).await.unwrap();
        assert_eq!(bench.file_state(FileId(2)), state);
        bench.check();
    }
}
