//! The scan task: the one owner of all scans. It finds out which files exist and records changes in the store.
//!
//! - A scan of a whole folder, or of a PATH, runs on a thread of its own; its changes are recorded batch by batch.
//!   Between two batches urgent work is done: small scans after events, and files that may have settled. So a
//!   photo that arrives during an hour's rescan of a slow disk does not wait for its end.
//! - A folder is opened, so that its files may be claimed, when its first scan is complete. The daemon opens one
//!   that an earlier run has scanned at once.
//! - A folder whose root is missing, or is empty although files were known, is unavailable. All roots are checked
//!   each minute, and what is back is scanned.
//! - What fails is tried again later. Only a broken store ends the task.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    availability::{Identity, MountTable, Unavailable, identity},
    diff::{Scan, ScanOutcome, ScanRequest, WarnedPaths},
    folder::{Folder, Folders, ResolvedPaths},
    pending::{PendingScans, Timing},
    settle,
    walk::Scope,
    watcher::{PathEvent, WatchEvent, Watcher},
};
use crate::{
    clock::{self, LOOK_AGAIN},
    config::{self, Poll},
    context::{Context, Error, Mode, Result},
    escape::Escaped,
    model::ids::RootId,
    store::{self, Change, FileDecision},
};

/// Requests that wait for the task before their senders wait.
const REQUESTS_AHEAD: usize = 16;

/// Watcher events that are handled at once.
const EVENTS: usize = 1_024;

/// The roots are checked this long after something was mounted or unmounted: mounts come in groups.
const MOUNT_DELAY: Duration = Duration::from_millis(500);

/// The scan task.
#[derive(Debug)]
pub struct Scanner {
    context: Context,
    folders: Folders,
    /// The folders that take part in this run, by their numbers.
    states: BTreeMap<usize, FolderState>,
    /// What is scanned first; moved to `states` when the task starts.
    first: Vec<(usize, Scope, FirstScanGuard)>,
    requests: mpsc::Receiver<Request>,
    queue: VecDeque<QueuedScan>,
    running: Option<RunningScan>,
    pending: PendingScans,
    watcher: Option<Watcher>,
    events: Option<mpsc::Receiver<PathEvent>>,
    warned: WarnedPaths,
    /// When the next file may have settled.
    settle_at: Option<Timestamp>,
    /// When the roots are checked next.
    check_at: Instant,
}

/// Sends requests to a running [`Scanner`]; cheap to clone.
#[derive(Debug, Clone)]
pub struct ScanRequests(mpsc::Sender<Request>);

#[derive(Debug)]
struct Request {
    paths: Vec<PathBuf>,
    /// One receiver for each scan.
    reply: oneshot::Sender<Result<Vec<oneshot::Receiver<()>>>>,
}

/// A folder that takes part in this run.
#[derive(Debug)]
struct FolderState {
    folder: Arc<Folder>,
    root: RootId,
    /// Whether it was scanned whole, in this run or an earlier one: from then on, new files are new arrivals.
    is_scanned: bool,
    /// Whether queued files were classified under other settings.
    reclassify: bool,
    /// Whether files may be claimed.
    is_open: bool,
    unavailable: Option<Unavailable>,
    /// Former mount points, relative to the root.
    unmounted: Vec<PathBuf>,
    /// Which directory the root was at the last check.
    identity: Option<Identity>,
    /// What is to be scanned before it is opened.
    first: Vec<Scope>,
    /// Until it is opened or found unavailable.
    guard: Option<FirstScanGuard>,
}

/// Counts one folder in [`Context::scanning`], until dropped.
#[derive(Debug)]
struct FirstScanGuard(Arc<AtomicUsize>);

