//! How long the lane thinks before a call: the places of a late batch of 50 in an album of 20,000.
//!
//! `cargo bench --bench planning`; release and debug differ little, for it is SQLite that works.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use albumen::{
    model::{
        batch_plan::{FlushPolicy, Position},
        ids::{AlbumId, ContentHash, ItemId, MediaItemId, RootId, UploadToken},
        order_key::OrderKey,
    },
    store::{
        CallKind, Change, Claimed, Content, FileDecision, FileStat, Hashed, ItemOutcome, NewCall,
        Outcome, PlanRules, Planned, PlannedBatch, RootSpec, Store,
    },
};
use jiff::Timestamp;

/// What an album holds, less the late batch.
const STANDS: u32 = 20_000 - LATE;
const LATE: u32 = 50;

/// How often one and the same question is asked.
const TIMES: usize = 200;

/// Between two that stand there is room for so many: the numbers of what stands are multiples.
const STEP: u32 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let gaps: Vec<u32> = (0..LATE).map(|n| (n * 397 + 3) * STEP + 1).collect();
    late("50 late ones in 50 gaps", &gaps).await;
    let one_gap: Vec<u32> = (1..=LATE).map(|n| 9_999 * STEP + n).collect();
    late("50 late ones in one gap", &one_gap).await;
    queued().await;
}

/// An album that stands, and what comes late.
async fn late(what: &str, numbers: &[u32]) {
    let bench = Bench::new().await;
    bench.queue((0..STANDS).map(|n| n * STEP)).await;
    let began = Instant::now();
    bench.send().await;
    while bench.make().await.is_some() {}
    println!("{STANDS} placed in {:.1} s", began.elapsed().as_secs_f64());
    bench.queue(numbers.iter().copied()).await;
    bench.send().await;
    bench.ask(what).await;
    let (mut calls, mut thought) = (0, Duration::ZERO);
    while let Some((position, took)) = bench.make().await {
        assert!(matches!(position, Position::After(_)), "{position:?}");
        calls += 1;
        thought += took;
    }
    println!("  all of them: {calls} calls, thought about for {thought:.1?}");
}

