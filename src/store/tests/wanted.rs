//! What is on its way is wanted somewhere, or nothing would ever make it.

use super::*;
use crate::store::albums::roll_over;

/// The state of an item's placement in an album.
fn place(bench: &Bench, item: ItemId, album: i64) -> String {
    let sql = format!("SELECT state FROM placements WHERE item_id = ?1 AND album_id = {album}");
    bench.one(&sql, item.0)
}

async fn two_in_album() -> (Bench, Vec<ItemId>) {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [1, 2]).await;
    let items = bench.send_all(t(0)).await;
    (bench, items)
}

#[tokio::test]
async fn what_is_taken_out_before_it_is_made_is_made_for_the_library() {
    let (bench, items) = two_in_album().await;
    let out = vec![(items[0], AlbumRow(1))];
    bench.store.remove_by_user(out).await.unwrap();
    let calls = bench.make_all(backfill(), t(1)).await;
    let mut carried: Vec<_> = calls.into_iter().map(|(items, _)| items).collect();
    carried.sort();
    assert_eq!(carried, [vec![items[0]], vec![items[1]]]);
    assert_eq!(place(&bench, items[0], 0), "placed");
    assert_eq!(place(&bench, items[0], 1), "gone");
    assert!(bench.store.is_drained().await.unwrap());
    bench.check();
}

#[tokio::test]
async fn what_is_taken_out_while_its_call_is_under_way_leaves_the_album_and_stays_in_the_library() {
    let (bench, items) = two_in_album().await;
    let batch = bench.batch(backfill(), t(1)).await;
    let call = bench.journal(&batch, t(1)).await;
    let out = vec![(items[0], AlbumRow(1))];
    bench.store.remove_by_user(out).await.unwrap();
    let outcomes = items.iter().map(|item| made(*item)).collect();
    bench
        .store
        .items_answered(call.id.into(), batch.album, 200, outcomes, None, t(2))
        .await
        .unwrap();
    assert_eq!(place(&bench, items[0], 0), "placed");
    assert_eq!(place(&bench, items[0], 1), "leaving");
    bench.check();
}

#[tokio::test]
async fn what_was_taken_out_of_the_next_part_is_made_when_the_part_before_is_full() {
    let (bench, items) = two_in_album().await;
    let item = items[1].0;
    bench
        .store
        .write(move |db| {
            db.execute("INSERT INTO albums (title, part) VALUES ('A', 2)", [])?;
            db.execute(
                "INSERT INTO placements (item_id, album_id, order_key, state, reason)
                 VALUES (?1, 2, x'00', 'gone', 'by hand')",
                [item],
            )?;
            roll_over(db, AlbumRow(1))
        })
        .await
        .unwrap();
    assert_eq!(place(&bench, items[0], 2), "wanted");
    assert_eq!(place(&bench, items[1], 2), "gone");
    assert_eq!(place(&bench, items[1], 0), "wanted");
    bench.check();
}
