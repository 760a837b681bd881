//! The store on real files, verb by verb and at random.

mod albums;
mod at_hand;
mod budgets;
mod claims;
mod counters;
mod departures;
mod describing;
mod growth;
mod joining;
mod journal;
mod million;
mod moves;
mod opening;
mod order;
mod planning;
mod plans;
mod reading;
mod rebuilding;
mod service;
mod trouble;
mod uploads;
mod verdicts;
mod views;
mod waits;
mod wanted;
mod world;
mod writer;

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use rusqlite::Connection;

use super::*;
use crate::model::{
    batch_plan::FlushPolicy,
    ids::{AlbumId, AlbumRow, ContentHash, ItemId, MediaItemId, RootId, UploadToken},
    order_key::OrderKey,
};

/// Some second of 2023, and so many after it.
fn t(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// The order key of the `n`th file.
fn key(n: u32) -> OrderKey {
    let name = name(n);
    OrderKey::new(Some(t(i64::from(n))), name.as_bytes(), name.as_ref())
}

fn name(n: u32) -> String {
    format!("IMG_{n:05}.jpg")
}

fn stat(size: u64) -> FileStat {
    FileStat {
        size,
        // A whole second, as many files have: nothing to tell a moved file by.
        mtime_ns: 1_000_000_000,
        ctime_ns: 2,
        dev: 3,
        inode: 4,
    }
}

/// The content that only the `n`th file has.
fn content(n: u32) -> Content {
    Content {
        hash: ContentHash(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        size: 100,
        mime: "image/jpeg",
        file_name: name(n),
        words: None,
    }
}

/// A store in a folder of its own.
struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        Self { dir, store }
    }

    /// A root of the configuration that is scanned and open.
    async fn root(&self, path: &str) -> RootId {
        let spec = RootSpec {
            path: PathBuf::from(path),
            configured: true,
            rule: "rule".to_owned(),
            removes: false,
        };
        let root = self.store.roots(vec![spec]).await.unwrap()[0].id;
        self.store.root_opened(root, true, t(0)).await.unwrap();
        root
    }

    /// The same, of a folder with `on_delete = "remove-from-album"`.
    async fn removing_root(&self, path: &str) -> RootId {
        let root = self.root(path).await;
        let spec = RootSpec {
            path: PathBuf::from(path),
            configured: true,
            rule: "rule".to_owned(),
            removes: true,
        };
        self.store.another_root(spec).await.unwrap();
        root
    }

    /// Queues the files `ns`, which go to `album` in the order of their numbers.
    async fn queue(&self, root: RootId, album: Option<&str>, ns: impl IntoIterator<Item = u32>) {
        let changes = ns.into_iter().map(|n| found(root, album, n)).collect();
        self.store.record(changes, t(0)).await.unwrap();
    }

    /// Claims the next file, which has this content.
    async fn hash_next(&self, content: Content, now: Timestamp) -> Hashed {
        let claim = self.store.claim(1, false, now).await.unwrap().remove(0);
        let hashed = self.store.hashed(claim.file, content, now).await;
        hashed.unwrap()
    }

    /// Claims everything and hashes it: the `n`th file has the `n`th content.
    async fn hash_all(&self, now: Timestamp) -> Vec<(Claimed, Hashed)> {
        let mut all = Vec::new();
        for claim in self.store.claim(10_000, false, now).await.unwrap() {
            let n = number(&claim);
            let hashed = self
                .store
                .hashed(claim.file, content(n), now)
                .await
                .unwrap();
            all.push((claim, hashed));
        }
        all
    }

    /// Sends the bytes of everything that is queued.
    async fn send_all(&self, now: Timestamp) -> Vec<ItemId> {
        let mut items = Vec::new();
        for (_, hashed) in self.hash_all(now).await {
            if let Hashed::Upload(item, _) = hashed {
                self.token(item, now).await;
                items.push(item);
            }
        }
        items
    }

    async fn token(&self, item: ItemId, now: Timestamp) {
        let token = UploadToken::new(format!("token-{item}-{now}"));
        self.store
            .token_received(item, token, 100, now)
            .await
            .unwrap();
    }

    async fn plan(&self, rules: PlanRules, now: Timestamp) -> Planned {
        self.store.plan(rules, now).await.unwrap()
    }

    /// The batch that leaves now; makes its album first, if need be.
    async fn batch(&self, rules: PlanRules, now: Timestamp) -> PlannedBatch {
        match self.plan(rules, now).await {
            Planned::Batch(batch) => batch,
            Planned::Album(task) => {
                self.make(&task, now).await;
                match self.plan(rules, now).await {
                    Planned::Batch(batch) => batch,
                    other => panic!("no batch, but {other:?}"),
                }
            }
            other => panic!("no batch, but {other:?}"),
        }
    }

    /// Makes the album that a task asks for.
    async fn make(&self, task: &AlbumTask, now: Timestamp) {
        let call = self
            .store
            .journal(create_album(task.row), now)
            .await
            .unwrap();
        let album_id = AlbumId::new(format!("album-{}", task.title));
        self.store
            .album_created(call.id, task.row, album_id, None, now)
            .await
            .unwrap();
    }

    async fn journal(&self, batch: &PlannedBatch, now: Timestamp) -> Journalled {
        self.store.journal(new_call(batch), now).await.unwrap()
    }

    /// Everything that may leave under `rules` leaves and is made; gives what each call carried, and where.
    async fn make_all(
        &self,
        rules: PlanRules,
        now: Timestamp,
    ) -> Vec<(Vec<ItemId>, Option<crate::model::batch_plan::Position>)> {
        let mut calls = Vec::new();
        loop {
            match self.plan(rules, now).await {
                Planned::Album(task) => self.make(&task, now).await,
                Planned::Batch(batch) => {
                    let call = self.journal(&batch, now).await;
                    let outcomes = batch.items.iter().map(|b| made(b.item)).collect();
                    self.store
                        .items_answered(call.id.into(), batch.album, 200, outcomes, None, now)
                        .await
                        .unwrap();
                    let items = batch.items.iter().map(|b| b.item).collect();
                    calls.push((items, batch.position));
                }
                Planned::Read(album, _) => self.store.album_read(album, Vec::new()).await.unwrap(),
                _ => return calls,
            }
        }
    }

    fn reader(&self) -> Reader {
        self.store.reader().unwrap()
    }

    /// The state of an item.
    fn state(&self, item: ItemId) -> String {
        self.one("SELECT state FROM items WHERE id = ?1", item.0)
    }

    /// The state of a file.
    fn file_state(&self, file: crate::model::ids::FileId) -> String {
        self.one("SELECT state FROM files WHERE id = ?1", file.0)
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str, id: i64) -> T {
        self.reader()
            .connection
            .query_row(sql, [id], |row| row.get(0))
            .unwrap()
    }

    fn count(&self, of: &str, state: &str) -> u64 {
        self.reader().overview(t(0)).unwrap().count(of, state)
    }

    /// What each test ends with.
    fn check(&self) {
        counters::assert_counters_true(&self.reader().connection);
    }
}

