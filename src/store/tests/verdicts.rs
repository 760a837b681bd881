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
    assert_eq!((album.items, album.out_of_sequence), (3, 0));
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
        .verdicts(vec![(made, Verdict::There { question: 0 })], t(700))
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

#[tokio::test]
async fn an_answer_to_a_question_of_before_lets_no_file_go() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, None, [0]).await;
    bench.send_all(t(0)).await;
    bench.make_all(backfill(), t(0)).await;
    let store = &bench.store;
    store.roots_act(vec!["/p".into()]).await.unwrap();
    request_verification(&bench, t(1)).await;
    let (asked, _) = store.to_verify(9, t(1)).await.unwrap().remove(0);
    // While the answer is on its way the same picture comes a second time.
    bench.queue(root, None, [1]).await;
    bench.hash_next(content(0), t(2)).await;
    request_verification(&bench, t(2)).await;
    let there = |question| vec![(asked.item, Verdict::There { question })];
    store.verdicts(there(asked.question), t(3)).await.unwrap();
    assert_eq!(
        store.sources(9, t(3)).await.unwrap().map(|due| due.len()),
        None
    );
    assert!(!store.is_drained().await.unwrap(), "it is asked for again");
    let (again, _) = store.to_verify_for_files(9, t(3)).await.unwrap().remove(0);
    assert_ne!(again.question, asked.question);
    store.verdicts(there(again.question), t(4)).await.unwrap();
    let due = store.sources(9, t(4)).await.unwrap().unwrap();
    assert_eq!(due.len(), 2);
    bench.check();
}

async fn request_verification(bench: &Bench, now: Timestamp) {
    let waiting = bench.store.unrequested(9).await.unwrap();
    let files = waiting.into_iter().map(|source| source.file).collect();
    let none = Duration::ZERO;
    bench
        .store
        .arrange_read_back(files, none, now)
        .await
        .unwrap();
}
