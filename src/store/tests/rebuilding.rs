//! What is found again fills what is unknown, and contradicts nothing.

use super::*;
use crate::store::{ListedAlbum, RecoveredItem};

fn again(root: RootId, n: u32, title: Option<&str>) -> RecoveredItem {
    RecoveredItem {
        root,
        dir: PathBuf::from("dir"),
        name: name(n).into(),
        file: None,
        stat: stat(100),
        title: title.map(str::to_owned),
        listed_in: None,
        key: key(n),
        large: false,
        content: content(n),
        media_item_id: MediaItemId::new(format!("m{n}")),
        described: None,
        product_url: None,
        is_known: false,
    }
}

fn listed(id: &str, title: &str, part: u32) -> ListedAlbum {
    ListedAlbum {
        title: title.to_owned(),
        part,
        album_id: AlbumId::new(id),
        product_url: None,
    }
}

async fn placements(bench: &Bench) -> Vec<(i64, String, bool)> {
    bench
        .store
        .write(|db| {
            Ok(db
                .prepare("SELECT album_id, state, in_sequence FROM placements ORDER BY item_id")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_file_that_is_found_again_is_held_and_its_item_is_created() {
    let bench = Bench::new();
    let root = bench.root("/photos").await;
    let taken = bench
        .store
        .albums_taken_over(
            vec![listed("a", "Crete", 1), listed("b", "Crete", 2)],
            false,
            t(0),
        )
        .await
        .unwrap();
    let rows: Vec<AlbumRow> = taken.into_iter().flatten().map(|one| one.row).collect();
    let mut found: Vec<RecoveredItem> = (0..3).map(|n| again(root, n, Some("Crete"))).collect();
    found[0].listed_in = Some(rows[0]);
    found[1].listed_in = Some(rows[1]);
    let items = bench
        .store
        .found_again(found, Some(60_000), t(5))
        .await
        .unwrap();
    assert!(items.iter().all(Option::is_some));
    // What the service does not have in the album joins it; new ones go to the last part.
    let expected = [
        (rows[0].0, "placed"),
        (rows[1].0, "placed"),
        (rows[1].0, "wanted"),
    ];
    let placed = placements(&bench).await;
    assert_eq!(
        placed,
        expected.map(|(album, state)| (album, state.to_owned(), false))
    );
    let overview = bench.reader().overview(t(5)).unwrap();
    assert_eq!(overview.count("file", "attached"), 3);
    assert_eq!(overview.count("item", "created"), 3);
    assert!(bench.store.claim(10, false, t(6)).await.unwrap().is_empty());
    let due = bench.store.to_verify(10, t(65)).await.unwrap();
    assert_eq!(due.len(), 3);

    let items: Vec<ItemId> = items.into_iter().flatten().collect();
    let keys = bench.store.keys_in(rows[1], items.clone()).await.unwrap();
    assert_eq!(
        keys.iter().map(Option::is_some).collect::<Vec<_>>(),
        [false, true, true]
    );
    let standing = items.iter().map(|item| (*item, true)).collect();
    bench.store.stand_in(rows[1], standing).await.unwrap();
    let placed = placements(&bench).await;
    assert_eq!(placed[2], (rows[1].0, "placed".to_owned(), true));
    assert!(!placed[0].2, "another album is left alone");
}

#[tokio::test]
async fn two_files_of_one_content_are_one_item_and_may_be_told_twice() {
    let bench = Bench::new();
    let root = bench.root("/photos").await;
    let mut copy = again(root, 1, None);
    copy.name = "copy.jpg".into();
    let both = vec![again(root, 1, None), copy];
    let first = bench
        .store
        .found_again(both.clone(), None, t(5))
        .await
        .unwrap();
    assert_eq!(first[0], first[1]);
    let known: Vec<RecoveredItem> = both
        .into_iter()
        .map(|one| RecoveredItem {
            is_known: true,
            ..one
        })
        .collect();
    let second = bench.store.found_again(known, None, t(6)).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(placements(&bench).await.len(), 1);
}

#[tokio::test]
async fn what_contradicts_is_left_as_it_was() {
    let bench = Bench::new();
    let root = bench.root("/photos").await;
    // Another content is this media item already.
    let mut taken = again(root, 1, None);
    taken.is_known = true;
    // This content is on its way.
    bench.queue(root, None, [2]).await;
    bench.hash_all(t(1)).await;
    let mut on_its_way = again(root, 3, None);
    on_its_way.content = content(2);
    let found = vec![taken, on_its_way];
    let items = bench.store.found_again(found, None, t(5)).await.unwrap();
    assert_eq!(items, [None, None]);
    let overview = bench.reader().overview(t(5)).unwrap();
    assert_eq!(overview.count("item", "created"), 0);
    assert_eq!(overview.count("file", "attached"), 1);
}

#[tokio::test]
async fn an_album_is_taken_over_once_and_a_renamed_one_keeps_its_row() {
    let bench = Bench::new();
    let root = bench.root("/photos").await;
    bench.queue(root, Some("Crete"), [1]).await;
    let take = async |album: ListedAlbum| {
        let taken = bench
            .store
            .albums_taken_over(vec![album], false, t(9))
            .await;
        taken.unwrap().remove(0)
    };
    let first = take(listed("a", "Crete", 1)).await.unwrap();
    assert!(first.is_new);
    let again = take(listed("a", "Crete", 1)).await.unwrap();
    assert!(!again.is_new && again.row == first.row);
    assert_eq!(take(listed("b", "Crete", 1)).await, None);
    let renamed = take(listed("a", "Kreta", 1)).await.unwrap();
    assert_eq!((renamed.row, renamed.title.as_str()), (first.row, "Crete"));
    assert_eq!(bench.store.album_ids().await.unwrap().len(), 1);
}
