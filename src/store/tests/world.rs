//! A run of everything against a service in memory, in random order.

use std::collections::{BTreeSet, HashMap};

use super::{service::Service, *};
use crate::model::{batch_plan::Position, ids::FileId};

/// What a run is made of.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) files: u32,
    pub(super) seed: u64,
    pub(super) daemon: bool,
    /// Of a hundred: large files, failed uploads, failed results, and steps that are a crash.
    pub(super) large: u32,
    pub(super) fails: u32,
    pub(super) refused: u32,
    pub(super) crashes: u32,
}

/// A call that was journalled and what the service answers to it, each time it is sent.
struct Sent {
    call: Journalled,
    position: Option<Position>,
    results: Vec<(ItemId, bool)>,
}

pub(super) struct World {
    bench: Bench,
    script: Script,
    chance: fastrand::Rng,
    now: Timestamp,
    roots: [RootId; 2],
    away: bool,
    to_come: Vec<u32>,
    claimed: Vec<Claimed>,
    sending: Vec<(FileId, ItemId)>,
    service: Service,
    numbers: HashMap<ItemId, u32>,
    placed: BTreeSet<u32>,
    /// Large ones, and those that had trouble or a root that was away: no batch waits for them.
    may_be_late: BTreeSet<u32>,
    large: BTreeSet<u32>,
    calls: usize,
    refusals: usize,
}

impl World {
    pub(super) async fn new(script: Script) -> Self {
        let mut chance = fastrand::Rng::with_seed(script.seed);
        let mut to_come: Vec<u32> = (0..script.files).collect();
        chance.shuffle(&mut to_come);
        let mut world = Self {
            bench: Bench::new(),
            chance,
            now: t(1000),
            roots: [RootId(0); 2],
            away: false,
            to_come,
            claimed: Vec::new(),
            sending: Vec::new(),
            service: Service::default(),
            numbers: HashMap::new(),
            placed: BTreeSet::new(),
            may_be_late: BTreeSet::new(),
            large: BTreeSet::new(),
            calls: 0,
            refusals: 0,
            script,
        };
        world.open_roots().await;
        // A backfill claims once its scan is complete.
        while !world.script.daemon && !world.to_come.is_empty() {
            world.arrive().await;
        }
        world
    }

    fn percent(&mut self, n: u32) -> bool {
        self.chance.u32(0..100) < n
    }

    async fn open_roots(&mut self) {
        let spec = |path: &str| RootSpec {
            path: PathBuf::from(path),
            configured: true,
            rule: String::new(),
            removes: false,
        };
        let store = &self.bench.store;
        let rows = store.roots(vec![spec("/a"), spec("/b")]).await.unwrap();
        for (root, row) in self.roots.iter_mut().zip(rows) {
            *root = row.id;
            store.root_opened(row.id, true, self.now).await.unwrap();
        }
        self.away = false;
    }

    fn rules(&self) -> PlanRules {
        let rules = if self.script.daemon {
            daemon()
        } else {
            backfill()
        };
        PlanRules {
            patience: FlushPolicy {
                // A backfill that never loses patience: then the bound on its calls is sharp.
                max_wait: if self.script.daemon {
                    rules.patience.max_wait
                } else {
                    Duration::from_hours(10)
                },
                ..rules.patience
            },
            ..rules
        }
    }

    /// Runs until nothing can move.
    pub(super) async fn run(&mut self) {
        for step in 0.. {
            assert!(step < 100_000, "it never ends: {:?}", self.script);
            match self.chance.u32(0..100) {
                0..15 => self.arrive().await,
                15..40 => self.claim().await,
                40..75 => self.upload().await,
                75..90 => self.lane().await,
                90..97 => self.now = clock_after(self.now, self.chance.u64(1..20)),
                97..98 if self.script.crashes > 0 => self.root_comes_and_goes().await,
                _ => {
                    if self.percent(self.script.crashes) {
                        self.crash().await;
                    }
                }
            }
            let idle = self.claimed.is_empty() && self.sending.is_empty() && !self.away;
            if idle && self.to_come.is_empty() && self.bench.store.is_drained().await.unwrap() {
                break;
            }
        }
    }

    async fn arrive(&mut self) {
        let n = self.chance.usize(1..20).min(self.to_come.len());
        let mut changes = Vec::new();
        for number in self.to_come.split_off(self.to_come.len() - n) {
            let large = self.percent(self.script.large);
            if large {
                self.large.insert(number);
                self.may_be_late.insert(number);
            }
            let Change::Found {
                dir,
                name,
                decision: _,
                root: _,
                stat: _,
            } = found(self.roots[0], None, number)
            else {
                unreachable!()
            };
            changes.push(Change::Found {
                root: self.roots[(number % 2) as usize],
                dir,
                name,
                stat: stat(if large { 20_000_000 } else { 100 }),
                decision: FileDecision::Queue {
                    album: Some("Album".to_owned()),
                    key: key(number),
                    large,
                    fresh: self.percent(30),
                },
            });
        }
        self.bench.store.record(changes, self.now).await.unwrap();
    }

    async fn claim(&mut self) {
        let free = 6_usize.saturating_sub(self.claimed.len() + self.sending.len());
        let fresh_first = self.chance.bool();
        let claims = self
            .bench
            .store
            .claim(free, fresh_first, self.now)
            .await
            .unwrap();
        assert!(claims.len() <= free);
        assert!(!self.away || claims.iter().all(|claim| claim.root == self.roots[0]));
        self.claimed.extend(claims);
    }

