use std::{collections::BTreeSet, fs};

use notify::event::{DataChange, Flag, RemoveKind};

use super::*;
use crate::scan::{rules::Rules, walk::Scope};

/// Longer than any healthy machine needs; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Scans what the events tell it to, and remembers all of them.
struct Follower {
    tree: Arc<Tree>,
    watcher: Watcher,
    events: mpsc::Receiver<PathEvent>,
    files: BTreeSet<PathBuf>,
    all: Vec<PathEvent>,
}

impl Follower {
    /// Returns once the root is watched.
    async fn start(root: &Path) -> Self {
        let tree = Arc::new(Tree {
            sidecars: false,
            root: root.to_owned(),
            rules: Arc::new(Rules::new(&[], &[]).unwrap()),
            recursive: true,
            follow_symlinks: false,
            nested: Vec::new(),
        });
        let (watcher, events) = Watcher::start(vec![Arc::clone(&tree)], false).unwrap();
        let mut follower = Self {
            tree,
            watcher,
            events,
            files: BTreeSet::new(),
            all: Vec::new(),
        };
        let of_root = (root.to_owned(), WatchEvent::Watched);
        follower.until(|f| f.has(&of_root)).await;
        follower
    }

    fn has(&self, event: &PathEvent) -> bool {
        self.all.contains(event)
    }

    async fn until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let follow = async {
            while !is_done(self) {
                let event = self.events.recv().await.unwrap();
                self.follow(event);
            }
        };
        let timely = tokio::time::timeout(PATIENCE, follow).await;
        assert!(timely.is_ok(), "seen: {:?}", self.all);
    }

    fn follow(&mut self, event: PathEvent) {
        match &event {
            (path, WatchEvent::Changed) => {
                self.files.insert(path.clone());
            }
            (dir, WatchEvent::Watched) => {
                let relative = dir.strip_prefix(&self.tree.root).unwrap();
                for listing in self.tree.walk(&Scope::Subtree(relative.to_owned())) {
                    for file in listing.files {
                        let dir = self.tree.root.join(&listing.dir);
                        self.files.insert(dir.join(file.name));
                    }
                }
            }
            _ => {}
        }
        self.all.push(event);
    }
}

/// What the thread is told after these events.
fn state(events: impl IntoIterator<Item = Event>) -> State {
    let mut state = State::default();
    for event in events {
        state.add(Ok(event));
    }
    state
}

fn event(kind: EventKind, paths: &[&str]) -> Event {
    let event = Event::new(kind);
    paths
        .iter()
        .fold(event, |event, path| event.add_path(path.into()))
}

const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
const REMOVED: EventKind = EventKind::Remove(RemoveKind::File);

#[test]
fn of_a_write_and_a_removal_the_last_one_counts() {
    let kind = |kinds: &[EventKind]| {
        let state = state(kinds.iter().map(|kind| event(*kind, &["/r/a"])));
        state.paths[Path::new("/r/a")]
    };
    let attributes = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
    let moved_here = EventKind::Modify(ModifyKind::Name(RenameMode::To));
    assert_eq!(kind(&[WRITTEN, REMOVED]), Kind::Removed);
    assert_eq!(kind(&[REMOVED, WRITTEN]), Kind::Written);
    assert_eq!(kind(&[WRITTEN, attributes]), Kind::Written);
    assert_eq!(kind(&[moved_here, WRITTEN]), Kind::Appeared);
}

#[test]
fn reading_is_no_event() {
    let access = |kind| is_read(EventKind::Access(kind));
    assert!(access(AccessKind::Open(AccessMode::Any)));
    assert!(access(AccessKind::Close(AccessMode::Read)));
    assert!(!access(AccessKind::Close(AccessMode::Write)));
    assert!(!is_read(EventKind::Any));
}

#[test]
fn an_overflow_or_too_many_paths_replace_all_paths() {
    let overflow = Event::new(EventKind::Other).set_flag(Flag::Rescan);
    let of_queue = state([event(WRITTEN, &["/r/a"]), overflow]);
    assert!(of_queue.overflow && of_queue.paths.is_empty());
    let mut of_error = State::default();
    of_error.add(Err(notify::Error::generic("the loop failed")));
    assert!(of_error.overflow);
    let many = state((0..=MAX_PATHS).map(|n| event(WRITTEN, &[&format!("/r/{n}")])));
    assert!(many.overflow && many.paths.is_empty());
}

#[test]
fn a_rename_counts_for_both_names() {
    let both = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
    let state = state([event(both, &["/r/a", "/r/b"])]);
    assert_eq!(state.paths[Path::new("/r/a")], Kind::Removed);
    assert_eq!(state.paths[Path::new("/r/b")], Kind::Appeared);
}

#[test]
fn a_local_directory_need_not_be_polled() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(network_file_system(dir.path()), None);
    assert_eq!(network_file_system(&dir.path().join("nope")), None);
}

#[test]
fn the_limit_is_reported_with_numbers_and_a_remedy() {
    assert_eq!(
        limit_text(120_000, Some("65536\n")),
        "120000 or more directories are to be watched, and the system has 65536 watches for all programs of \
         this user\nhint: raise the limit with `sudo sysctl fs.inotify.max_user_watches=262144`, and in \
         /etc/sysctl.d to keep it"
    );
}

