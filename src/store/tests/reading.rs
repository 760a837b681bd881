//! An album whose order is in doubt is read, and what stands in order is in sequence from then on.

use super::*;
use crate::model::batch_plan::Position;

fn in_sequence(bench: &Bench) -> Vec<i64> {
    let reader = bench.reader();
    let mut statement = reader
        .connection
        .prepare("SELECT item_id FROM placements WHERE in_sequence = 1 ORDER BY order_key")
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

/// A call to the album leaves its order in doubt.
async fn mark_position_unknown(bench: &Bench, most: Option<u64>) {
    let call = NewCall {
        kind: CallKind::CreateItems,
        ..create_album(AlbumRow(1))
    };
    let settled = RecordedCall {
        call: bench.store.journal(call, t(0)).await.unwrap().id,
        doubt: Uncertain::Order(most),
    };
    bench
        .store
        .items_answered(settled, AlbumRow(1), 200, Vec::new(), None, t(0))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_album_in_doubt_is_read_before_more_is_placed() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [10, 20, 30, 40]).await;
    let items = bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    mark_position_unknown(&bench, None).await;
    bench.queue(root, Some("A"), [35]).await;
    bench.send_all(t(1)).await;
    let Planned::Read(album, _) = bench.plan(backfill(), t(1)).await else {
        panic!("it is not read");
    };
    // The third came behind the fourth.
    let standing = [0, 1, 3, 2]
        .map(|n: usize| media_item_id(items[n]))
        .to_vec();
    bench.store.album_read(album, standing).await.unwrap();
    // The fourth is out of sequence now, so nothing that counts stands behind the third.
    let three = [items[0].0, items[1].0, items[2].0];
    assert_eq!(in_sequence(&bench), three);
    let batch = bench.batch(backfill(), t(2)).await;
    assert_eq!(batch.position, Some(Position::Last));
    bench.check();
}

#[tokio::test]
async fn what_the_list_does_not_show_yet_keeps_its_place() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [10, 20, 30]).await;
    let items = bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    let standing = vec![media_item_id(items[0])];
    bench.store.album_read(AlbumRow(1), standing).await.unwrap();
    assert_eq!(in_sequence(&bench).len(), 3);
}

#[tokio::test]
async fn a_large_album_is_not_read_on_mere_suspicion() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [10, 20, 30]).await;
    bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    let unread =
        |bench: &Bench| -> bool { bench.one("SELECT order_unknown FROM albums WHERE id = ?1", 1) };
    mark_position_unknown(&bench, Some(2)).await;
    assert!(!unread(&bench));
    mark_position_unknown(&bench, Some(3)).await;
    assert!(unread(&bench));
}

#[tokio::test]
async fn what_a_lost_call_may_have_placed_counts_once_the_album_was_read() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [10, 30]).await;
    let items = bench.send_all(t(0)).await;
    let batch = bench.batch(backfill(), t(0)).await;
    let call = bench.journal(&batch, t(0)).await;
    // It was done, nobody knows, and its tokens are dead.
    let again = Outcome::Again {
        not_before: t(1),
        blamed: None,
    };
    let outcomes = batch.items.iter().map(|it| outcome(it.item, again.clone()));
    let words = "no answer".to_owned();
    let settled = RecordedCall {
        call: call.id,
        doubt: Uncertain::Items,
    };
    bench
        .store
        .items_refused(settled, batch.album, None, words, outcomes.collect(), t(1))
        .await
        .unwrap();
    let Planned::Read(album, _) = bench.plan(backfill(), t(1)).await else {
        panic!("it is not read");
    };
    bench.store.album_read(album, Vec::new()).await.unwrap();
    let batch = bench.batch(backfill(), t(2)).await;
    let call = bench.journal(&batch, t(2)).await;
    let outcomes = batch.items.iter().map(|it| made(it.item)).collect();
    bench
        .store
        .items_answered(call.id.into(), batch.album, 200, outcomes, None, t(2))
        .await
        .unwrap();
    assert!(
        in_sequence(&bench).is_empty(),
        "nobody knows where they stand"
    );
    let Planned::Read(album, _) = bench.plan(backfill(), t(3)).await else {
        panic!("it is not read again");
    };
    let standing = items.iter().map(|item| media_item_id(*item)).collect();
    bench.store.album_read(album, standing).await.unwrap();
    assert_eq!(in_sequence(&bench).len(), 2);
    assert!(matches!(
        bench.plan(backfill(), t(4)).await,
        Planned::Wait { .. }
    ));
    bench.check();
}

#[tokio::test]
async fn what_an_answer_leaves_in_doubt_is_recorded_with_it_or_neither_is() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [10, 20]).await;
    bench.send_all(t(0)).await;
    let batch = bench.batch(backfill(), t(0)).await;
    let call = bench.journal(&batch, t(0)).await;
    let refuse = "CREATE TEMP TRIGGER refused BEFORE UPDATE OF order_unknown ON main.albums
                  BEGIN SELECT raise(ABORT, 'not now'); END";
    bench
        .store
        .write(move |db| Ok(db.execute_batch(refuse)?))
        .await
        .unwrap();
    for doubt in [Uncertain::Order(None), Uncertain::Items] {
        let settled = RecordedCall {
            call: call.id,
            doubt,
        };
        let (album, words) = (batch.album, "no".to_owned());
        let outcomes: Vec<_> = batch.items.iter().map(|it| made(it.item)).collect();
        let answered =
            bench
                .store
                .items_answered(settled, album, 200, outcomes.clone(), None, t(1));
        answered.await.unwrap_err();
        let refused = bench
            .store
            .items_refused(settled, album, None, words, outcomes, t(1));
        refused.await.unwrap_err();
    }
    assert_eq!(bench.count("item", "creating"), 2);
    assert!(bench.store.unanswered().await.unwrap().is_some());
    bench.check();
}