#[derive(Debug)]
struct QueuedScan {
    folder: usize,
    scope: Scope,
    /// Those who wait for it.
    replies: Vec<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct RunningScan {
    queued: QueuedScan,
    scan: Scan,
    began: Instant,
}

/// Why the task ends.
enum End {
    Stopped,
    Failed(Error),
}

type Flow<T> = std::result::Result<T, End>;

impl From<store::Error> for End {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl FirstScanGuard {
    fn new(scanning: &Arc<AtomicUsize>) -> Self {
        scanning.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(scanning))
    }
}

impl Drop for FirstScanGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ScanRequests {
    /// Scans `paths` (none: all configured folders) now. Returns when the scans are complete and recorded; fails
    /// if one of the paths does not exist.
    pub async fn scan(&self, paths: Vec<PathBuf>) -> Result<()> {
        let stopped = || Error::Intake("the scan was not completed".to_owned());
        let (reply, scans) = oneshot::channel();
        let sent = self.0.send(Request { paths, reply }).await;
        sent.map_err(|_| stopped())?;
        for scan in scans.await.map_err(|_| stopped())?? {
            scan.await.map_err(|_| stopped())?;
        }
        Ok(())
    }
}

impl Scanner {
    /// A task that scans `folders` and `paths`: paths inside a configured folder by its rules, others by the
    /// default ones. Fails if one of the paths does not exist.
    pub fn new(
        context: Context,
        folders: Vec<config::Folder>,
        paths: &[PathBuf],
    ) -> Result<(Self, ScanRequests)> {
        let given: Vec<PathBuf> = folders.iter().map(|folder| folder.path.clone()).collect();
        let others = context.config.folders.iter().cloned();
        let mut folders = Folders::new(folders.into_iter().chain(others))?;
        let given = given.iter().filter_map(|path| folders.with_root(path));
        let mut scopes: Vec<_> = given.map(|number| (number, Scope::Folder)).collect();
        scopes.extend(folders.resolve(paths)?.log_left_out());
        let guard = |(number, scope)| (number, scope, FirstScanGuard::new(&context.scanning));
        let (sender, requests) = mpsc::channel(REQUESTS_AHEAD);
        let (now, watch) = (Instant::now(), &context.config.watch);
        let timing = Timing {
            settle: watch.settle,
            rescan: (context.mode == Mode::Daemon).then_some(watch.rescan),
        };
        let scanner = Self {
            folders,
            states: BTreeMap::new(),
            first: scopes.into_iter().map(guard).collect(),
            requests,
            queue: VecDeque::new(),
            running: None,
            pending: PendingScans::new(timing, now),
            watcher: None,
            events: None,
            warned: WarnedPaths::default(),
            settle_at: Some(Timestamp::MIN),
            check_at: now,
            context,
        };
        Ok((scanner, ScanRequests(sender)))
    }

    /// Runs until the context's stop.
    pub async fn run(mut self) -> Result<()> {
        match self.run_loop().await {
            Err(End::Failed(error)) => Err(error),
            Err(End::Stopped) | Ok(()) => Ok(()),
        }
    }