    async fn upload(&mut self) {
        if !self.claimed.is_empty() && self.chance.bool() {
            let claim = self
                .claimed
                .swap_remove(self.chance.usize(0..self.claimed.len()));
            let n = number(&claim);
            let size = if self.large.contains(&n) {
                20_000_000
            } else {
                100
            };
            let content = Content { size, ..content(n) };
            match self
                .bench
                .store
                .hashed(claim.file, content, self.now)
                .await
                .unwrap()
            {
                Hashed::Upload(item, _) => {
                    self.numbers.insert(item, n);
                    self.sending.push((claim.file, item));
                }
                Hashed::Duplicate(..) => unreachable!("every file has its own content"),
            }
        } else if !self.sending.is_empty() {
            let (file, item) = self
                .sending
                .swap_remove(self.chance.usize(0..self.sending.len()));
            if self.percent(self.script.fails) {
                let then = clock_after(self.now, self.chance.u64(1..60));
                self.may_be_late.insert(self.numbers[&item]);
                self.bench
                    .store
                    .upload_again(file, item, then, None, self.now)
                    .await
                    .unwrap();
            } else {
                self.bench.token(item, self.now).await;
            }
        }
    }

    async fn lane(&mut self) {
        match self.bench.plan(self.rules(), self.now).await {
            Planned::Album(task) => self.bench.make(&task, self.now).await,
            Planned::Wait { .. } => {}
            Planned::Batch(batch) => self.send(batch).await,
            other => panic!("every item has a token, and nothing leaves: {other:?}"),
        }
    }

    async fn send(&mut self, batch: PlannedBatch) {
        assert!(batch.items.len() <= 50);
        let numbers: Vec<u32> = batch
            .items
            .iter()
            .map(|item| self.numbers[&item.item])
            .collect();
        assert!(numbers.is_sorted(), "a call is in order: {numbers:?}");
        let highest = *numbers.last().unwrap();
        let mut late = (0..highest).filter(|n| !self.placed.contains(n) && !numbers.contains(n));
        assert!(
            self.script.daemon || late.all(|n| self.may_be_late.contains(&n)),
            "a backfill passes over nothing that will come soon"
        );
        self.calls += 1;
        let call = self.bench.journal(&batch, self.now).await;
        let results = batch
            .items
            .iter()
            .map(|item| (item.item, !self.percent(self.script.refused)))
            .collect();
        let mut sent = Sent {
            call,
            position: batch.position,
            results,
        };
        // A crash before the call, after it, or none; what was cut off is repeated word for word.
        let crash = if self.percent(self.script.crashes) {
            self.chance.u32(0..3)
        } else {
            2
        };
        if crash == 1 {
            self.served(&sent);
        }
        if crash < 2 {
            self.crash().await;
            let again = self.bench.store.unanswered().await.unwrap().unwrap();
            assert_eq!((again.id, &again.body), (sent.call.id, &sent.call.body));
            self.bench.store.repeated(again.id, self.now).await.unwrap();
            sent.call = again;
        }
        self.served(&sent);
        self.answered(&batch.album, sent).await;
    }

    fn served(&mut self, sent: &Sent) {
        let ids: Vec<_> = sent
            .results
            .iter()
            .filter(|(_, made)| *made)
            .map(|(item, _)| media_item_id(*item))
            .collect();
        self.service.create(sent.position.as_ref(), &ids);
    }

    async fn answered(&mut self, album: &AlbumRow, sent: Sent) {
        let then = clock_after(self.now, 10);
        let mut outcomes = Vec::new();
        for (item, success) in sent.results {
            let n = self.numbers[&item];
            if success {
                self.placed.insert(n);
                outcomes.push(made(item));
                continue;
            }
            self.refusals += 1;
            self.may_be_late.insert(n);
            let again = if self.chance.bool() {
                Outcome::Again {
                    not_before: then,
                    blamed: None,
                }
            } else {
                Outcome::Reupload {
                    not_before: then,
                    blamed: None,
                }
            };
            outcomes.push(outcome(item, again));
        }
        self.bench
            .store
            .items_answered(sent.call.id.into(), *album, 200, outcomes, None, self.now)
            .await
            .unwrap();
    }

    /// Everything in memory is lost; the store is opened again.
    async fn crash(&mut self) {
        self.claimed.clear();
        self.sending.clear();
        self.bench.store.close().await;
        self.bench.store = Store::open(self.bench.dir.path()).unwrap();
        self.open_roots().await;
        self.bench.store.recover(self.now).await.unwrap();
    }

    async fn root_comes_and_goes(&mut self) {
        self.away = !self.away;
        if self.away {
            self.bench.store.root_away(self.roots[1]).await.unwrap();
            let outstanding = (1..self.script.files)
                .step_by(2)
                .filter(|n| !self.placed.contains(n));
            self.may_be_late.extend(outstanding);
        } else {
            self.bench
                .store
                .root_opened(self.roots[1], false, self.now)
                .await
                .unwrap();
        }
    }

    /// The album ends in order with every item once, and no call was made without need.
    pub(super) fn check(&self) {
        let mut expected: Vec<_> = self
            .numbers
            .iter()
            .map(|(item, n)| (*n, media_item_id(*item)))
            .collect();
        expected.sort();
        assert_eq!(expected.len(), self.script.files as usize);
        let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
        assert_eq!(self.service.album, expected);
        let views = self.bench.reader().albums().unwrap();
        assert_eq!(views[0].items, u64::from(self.script.files));
        assert_eq!((views[0].out_of_sequence, views[0].wanted), (0, 0));
        if !self.script.daemon {
            let bound =
                (self.script.files as usize).div_ceil(50) + self.may_be_late.len() + self.refusals;
            assert!(self.calls <= bound, "{} calls, at most {bound}", self.calls);
        }
        self.bench.check();
    }
}

fn clock_after(now: Timestamp, seconds: u64) -> Timestamp {
    crate::clock::after(now, Duration::from_secs(seconds))
}
