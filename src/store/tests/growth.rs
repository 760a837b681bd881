//! Albums that are full go on as "Title (2)".

use super::*;
use crate::store::next_call::plan;

/// An album of ten, so that one fills up quickly.
const LIMIT: u64 = 10;

async fn next(bench: &Bench, now: Timestamp) -> Planned {
    let verb = move |db: &Tx| plan(db, backfill(), LIMIT, now);
    bench.store.write(verb).await.unwrap()
}

async fn make_all(bench: &Bench, now: Timestamp) -> Vec<usize> {
    let mut calls = Vec::new();
    loop {
        match next(bench, now).await {
            Planned::Album(task) => bench.make(&task, now).await,
            Planned::Batch(batch) => {
                let call = bench.journal(&batch, now).await;
                let outcomes = batch.items.iter().map(|b| made(b.item)).collect();
                bench
                    .store
                    .items_answered(call.id.into(), batch.album, 200, outcomes, None, now)
                    .await
                    .unwrap();
                calls.push(batch.items.len());
            }
            _ => return calls,
        }
    }
}

fn parts(bench: &Bench) -> Vec<(String, u64)> {
    let mut parts: Vec<_> = bench
        .reader()
        .albums()
        .unwrap()
        .into_iter()
        .map(|a| (a.title, a.items))
        .collect();
    parts.sort();
    parts
}

#[tokio::test]
async fn a_full_album_goes_on_as_a_second_and_a_third_part() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..25).await;
    bench.send_all(t(1)).await;
    assert_eq!(make_all(&bench, t(1)).await, [10, 10, 5]);
    let full = [
        ("A".to_owned(), 10),
        ("A (2)".to_owned(), 10),
        ("A (3)".to_owned(), 5),
    ];
    assert_eq!(parts(&bench), full);
    // What comes later, also to the place of an earlier part, goes to the last.
    bench.queue(root, Some("A"), 100..102).await;
    bench.send_all(t(2)).await;
    make_all(&bench, t(2)).await;
    assert_eq!(parts(&bench)[2], ("A (3)".to_owned(), 7));
    bench.check();
}

#[tokio::test]
async fn what_is_in_the_queue_of_a_full_album_goes_along() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..12).await;
    bench.send_all(t(1)).await;
    bench.queue(root, Some("A"), 20..24).await;
    let claimed = bench.store.claim(1, false, t(1)).await.unwrap().remove(0);
    // Only the twelve are ready: it takes patience to pass the others over.
    let later = t(700);
    assert_eq!(make_all(&bench, later).await, [10, 2]);
    let hashed = bench
        .store
        .hashed(claimed.file, content(20), later)
        .await
        .unwrap();
    let Hashed::Upload(item, _) = hashed else {
        panic!()
    };
    bench.token(item, later).await;
    bench.send_all(later).await;
    make_all(&bench, later).await;
    assert_eq!(
        parts(&bench),
        [("A".to_owned(), 10), ("A (2)".to_owned(), 6)]
    );
    bench.check();
}

#[tokio::test]
async fn bytes_that_go_up_again_after_the_album_was_full_find_the_part_of_their_item() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..12).await;
    bench.send_all(t(1)).await;
    // Ten are made; the other two move to part 2, where their tokens die.
    for _ in 0..2 {
        if let Planned::Album(task) = next(&bench, t(1)).await {
            bench.make(&task, t(1)).await;
        }
    }
    let Planned::Batch(first) = next(&bench, t(1)).await else {
        panic!()
    };
    let call = bench.journal(&first, t(1)).await;
    let outcomes = first.items.iter().map(|b| made(b.item)).collect();
    bench
        .store
        .items_answered(call.id.into(), first.album, 200, outcomes, None, t(1))
        .await
        .unwrap();
    assert!(
        matches!(next(&bench, t(1)).await, Planned::Album(_)),
        "the second part is to be made"
    );
    let later = t(24 * 3600);
    next(&bench, later).await;
    assert_eq!(bench.send_all(later).await.len(), 2);
    make_all(&bench, later).await;
    assert_eq!(
        parts(&bench),
        [("A".to_owned(), 10), ("A (2)".to_owned(), 2)]
    );
    let twice: i64 = bench.one("SELECT count(*) - count(DISTINCT item_id) FROM placements WHERE state = 'placed' AND id > ?1", 0);
    assert_eq!(twice, 0, "no item is in both parts");
    assert!(bench.store.is_drained().await.unwrap());
    bench.check();
}

#[tokio::test]
async fn a_late_one_for_a_full_part_that_is_in_the_next_already_is_not_made_twice() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..11).await;
    bench.send_all(t(1)).await;
    make_all(&bench, t(1)).await;
    // A placement in the full part that the item has in the next one as well.
    bench
        .store
        .write(|db| {
            db.execute(
                "INSERT INTO placements (item_id, album_id, order_key, state, item_exists)
                 SELECT item_id, 1, order_key, 'wanted', 1 FROM placements WHERE album_id = 2",
                [],
            )?;
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(make_all(&bench, t(2)).await, Vec::<usize>::new());
    assert_eq!(bench.count("placement", "gone"), 1);
    assert_eq!(parts(&bench).len(), 2);
    bench.check();
}

#[tokio::test]
async fn additions_keep_to_the_limit_too() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..8).await;
    bench.queue(root, Some("B"), 50..54).await;
    bench.send_all(t(1)).await;
    make_all(&bench, t(1)).await;
    bench.queue(root, Some("A"), 60..64).await;
    let now = t(24 * 3600);
    for claim in bench.store.claim(9, false, now).await.unwrap() {
        bench
            .store
            .hashed(claim.file, content(number(&claim) - 10), now)
            .await
            .unwrap();
    }
    let mut sizes = Vec::new();
    loop {
        match next(&bench, now).await {
            Planned::Album(task) => bench.make(&task, now).await,
            Planned::Add(addition) => {
                sizes.push(addition.items.len());
                let items = addition.items.iter().map(|(item, _)| *item).collect();
                let call = NewCall {
                    kind: CallKind::AddItems,
                    items,
                    ..create_album(addition.album)
                };
                let call = bench.store.journal(call, now).await.unwrap();
                bench
                    .store
                    .additions_answered(call.id, addition.album, None, None, now)
                    .await
                    .unwrap();
            }
            _ => break,
        }
    }
    assert_eq!(sizes, [2, 2]);
    let expected = [
        ("A".to_owned(), 10),
        ("A (2)".to_owned(), 2),
        ("B".to_owned(), 4),
    ];
    assert_eq!(parts(&bench), expected);
    bench.check();
}