    async fn run_loop(&mut self) -> Flow<()> {
        let mount_table = MountTable::open();
        self.start().await?;
        loop {
            self.do_due().await?;
            while self.running.is_none()
                && let Some(queued) = self.queue.pop_front()
            {
                self.running = self.start_scan(queued);
            }
            let wake = self.wake_at();
            tokio::select! {
                () = self.context.stop.cancelled() => return Err(End::Stopped),
                changes = next_changes(&mut self.running) => match changes {
                    Ok(changes) => self.record(changes).await?,
                    Err(finished) => self.finish_scan(finished).await?,
                },
                events = next_events(&mut self.events) => self.handle_events(events),
                Some(request) = self.requests.recv() => self.handle_request(request).await?,
                () = mount_table.changed() => {
                    self.check_at = self.check_at.min(Instant::now() + MOUNT_DELAY);
                    self.watcher.iter().for_each(Watcher::revalidate);
                }
                () = self.context.wakes.scan.notified() => self.settle_at = Some(Timestamp::MIN),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Registers the folders in the store, checks which are available, and starts the first scans.
    async fn start(&mut self) -> Flow<()> {
        let folders = self.folders.iter().filter(|folder| folder.is_configured);
        let configured: Vec<_> = folders.map(|folder| folder.root().to_owned()).collect();
        let (now, store) = (self.context.clock.now(), self.context.store.clone());
        self.retry(|| store.configured(configured.clone(), now))
            .await?;
        self.retry(|| store.roots(Vec::new())).await?;
        for (number, scope, guard) in std::mem::take(&mut self.first) {
            self.add_folder(number, scope, guard).await?;
        }
        self.check_roots().await?;
        if self.context.mode == Mode::Daemon {
            // What an earlier run has scanned, under the same settings, need not wait for the rescan.
            let known = self.states.iter().filter(|(_, state)| {
                state.is_scanned && !state.reclassify && state.unavailable.is_none()
            });
            let known: Vec<usize> = known.map(|(number, _)| *number).collect();
            for number in known {
                self.open(number, false).await?;
            }
            self.start_watcher();
        }
        if self.watcher.is_none() {
            self.queue_first();
        }
        Ok(())
    }

    fn queue_first(&mut self) {
        let first = self
            .states
            .iter()
            .flat_map(|(number, state)| state.first.iter().map(|scope| (*number, scope.clone())));
        for (number, scope) in first.collect::<Vec<_>>() {
            self.enqueue(number, scope, None);
        }
    }

    /// The numbers of the configured folders that take part.
    fn configured(&self) -> Vec<usize> {
        let states = self.states.iter();
        let configured = states.filter(|(_, state)| state.folder.is_configured);
        configured.map(|(number, _)| *number).collect()
    }

    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let settle_at = self.settle_at.map(|at| {
            // The store's times are whole milliseconds: without the extra one this might wake too early.
            now + clock::until(self.context.clock.now(), at) + Duration::from_millis(1)
        });
        // The wall clock may jump.
        let times = [
            settle_at,
            self.pending.next(),
            Some(self.check_at),
            Some(now + LOOK_AGAIN),
        ];
        times.into_iter().flatten().min().unwrap_or(now)
    }

    /// Queues the scans that a command asks for.
    async fn handle_request(&mut self, request: Request) -> Flow<()> {
        let Request { paths, reply } = request;
        let scopes = if paths.is_empty() {
            let configured = self.configured().into_iter();
            Ok(configured.map(|number| (number, Scope::Folder)).collect())
        } else {
            self.folders
                .resolve(&paths)
                .map(ResolvedPaths::log_left_out)
        };
        let scans = match scopes {
            Ok(scopes) => {
                let mut scans = Vec::new();
                for (number, scope) in scopes {
                    if !self.states.contains_key(&number) {
                        let guard = FirstScanGuard::new(&self.context.scanning);
                        self.add_folder(number, scope.clone(), guard).await?;
                    }
                    let (done, scan) = oneshot::channel();
                    self.enqueue(number, scope, Some(done));
                    scans.push(scan);
                }
                Ok(scans)
            }
            Err(error) => Err(error),
        };
        // The requester may have gone.
        let _ = reply.send(scans);
        Ok(())
    }

    /// Lets a folder take part in this run, and remembers a scan that must come before it is opened.
    async fn add_folder(&mut self, number: usize, first: Scope, guard: FirstScanGuard) -> Flow<()> {
        if !self.states.contains_key(&number)
            && let Some(folder) = self.folders.get(number).cloned()
        {
            let store = self.context.store.clone();
            let row = self.retry(|| store.another_root(folder.spec())).await?;
            let state = FolderState {
                folder,
                root: row.id,
                is_scanned: row.scanned_at.is_some(),
                reclassify: row.rule_changed,
                is_open: false,
                unavailable: None,
                unmounted: Vec::new(),
                identity: None,
                first: Vec::new(),
                guard: None,
            };
            self.states.insert(number, state);
        }
        if let Some(state) = self.states.get_mut(&number) {
            state.first.push(first);
            state.guard = Some(guard);
        }
        Ok(())
    }

    /// Queues a scan; one that is queued already serves all who want it.
    fn enqueue(&mut self, folder: usize, scope: Scope, reply: Option<oneshot::Sender<()>>) {
        let mut queued = self
            .queue
            .iter_mut()
            .filter(|queued| queued.folder == folder);
        match queued.find(|queued| queued.scope == scope || queued.scope == Scope::Folder) {
            Some(queued) => queued.replies.extend(reply),
            None => self.queue.push_back(QueuedScan {
                folder,
                scope,
                replies: reply.into_iter().collect(),
            }),
        }
    }

    fn start_watcher(&mut self) {
        let poll = self.context.config.watch.poll;
        if poll == Poll::Always {
            return self.poll_all();
        }
        let numbers = self.configured();
        let folders = numbers
            .iter()
            .filter_map(|number| self.folders.get(*number));
        let trees = folders.map(|folder| Arc::clone(&folder.tree)).collect();
        match Watcher::start(trees, poll == Poll::Never) {
            Ok((watcher, events)) => {
                self.watcher = Some(watcher);
                self.events = Some(events);
            }
            Err(why) => {
                tracing::warn!(
                    "cannot watch any folder, they are polled instead: the system gives no watcher: {why}"
                );
                self.poll_all();
            }
        }
    }

    fn poll_all(&mut self) {
        for number in self.configured() {
            self.pending
                .poll(number, PathBuf::new(), false, Instant::now());
        }
    }

    fn rewatch(&self, folder: &Folder, path: &Path) {
        if let Some(watcher) = self.watcher.as_ref().filter(|_| folder.is_configured) {
            watcher.rewatch(path);
        }
    }

    /// Handles what the watcher has noticed; without any event it has died.
    fn handle_events(&mut self, events: Vec<PathEvent>) {
        if events.is_empty() {
            self.watcher = None;
            self.events = None;
            self.poll_all();
            self.queue_first();
        }
        let now = Instant::now();
        for (path, event) in events {
            if event == WatchEvent::Overflow {
                self.pending.add_full_scan(now);
            }
            let Some((number, relative)) = self.folders.configured_at(&path) else {
                continue;
            };
            let folder = self.folders.get(number);
            let is_sidecar = folder.is_some_and(|folder| folder.tree.is_sidecar(&path));
            let is_root = relative.as_os_str().is_empty();
            let dir = relative.parent().unwrap_or(Path::new("")).to_owned();
            match event {
                WatchEvent::Overflow => {}
                // The root may be unavailable now, or another directory may be in its place.
                WatchEvent::Removed if is_root => {
                    self.check_at = now;
                    self.watcher.iter().for_each(|it| it.rewatch(&path));
                }
                WatchEvent::Changed | WatchEvent::Removed => {
                    if is_sidecar {
                        // Which files it describes is found by reading its directory.
                        let scope = Scope::Directory(dir.clone());
                        self.pending.add_event(number, scope, now);
                    }
                    if event == WatchEvent::Removed {
                        self.pending.add_event(number, Scope::file(&relative), now);
                    } else if let Some(name) = relative.file_name().filter(|_| !is_sidecar) {
                        let name = name.to_owned();
                        self.pending.add_changed_file(number, dir, name, now);
                    }
                }
                WatchEvent::Watched if is_root => self.enqueue(number, Scope::Folder, None),
                WatchEvent::Watched => {
                    let scope = Scope::Subtree(relative);
                    self.pending.add_event(number, scope.clone(), now);
                    // Again later: files may have been half written at the first look.
                    self.pending.add_second_look(number, scope, now);
                }
                WatchEvent::Unwatched | WatchEvent::RootMissing => {
                    // A missing root is looked for each minute.
                    if event == WatchEvent::Unwatched {
                        self.pending.poll(number, relative, true, now);
                    }
                    let waits = |state: &FolderState| !state.first.is_empty();
                    if is_root && self.states.get(&number).is_some_and(waits) {
                        self.enqueue(number, Scope::Folder, None);
                    }
                }
            }
        }
    }

    async fn do_due(&mut self) -> Flow<()> {
        if self.check_at <= Instant::now() {
            self.check_roots().await?;
        }
        let (now, config) = (self.context.clock.now(), &self.context.config);
        let is_due = |next| settle::is_due(next, config, now);
        if self.settle_at.is_some_and(is_due) {
            self.check_settled().await?;
        }
        let due = self.pending.take_due(Instant::now());
        for (number, scope) in due.urgent {
            self.scan_now(number, scope).await?;
        }
        for (number, scope) in due.queued {
            self.enqueue(number, scope, None);
        }
        if due.is_rescan
            && let Some(watcher) = &self.watcher
        {
            watcher.revalidate();
            for (number, dir) in self.pending.take_retryable() {
                if let Some(folder) = self.folders.get(number) {
                    watcher.rewatch(&folder.root().join(dir));
                }
            }
        }
        if due.everything {
            for number in self.configured() {
                self.enqueue(number, Scope::Folder, None);
            }
        }
        Ok(())
    }

    fn start_scan(&self, queued: QueuedScan) -> Option<RunningScan> {
        let state = self.states.get(&queued.folder)?;
        let request = ScanRequest {
            folder: Arc::clone(&state.folder),
            root: state.root,
            scope: queued.scope.clone(),
            config: Arc::clone(&self.context.config),
            is_rescan: state.is_scanned,
            reclassify: state.reclassify,
            // A backfill removes nothing, and neither does a PATH outside the configuration.
            reports_missing: state.folder.is_configured && self.context.mode == Mode::Daemon,
            clock: self.context.clock.clone(),
            warned: self.warned.clone(),
        };
        let scan = Scan::start(&self.context.store, request);
        let began = Instant::now();
        Some(RunningScan {
            queued,
            scan,
            began,
        })
    }

    /// Scans a small part at once; a queued scan that is running waits meanwhile.
    async fn scan_now(&mut self, folder: usize, scope: Scope) -> Flow<()> {
        let is_available = |state: &FolderState| state.unavailable.is_none();
        if scope == Scope::Folder || !self.states.get(&folder).is_some_and(is_available) {
            self.enqueue(folder, Scope::Folder, None);
            return Ok(());
        }
        let replies = Vec::new();
        let Some(mut running) = self.start_scan(QueuedScan {
            folder,
            scope,
            replies,
        }) else {
            return Ok(());
        };
        let stop = self.context.stop.clone();
        while let Some(changes) = tokio::select! {
            () = stop.cancelled() => return Err(End::Stopped),
            changes = running.scan.changes() => changes,
        } {
            self.record(changes).await?;
        }
        self.finish_scan(running).await
    }

    async fn finish_scan(&mut self, finished: RunningScan) -> Flow<()> {
        let RunningScan {
            queued,
            scan,
            began,
        } = finished;
        let QueuedScan {
            folder,
            scope,
            replies,
        } = queued;
        match scan.outcome().await {
            Ok(Some(outcome)) => {
                self.apply_outcome(folder, scope, outcome, began.elapsed())
                    .await?;
                for reply in replies {
                    // The requester may have gone.
                    let _ = reply.send(());
                }
                return Ok(());
            }
            Ok(None) => tracing::error!("a scan ended unexpectedly, it is tried again"),
            Err(error) if error.is_transient() => {
                tracing::warn!("a scan could not read the database, it is tried again: {error}");
            }
            Err(error) => return Err(error.into()),
        }
        self.pending.add_retry(folder, scope, Instant::now());
        Ok(())
    }

    async fn apply_outcome(
        &mut self,
        number: usize,
        scope: Scope,
        outcome: ScanOutcome,
        took: Duration,
    ) -> Flow<()> {
        let now = Instant::now();
        self.pending.finish(number, &scope, took, now);
        if let Some(unavailable) = outcome.unavailable {
            return self.set_unavailable(number, unavailable).await;
        }
        let is_whole = scope == Scope::Folder;
        if is_whole && let Some(folder) = self.folders.get(number) {
            log_outcome(folder, &outcome, took);
        }
        self.set_unmounted(number, outcome.unmounted).await?;
        if let Some(second) = outcome.second {
            self.pending.add_second_look(number, second, now);
        }
        for dir in outcome.unsettled_sidecars {
            self.pending
                .add_second_look(number, Scope::Directory(dir), now);
        }
        if let Some(state) = self.states.get_mut(&number) {
            state.first.retain(|first| !is_whole && *first != scope);
            if state.unavailable.is_some() && !is_whole && state.folder.is_configured {
                // It is back, and only a part of it was scanned.
                self.enqueue(number, Scope::Folder, None);
            } else if state.first.is_empty() {
                self.open(number, is_whole).await?;
            }
        }
        Ok(())
    }

    /// Lets files of the folder be claimed, and records whether it was scanned whole.
    async fn open(&mut self, number: usize, is_whole: bool) -> Flow<()> {
        let Some(state) = self.states.get(&number) else {
            return Ok(());
        };
        let (root, rule) = (state.root, state.folder.rule());
        let is_first_scan = is_whole && !state.is_scanned;
        let is_reclassified = is_whole && state.reclassify;
        if state.is_open && !is_first_scan && !is_reclassified {
            return Ok(());
        }
        let store = self.context.store.clone();
        if is_reclassified {
            self.retry(|| store.rule_applied(root, rule.clone()))
                .await?;
        }
        let now = self.context.clock.now();
        self.retry(|| store.root_opened(root, is_first_scan, now))
            .await?;
        if let Some(state) = self.states.get_mut(&number) {
            if state.unavailable.take().is_some() {
                tracing::info!("{} is back", Escaped::path(state.folder.root()));
            }
            state.is_open = true;
            state.is_scanned |= is_whole;
            state.reclassify &= !is_whole;
            state.guard = None;
        }
        self.settle_at = Some(Timestamp::MIN);
        self.wake_others();
        Ok(())
    }

    /// Looks again at files whose settle time is over.
    async fn check_settled(&mut self) -> Flow<()> {
        let states = self.states.values();
        let available = states.filter(|state| state.unavailable.is_none());
        let folders: HashMap<_, _> = available
            .map(|state| (state.root, Arc::clone(&state.folder)))
            .collect();
        let (config, now) = (Arc::clone(&self.context.config), self.context.clock.now());
        let check =
            move |reader: &store::Reader| settle::check_settled(reader, &folders, &config, now);
        let outcome = self.read_store(check).await?;
        let Some(outcome) = outcome else {
            self.settle_at = None;
            return Ok(());
        };
        self.settle_at = outcome.next;
        if outcome.is_unavailable {
            self.check_roots().await?;
        }
        if !outcome.changes.is_empty() {
            self.record(outcome.changes).await?;
            self.settle_at = Some(Timestamp::MIN);
        }
        Ok(())
    }

    /// Checks which roots are unavailable, which are back, and which are other directories than before.
    async fn check_roots(&mut self) -> Flow<()> {
        self.check_at = Instant::now() + LOOK_AGAIN;
        let folders = self.states.iter();
        let folders: Vec<_> = folders
            .map(|(number, state)| (*number, state.root, Arc::clone(&state.folder)))
            .collect();
        let check = move |reader: &store::Reader| {
            let check = |(number, root, folder): &(usize, RootId, Arc<Folder>)| {
                let identity = identity(folder.root());
                let unavailable = folder.unavailable(*root, reader)?;
                let unmounted = folder.mounts(*root, reader)?.unmounted;
                Ok((*number, identity, unavailable, unmounted))
            };
            folders.iter().map(check).collect::<store::Result<Vec<_>>>()
        };
        let checked = self.read_store(check).await?;
        for (number, identity, unavailable, unmounted) in checked.into_iter().flatten() {
            if let Some(unavailable) = unavailable {
                self.set_unavailable(number, unavailable).await?;
            } else {
                self.handle_return(number);
                self.set_unmounted(number, unmounted).await?;
            }
            // If another directory has taken the place of the root, for example a disk that was mounted over
            // it, it is not watched, and its files are not known.
            if let Some(new) = identity
                && let Some(state) = self.states.get_mut(&number)
                && state.identity.replace(new).is_some_and(|old| old != new)
                && state.folder.is_configured
            {
                let root = state.folder.root();
                self.watcher.iter().for_each(|it| it.rewatch(root));
                self.enqueue(number, Scope::Folder, None);
            }
        }
        Ok(())
    }

    /// From now on nothing of the folder is claimed, waited for or taken for deleted.
    async fn set_unavailable(&mut self, number: usize, unavailable: Unavailable) -> Flow<()> {
        let Some(state) = self.states.get_mut(&number) else {
            return Ok(());
        };
        if state.unavailable.as_ref() == Some(&unavailable) {
            return Ok(());
        }
        tracing::warn!(
            "{} is left alone for now: {unavailable}. Nothing in it counts as gone, and it is scanned when it is back",
            Escaped::path(state.folder.root())
        );
        let (root, store) = (state.root, self.context.store.clone());
        self.retry(|| store.root_away(root)).await?;
        if let Some(state) = self.states.get_mut(&number) {
            state.unavailable = Some(unavailable);
            state.is_open = false;
            state.guard = None;
        }
        self.wake_others();
        Ok(())
    }

    /// The folder is available. If it was not before, it is scanned, and then opened.
    fn handle_return(&mut self, number: usize) {
        let Some(state) = self.states.get(&number) else {
            return;
        };
        if state.unavailable.is_none() {
            return;
        }
        // What was watched there was another directory, or none.
        self.rewatch(&state.folder, state.folder.root());
        let mut scopes = state.first.clone();
        if scopes.is_empty() {
            scopes.push(Scope::Folder);
        }
        for scope in scopes {
            self.enqueue(number, scope, None);
        }
    }

    /// Records which former mount points the folder has now; scans those that are mounted again.
    async fn set_unmounted(&mut self, number: usize, unmounted: Vec<PathBuf>) -> Flow<()> {
        let Some(state) = self.states.get_mut(&number) else {
            return Ok(());
        };
        if state.unmounted == unmounted {
            return Ok(());
        }
        let before = std::mem::replace(&mut state.unmounted, unmounted.clone());
        let (root, folder) = (state.root, Arc::clone(&state.folder));
        for dir in unmounted.iter().filter(|dir| !before.contains(dir)) {
            tracing::warn!(
                "{} is left alone for now: the disk that was mounted there is not. Nothing in it counts as gone, \
                 and it is scanned when it is back\nhint: if it is not to come back, name it in `exclude`",
                Escaped::path(&folder.root().join(dir))
            );
        }
        let store = self.context.store.clone();
        self.retry(|| store.mounts_away(root, unmounted.clone()))
            .await?;
        for dir in before.into_iter().filter(|dir| !unmounted.contains(dir)) {
            let path = folder.root().join(&dir);
            tracing::info!("{} is back", Escaped::path(&path));
            self.rewatch(&folder, &path);
            self.enqueue(number, Scope::subtree(dir), None);
        }
        Ok(())
    }

    async fn record(&mut self, changes: Vec<Change>) -> Flow<()> {
        for change in &changes {
            if let Change::Found { decision, .. } | Change::Modified { decision, .. } = change
                && let FileDecision::Settle { due_at, .. } = decision
            {
                self.settle_at = Some(self.settle_at.map_or(*due_at, |at| at.min(*due_at)));
            }
        }
        let (now, store) = (self.context.clock.now(), self.context.store.clone());
        self.retry(|| store.record(changes.clone(), now)).await?;
        self.wake_others();
        Ok(())
    }

    fn wake_others(&self) {
        self.context.wakes.uploads.notify();
        self.context.wakes.writer.notify();
        self.context.wakes.changed.notify();
    }

    /// Runs `read` with a reader on a blocking thread; none if it panicked.
    async fn read_store<T: Send + 'static>(
        &self,
        read: impl Fn(&store::Reader) -> store::Result<T> + Clone + Send + 'static,
    ) -> Flow<Option<T>> {
        let read = self.retry(|| {
            let (store, read) = (self.context.store.clone(), read.clone());
            async move {
                let thread = tokio::task::spawn_blocking(move || read(&store.reader()?));
                let read = thread.await.inspect_err(|error| {
                    tracing::error!("a look at files ended unexpectedly: {error}");
                });
                read.ok().transpose()
            }
        });
        read.await
    }

    /// Repeats a call of the store while its error is transient.
    async fn retry<T, F: Future<Output = store::Result<T>>>(
        &self,
        call: impl Fn() -> F,
    ) -> Flow<T> {
        let done = store::retry_transient(&self.context.stop, call).await?;
        done.ok_or(End::Stopped)
    }
}

fn log_outcome(folder: &Folder, outcome: &ScanOutcome, took: Duration) {
    let root = Escaped::path(folder.root());
    let seconds = took.as_secs_f64();
    let (files, changed, missing) = (outcome.files, outcome.changed, outcome.missing);
    let (left_out, other_kind) = (outcome.left_out, outcome.other_kind);
    if left_out > 0 {
        tracing::info!(
            "{left_out} files in {root} are left out from now on, as its rules say; their photos stay where they are"
        );
    }
    if changed > 0 || missing > 0 {
        tracing::info!(
            "scanned {root} in {seconds:.1} s: {files} photos and videos, {changed} new or changed, \
             {missing} not there any more; {other_kind} files of other types"
        );
    } else {
        tracing::debug!("scanned {root} in {seconds:.1} s: {files} photos and videos, as before");
    }
}

/// The next changes of a scan, or the scan itself once it has ended.
async fn next_changes(
    running: &mut Option<RunningScan>,
) -> std::result::Result<Vec<Change>, RunningScan> {
    if let Some(running) = running.as_mut()
        && let Some(changes) = running.scan.changes().await
    {
        return Ok(changes);
    }
    match running.take() {
        Some(finished) => Err(finished),
        None => std::future::pending().await,
    }
}

async fn next_events(events: &mut Option<mpsc::Receiver<PathEvent>>) -> Vec<PathEvent> {
    let Some(events) = events else {
        return std::future::pending().await;
    };
    let mut received = Vec::new();
    events.recv_many(&mut received, EVENTS).await;
    received
}
