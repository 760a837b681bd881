//! A million files in the queue: what is asked all day long must not notice. Figures, not asserts of
//! time: run with `cargo test --release --lib store::tests::million -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

const FILES: u32 = 1_000_000;
/// Changes in one record, as a scan makes them.
const CHUNK: u32 = 1000;

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    println!(
        "{what:<60} {:>10.3} ms",
        begun.elapsed().as_secs_f64() * 1000.0
    );
    result
}

/// The same, for something that is done often.
async fn often<F: Future<Output = ()>>(what: &str, n: u32, work: impl Fn() -> F) {
    let begun = Instant::now();
    for _ in 0..n {
        work().await;
    }
    let each = begun.elapsed().as_secs_f64() * 1000.0 / f64::from(n);
    println!("{what:<60} {each:>10.3} ms");
}

fn files(root: RootId, albums: u32, from: u32) -> Vec<Change> {
    (from..from + CHUNK)
        .map(|n| {
            let album = (albums > 0).then(|| format!("Album {:04}", n / (FILES / albums)));
            Change::Found {
                root,
                dir: PathBuf::from(format!("{:04}", n / CHUNK)),
                name: name(n % 100_000).into(),
                stat: stat(100),
                decision: FileDecision::Queue {
                    album,
                    key: key(n),
                    large: false,
                    fresh: false,
                },
            }
        })
        .collect()
}

async fn measure(albums: u32) {
    println!("--- {FILES} files, {albums} albums");
    let bench = Bench::new();
    let spec = RootSpec {
        path: "/p".into(),
        configured: true,
        rule: String::new(),
        removes: false,
    };
    let root = bench.store.roots(vec![spec]).await.unwrap()[0].id;
    let begun = Instant::now();
    for from in (0..FILES).step_by(CHUNK as usize) {
        bench
            .store
            .record(files(root, albums, from), t(0))
            .await
            .unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{:<60} {:>10.0} a second",
        "recorded",
        f64::from(FILES) / seconds
    );
    let now = t(1);
    look(&bench, "closed root").await;
    bench.store.root_opened(root, true, now).await.unwrap();
    // Some are made, some have failed, some wait, as in the middle of a backfill.
    let begun = Instant::now();
    for round in 0..20 {
        for claim in bench.store.claim(500, false, now).await.unwrap() {
            let seed = u32::try_from(claim.file.0).unwrap();
            let hashed = bench
                .store
                .hashed(claim.file, content(seed), now)
                .await
                .unwrap();
            if let Hashed::Upload(item, _) = hashed {
                bench.token(item, now).await;
            }
        }
        if round < 19 {
            drain(&bench, now).await;
        }
    }
    println!(
        "{:<60} {:>10.3} ms",
        "claimed, hashed, sent, planned, made: each",
        begun.elapsed().as_secs_f64() / 10.0
    );
    look(&bench, "in the middle").await;
    bench.store.root_away(root).await.unwrap();
    look(&bench, "root away").await;
}

/// Every tenth fails for good, the others are made.
async fn drain(bench: &Bench, now: Timestamp) {
    loop {
        match bench.plan(backfill(), now).await {
            Planned::Album(task) => bench.make(&task, now).await,
            Planned::Batch(batch) => {
                let call = bench.journal(&batch, now).await;
                let what = |item: ItemId| {
                    if item.0 % 10 == 0 {
                        outcome(item, given_up())
                    } else {
                        made(item)
                    }
                };
                let outcomes = batch.items.iter().map(|b| what(b.item)).collect();
                bench
                    .store
                    .items_answered(
                        call.id.into(),
                        batch.album,
                        200,
                        outcomes,
                        Some(600_000),
                        now,
                    )
                    .await
                    .unwrap();
            }
            _ => return,
        }
    }
}

async fn look(bench: &Bench, when: &str) {
    let now = t(2);
    let store = &bench.store;
    often(&format!("{when}: claim of none and back"), 50, || async {
        for claim in store.claim(6, true, now).await.unwrap() {
            store.unclaim(claim.file, t(0), now).await.unwrap();
        }
    })
    .await;
    often(&format!("{when}: next_claim"), 50, || async {
        store.next_claim(now).await.unwrap();
    })
    .await;
    often(&format!("{when}: plan"), 20, || async {
        store.plan(daemon(), now).await.unwrap();
    })
    .await;
    often(&format!("{when}: is_drained"), 50, || async {
        store.is_drained().await.unwrap();
    })
    .await;
    timed(&format!("{when}: open a reader and overview"), || {
        Reader::open(bench.dir.path())
            .unwrap()
            .unwrap()
            .overview(now)
            .unwrap()
    });
    timed(&format!("{when}: retry of one path"), || ());
    let begun = Instant::now();
    store
        .retry(vec![b"/p/0005/IMG_05001.jpg".to_vec()], now)
        .await
        .unwrap();
    println!(
        "{:<60} {:>10.3} ms",
        "  of it",
        begun.elapsed().as_secs_f64() * 1000.0
    );
}

#[tokio::test]
#[ignore = "minutes; for its figures"]
async fn a_million_queued_files_are_not_noticed() {
    measure(0).await;
    measure(10).await;
    measure(10_000).await;
}
