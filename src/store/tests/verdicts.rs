//! What the service says when it is asked for what was made.

use std::path::Path;

use super::{views::mixed, *};

#[tokio::test]
async fn a_missing_item_goes_up_again_and_keeps_its_past() {
    let bench = mixed().await;
    let (item, due) = bench.store.to_verify(9, t(602)).await.unwrap().remove(0);
    assert_eq!((item.media_item_id.as_str(), due), ("m0", t(602)));
    assert_eq!(bench.store.next_to_verify().await.unwrap(), Some(t(602)));
    let wait = Verdict::AskAgain(Duration::from_mins(1));
    bench
        .store
        .verdicts(vec![(item.item, wait)], t(602))
        .await
        .unwrap();
    let (again, due) = bench.store.to_verify(9, t(662)).await.unwrap().remove(0);
    assert_eq!((again.tries, due), (1, t(662)));
    bench
        .store
        .verdicts(vec![(item.item, Verdict::Gone)], t(662))
        .await
        .unwrap();
    assert_eq!(bench.state(item.item), "missing");
    assert!(bench.store.to_verify(9, t(9999)).await.unwrap().is_empty());
    assert_eq!(
        bench.reader().overview(t(9)).unwrap().failures[0].state,
        "missing"
    );
    bench.check();
    assert_eq!(bench.store.retry(Vec::new(), t(700)).await.unwrap(), 2);
    bench.check();
    let former: String = bench.one(
        "SELECT media_item_id FROM former_media_items WHERE item_id = ?1",
        item.item.0,
    );
    assert_eq!(former, "m0");
    assert_eq!(bench.send_all(t(701)).await.len(), 3);
    let calls = bench.make_all(backfill(), t(701)).await;
    assert_eq!(calls.iter().map(|(items, _)| items.len()).sum::<usize>(), 3);
    let album = bench.reader().albums().unwrap().remove(0);
    assert_eq!((album.placed, album.out_of_sequence), (3, 0));
    assert!(bench.store.is_drained().await.unwrap());
    bench.check();
}

#[tokio::test]
async fn what_is_confirmed_is_verified_and_what_cannot_be_played_says_so() {
    let bench = mixed().await;
    let made = bench
        .store
        .created_after(ItemId(0), 9)
        .await
        .unwrap()
        .remove(0)
        .item;
    bench
        .store
        .verdicts(vec![(made, Verdict::There)], t(700))
        .await
        .unwrap();
    assert_eq!(bench.state(made), "verified");
    let unplayable = Verdict::Unplayable("the service could not make a video of it".to_owned());
    bench
        .store
        .verdicts(vec![(made, unplayable)], t(701))
        .await
        .unwrap();
    let explained = bench
        .reader()
        .explain(Path::new("/p/IMG_00000.jpg"))
        .unwrap()
        .unwrap();
    assert_eq!(
        explained.item_reason.as_deref(),
        Some("the service could not make a video of it")
    );
    bench.check();
}