fn found(root: RootId, album: Option<&str>, n: u32) -> Change {
    Change::Found {
        root,
        dir: PathBuf::new(),
        name: name(n).into(),
        stat: stat(100),
        decision: decision(album, n),
    }
}

fn decision(album: Option<&str>, n: u32) -> FileDecision {
    FileDecision::Queue {
        album: album.map(str::to_owned),
        key: key(n),
        large: false,
        fresh: false,
    }
}

/// The number in the name of a claimed file.
fn number(claim: &Claimed) -> u32 {
    let name = claim.name.to_str().unwrap();
    name[4..9].parse().unwrap()
}

fn create_album(album: AlbumRow) -> NewCall {
    NewCall {
        kind: CallKind::CreateAlbum,
        album,
        position: None,
        path: "/v1/albums".to_owned(),
        body: "{}".to_owned(),
        items: Vec::new(),
        for_order: false,
    }
}

fn new_call(batch: &PlannedBatch) -> NewCall {
    NewCall {
        kind: CallKind::CreateItems,
        album: batch.album,
        position: batch.position.clone(),
        path: "/v1/mediaItems:batchCreate".to_owned(),
        body: "word for word".to_owned(),
        items: batch.items.iter().map(|item| item.item).collect(),
        for_order: batch.for_order,
    }
}

fn outcome(item: ItemId, outcome: Outcome) -> ItemOutcome {
    ItemOutcome {
        item,
        outcome,
        code: None,
        message: None,
        reason: None,
    }
}

/// The service will not make it, and no further try is allowed.
fn given_up() -> Outcome {
    Outcome::Again {
        not_before: t(0),
        blamed: Some(1),
    }
}

fn media_item_id(item: ItemId) -> MediaItemId {
    MediaItemId::new(format!("media-{item}"))
}

fn made(item: ItemId) -> ItemOutcome {
    let media_item_id = media_item_id(item);
    outcome(
        item,
        Outcome::Made {
            media_item_id,
            product_url: None,
            description: None,
        },
    )
}

/// A backfill whose scan is complete.
fn backfill() -> PlanRules {
    PlanRules {
        patience: FlushPolicy {
            max_wait: Duration::from_mins(10),
            final_flush: true,
            backpressure: false,
        },
        ready_tokens: 500,
        resumable_above: 16_000_000,
        order_calls_left: Some(2000),
        scanning: false,
        backfill_turn: false,
        fresh_only: false,
        quiet: None,
    }
}

/// A daemon, which waits half a minute for company.
fn daemon() -> PlanRules {
    PlanRules {
        patience: FlushPolicy {
            max_wait: Duration::from_secs(30),
            final_flush: false,
            backpressure: false,
        },
        ..backfill()
    }
}