#[tokio::test]
async fn files_written_right_after_mkdir_are_all_found() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::start(dir.path()).await;
    let mut expected = BTreeSet::new();
    for n in 0..50 {
        let deep = dir.path().join(format!("a{n}/b/c"));
        fs::create_dir_all(&deep).unwrap();
        for file in [deep.join("x.jpg"), deep.parent().unwrap().join("y.jpg")] {
            fs::write(&file, "x").unwrap();
            expected.insert(file);
        }
    }
    follower.until(|f| f.files == expected).await;
}

#[tokio::test]
async fn a_directory_moved_in_is_scanned_and_watched_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
    fs::create_dir_all(outside.path().join("in/deep")).unwrap();
    fs::write(outside.path().join("in/deep/a.jpg"), "x").unwrap();
    let mut follower = Follower::start(dir.path()).await;

    let target = dir.path().join("in");
    fs::rename(outside.path().join("in"), &target).unwrap();
    let hint = (target.clone(), WatchEvent::Watched);
    follower.until(|f| f.has(&hint)).await;
    assert!(follower.files.contains(&target.join("deep/a.jpg")));

    let late = target.join("deep/late.jpg");
    fs::write(&late, "x").unwrap();
    let closed = (late, WatchEvent::Changed);
    follower.until(|f| f.has(&closed)).await;

    fs::rename(&target, dir.path().join("renamed")).unwrap();
    let later = dir.path().join("renamed/deep/later.jpg");
    let renamed = (dir.path().join("renamed"), WatchEvent::Watched);
    follower
        .until(|f| f.has(&renamed) && f.has(&(target.clone(), WatchEvent::Removed)))
        .await;
    fs::write(&later, "x").unwrap();
    follower
        .until(|f| f.has(&(later.clone(), WatchEvent::Changed)))
        .await;
}

#[tokio::test]
async fn a_download_is_reported_under_its_final_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::start(dir.path()).await;
    let part = dir.path().join("a.jpg.part");
    fs::write(&part, "x").unwrap();
    fs::create_dir(dir.path().join("@eaDir")).unwrap();
    fs::write(dir.path().join("@eaDir/a.jpg"), "x").unwrap();
    fs::rename(&part, dir.path().join("a.jpg")).unwrap();
    let done = (dir.path().join("a.jpg"), WatchEvent::Changed);
    follower.until(|f| f.has(&done)).await;
    fs::remove_file(dir.path().join("a.jpg")).unwrap();
    follower
        .until(|f| f.has(&(dir.path().join("a.jpg"), WatchEvent::Removed)))
        .await;
    assert_eq!(follower.files, BTreeSet::from([dir.path().join("a.jpg")]));
    let others = follower.all.iter().filter(|hint| match hint {
        (path, WatchEvent::Changed | WatchEvent::Removed) => !path.ends_with("a.jpg"),
        (dir, WatchEvent::Watched) => *dir != follower.tree.root,
        _ => true,
    });
    assert_eq!(others.count(), 0, "{:?}", follower.all);
}

#[tokio::test]
async fn reading_raises_no_hint() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..100 {
        fs::write(dir.path().join(format!("{n}.jpg")), "x").unwrap();
    }
    let mut follower = Follower::start(dir.path()).await;
    for n in 0..100 {
        fs::read(dir.path().join(format!("{n}.jpg"))).unwrap();
    }
    fs::read_dir(dir.path()).unwrap().for_each(drop);
    let last = dir.path().join("last.jpg");
    fs::write(&last, "x").unwrap();
    follower
        .until(|f| f.has(&(last.clone(), WatchEvent::Changed)))
        .await;
    let others = follower.all.iter().filter(|hint| match hint {
        (path, WatchEvent::Changed) => *path != last,
        (dir, WatchEvent::Watched) => *dir != follower.tree.root,
        _ => true,
    });
    assert_eq!(others.count(), 0, "{:?}", follower.all);
}

#[tokio::test]
async fn a_missing_root_is_reported_and_can_be_watched_when_it_appears() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mount");
    let mut follower = Follower::start(&root).await;
    let missing = (root.clone(), WatchEvent::RootMissing);
    assert!(follower.has(&missing), "{:?}", follower.all);
    fs::create_dir(&root).unwrap();
    follower.all.clear();
    follower.watcher.rewatch(&root);
    follower
        .until(|f| f.has(&(root.clone(), WatchEvent::Watched)))
        .await;
    fs::write(root.join("a.jpg"), "x").unwrap();
    follower
        .until(|f| f.has(&(root.join("a.jpg"), WatchEvent::Changed)))
        .await;
}

#[tokio::test]
async fn after_lost_events_everything_is_watched_again_before_it_is_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::start(dir.path()).await;
    // What a full queue does: the event of the new directory never comes.
    let fresh = dir.path().join("fresh");
    {
        let mut state = follower.watcher.shared.state();
        state.overflow = true;
        fs::create_dir(&fresh).unwrap();
    }
    follower.watcher.shared.wake.notify_one();
    follower
        .until(|f| f.has(&(PathBuf::new(), WatchEvent::Overflow)))
        .await;
    let file = fresh.join("a.jpg");
    fs::write(&file, "x").unwrap();
    let closed = (file, WatchEvent::Changed);
    follower.until(|f| f.has(&closed)).await;
}
