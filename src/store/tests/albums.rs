//! Albums: made once, found again, and made again when somebody deleted them.

use super::*;

/// One ready item for album A, which is not made yet.
async fn wanted() -> (Bench, AlbumTask) {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [0]).await;
    bench.send_all(t(1)).await;
    let task = task(&bench, t(1)).await;
    (bench, task)
}

async fn task(bench: &Bench, now: Timestamp) -> AlbumTask {
    match bench.plan(backfill(), now).await {
        Planned::Album(task) => task,
        other => panic!("no album is asked for, but {other:?}"),
    }
}

#[tokio::test]
async fn the_intention_is_kept_before_the_call_and_the_id_after_it() {
    let (bench, first) = wanted().await;
    assert_eq!(
        (first.title.as_str(), first.asked_at, first.looked),
        ("A", None, 0)
    );
    let call = bench
        .store
        .journal(create_album(first.row), t(2))
        .await
        .unwrap();
    assert_eq!(task(&bench, t(2)).await.asked_at, Some(t(2)));
    let (id, url) = (AlbumId::new("id"), Some("https://photos/id".to_owned()));
    bench
        .store
        .album_created(call.id, first.row, id.clone(), url.clone(), t(3))
        .await
        .unwrap();
    assert_eq!(
        bench.store.album_id(first.row).await.unwrap(),
        Some((id.clone(), Some(t(3))))
    );
    let view = bench.reader().albums().unwrap().remove(0);
    assert_eq!(
        (view.id, view.product_url, view.wanted),
        (Some(id.to_string()), url, 1)
    );
    assert_eq!(bench.batch(backfill(), t(3)).await.album_id, Some(id));
    bench.check();
}

#[tokio::test]
async fn after_an_unanswered_create_the_list_is_asked_twice_before_it_is_made_anew() {
    let (bench, first) = wanted().await;
    let call = bench
        .store
        .journal(create_album(first.row), t(2))
        .await
        .unwrap();
    bench.store.close().await;
    let bench = Bench {
        store: Store::open(bench.dir.path()).unwrap(),
        dir: bench.dir,
    };
    assert_eq!(
        bench.store.unanswered().await.unwrap().unwrap().kind,
        CallKind::CreateAlbum
    );
    bench
        .store
        .album_not_created(
            call.id,
            first.row,
            true,
            t(62),
            "no answer".to_owned(),
            t(3),
        )
        .await
        .unwrap();
    let Planned::Wait { until, .. } = bench.plan(backfill(), t(61)).await else {
        panic!()
    };
    assert_eq!(until, Some(t(62)));
    for looked in 0..2 {
        let again = task(&bench, t(62 + looked * 60)).await;
        assert_eq!(
            (again.asked_at, i64::from(again.looked)),
            (Some(t(2)), looked)
        );
        bench
            .store
            .album_not_listed(first.row, t(122 + looked * 60))
            .await
            .unwrap();
    }
    let again = task(&bench, t(300)).await;
    assert_eq!((again.asked_at, again.looked), (Some(t(2)), 2));
    // Now it is asked for once more, and the looking begins again.
    bench
        .store
        .journal(create_album(first.row), t(301))
        .await
        .unwrap();
    assert_eq!(task(&bench, t(301)).await.looked, 0);
    bench.check();
}

#[tokio::test]
async fn an_album_that_the_list_has_is_not_made_again() {
    let (bench, first) = wanted().await;
    let call = bench
        .store
        .journal(create_album(first.row), t(2))
        .await
        .unwrap();
    let error = "no answer".to_owned();
    bench
        .store
        .album_not_created(call.id, first.row, true, t(2), error, t(3))
        .await
        .unwrap();
    bench
        .store
        .album_stands(first.row, AlbumId::new("found"), None, t(4))
        .await
        .unwrap();
    let batch = bench.batch(backfill(), t(4)).await;
    assert_eq!(batch.album_id, Some(AlbumId::new("found")));
}

#[tokio::test]
async fn a_create_that_was_refused_for_certain_is_no_open_question() {
    let (bench, first) = wanted().await;
    let call = bench
        .store
        .journal(create_album(first.row), t(2))
        .await
        .unwrap();
    let error = "quota".to_owned();
    bench
        .store
        .album_not_created(call.id, first.row, false, t(9), error, t(3))
        .await
        .unwrap();
    assert_eq!(task(&bench, t(9)).await.asked_at, None);
    assert_eq!(
        bench.reader().albums().unwrap()[0].reason.as_deref(),
        Some("quota")
    );
}

#[tokio::test]
async fn a_lost_album_wants_its_items_again_in_order() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..3).await;
    let items = bench.send_all(t(1)).await;
    bench.make_all(backfill(), t(1)).await;
    let album = bench.reader().albums().unwrap()[0].row;
    assert_eq!(bench.store.album_absent(album, t(2)).await.unwrap(), t(2));
    assert_eq!(bench.store.album_absent(album, t(700)).await.unwrap(), t(2));
    bench.store.album_present(album).await.unwrap();
    assert_eq!(
        bench.store.album_absent(album, t(800)).await.unwrap(),
        t(800)
    );
    bench.store.album_lost(album).await.unwrap();
    bench.check();
    let view = bench.reader().albums().unwrap().remove(0);
    assert_eq!((view.items, view.wanted, view.id), (0, 3, None));
    // The tokens live: the album is filled by them, in order.
    let calls = bench.make_all(backfill(), t(900)).await;
    assert_eq!(calls[0].0, items);
    assert_eq!(bench.reader().albums().unwrap()[0].out_of_sequence, 0);
    bench.check();
}

#[tokio::test]
async fn the_same_title_is_the_same_album() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), [0]).await;
    bench.queue(root, Some("B"), [1]).await;
    bench.queue(root, Some("A"), [2]).await;
    let views = bench.reader().albums().unwrap();
    let seen: Vec<_> = views
        .iter()
        .map(|view| (view.title.as_str(), view.wanted))
        .collect();
    assert_eq!(seen, [("A", 2), ("B", 1)], "the busiest first");
    bench.check();
}