/// A backfill that begins: 20,000 files in the queue, and as many tokens ready as there can be.
async fn queued() {
    let bench = Bench::new().await;
    bench.queue((0..STANDS + LATE).map(|n| n * STEP)).await;
    bench.send_some(499).await;
    while let Planned::Album(_) = bench.plan().await {
        bench.make_album().await;
    }
    bench.ask("499 ready of 20,000 in the queue").await;
}

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    root: RootId,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let spec = RootSpec {
            path: PathBuf::from("/photos"),
            configured: true,
            rule: String::new(),
            removes: false,
        };
        let root = store.roots(vec![spec]).await.unwrap()[0].id;
        store.root_opened(root, true, now()).await.unwrap();
        Self {
            _dir: dir,
            store,
            root,
        }
    }

    async fn queue(&self, numbers: impl Iterator<Item = u32>) {
        let changes: Vec<Change> = numbers.map(|n| found(self.root, n)).collect();
        for some in changes.chunks(500) {
            self.store.record(some.to_vec(), now()).await.unwrap();
        }
    }

    async fn send(&self) {
        while self.send_some(500).await > 0 {}
    }

    /// Sends some; gives how many.
    async fn send_some(&self, n: usize) -> usize {
        let claims = self.store.claim(n, false, now()).await.unwrap();
        for claim in &claims {
            let content = content(claim);
            let hashed = self.store.hashed(claim.file, content, now()).await.unwrap();
            let Hashed::Upload(item, _) = hashed else {
                panic!("{hashed:?}")
            };
            let token = UploadToken::new(format!("token {item}"));
            let received = self.store.token_received(item, token, 100, now());
            received.await.unwrap();
        }
        claims.len()
    }

    async fn plan(&self) -> Planned {
        self.store.plan(rules(), now()).await.unwrap()
    }

    /// Asks what leaves next, again and again.
    async fn ask(&self, what: &str) {
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let began = Instant::now();
            let planned = self.plan().await;
            took.push(began.elapsed());
            assert!(matches!(planned, Planned::Batch(_)), "{planned:?}");
        }
        took.sort();
        let (median, worst) = (took[TIMES / 2], took[TIMES - 1]);
        println!("{what}: {median:.2?}, at worst {worst:.2?} (target: 10 ms)");
    }

    async fn make_album(&self) {
        let Planned::Album(task) = self.plan().await else {
            return;
        };
        let call = call(CallKind::CreateAlbum, task.row);
        let call = self.store.journal(call, now()).await.unwrap();
        let (id, row) = (AlbumId::new("album"), task.row);
        let created = self.store.album_created(call.id, row, id, None, now());
        created.await.unwrap();
    }

    /// Makes what leaves next; gives where it went, and how long that took to find out.
    async fn make(&self) -> Option<(Position, Duration)> {
        self.make_album().await;
        let began = Instant::now();
        let planned = self.plan().await;
        let took = began.elapsed();
        let Planned::Batch(batch) = planned else {
            return None;
        };
        let call = NewCall {
            position: batch.position.clone(),
            items: batch.items.iter().map(|item| item.item).collect(),
            ..call(CallKind::CreateItems, batch.album)
        };
        let call = self.store.journal(call, now()).await.unwrap();
        let made = made(&batch);
        let answered =
            self.store
                .items_answered(call.id.into(), batch.album, 200, made, None, now());
        answered.await.unwrap();
        Some((batch.position?, took))
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn rules() -> PlanRules {
    PlanRules {
        patience: FlushPolicy {
            max_wait: Duration::from_mins(10),
            final_flush: true,
            backpressure: false,
        },
        ready_tokens: u64::MAX,
        resumable_above: 16_000_000,
        order_calls_left: Some(2000),
        scanning: false,
        backfill_turn: false,
        fresh_only: false,
        quiet: None,
    }
}

fn found(root: RootId, n: u32) -> Change {
    let taken = Timestamp::from_second(1_700_000_000 + i64::from(n)).unwrap();
    let name = format!("IMG_{n:08}.jpg");
    let path = PathBuf::from("/photos/2024/Summer in Crete").join(&name);
    Change::Found {
        root,
        dir: PathBuf::from("2024/Summer in Crete"),
        decision: FileDecision::Queue {
            album: Some("Summer in Crete".to_owned()),
            key: OrderKey::new(Some(taken), name.as_bytes(), &path),
            large: false,
            fresh: false,
        },
        name: name.into(),
        stat: FileStat {
            size: 100,
            mtime_ns: 0,
            ctime_ns: 0,
            dev: 1,
            inode: u64::from(n) + 1,
        },
    }
}

fn content(claim: &Claimed) -> Content {
    let name = claim.name.to_str().unwrap();
    let n: u32 = name[4..12].parse().unwrap();
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&n.to_be_bytes());
    Content {
        hash: ContentHash(hash),
        size: 100,
        mime: "image/jpeg",
        file_name: name.to_owned(),
        words: None,
    }
}

fn call(kind: CallKind, album: albumen::model::ids::AlbumRow) -> NewCall {
    NewCall {
        kind,
        album,
        position: None,
        path: String::new(),
        body: "{}".to_owned(),
        items: Vec::new(),
        for_order: false,
    }
}

fn made(batch: &PlannedBatch) -> Vec<ItemOutcome> {
    let outcome = |item: ItemId| ItemOutcome {
        item,
        outcome: Outcome::Made {
            media_item_id: MediaItemId::new(format!("media item {item}")),
            product_url: None,
            description: None,
        },
        code: None,
        message: None,
        reason: None,
    };
    batch.items.iter().map(|item| outcome(item.item)).collect()
}
