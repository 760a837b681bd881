use std::{collections::BTreeSet, fs};

use super::*;
use crate::scan::rules::Rules;

/// Longer than any healthy machine needs; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Does what the module's contract asks of a caller, and remembers what it saw.
struct Follower {
    tree: Arc<Tree>,
    watch: Watch,
    hints: Hints,
    files: BTreeSet<PathBuf>,
    all: Vec<Hint>,
}

impl Follower {
    /// Begins to follow, and returns once the root is watched.
    async fn start(root: &Path, max_watches: Option<usize>) -> Self {
        let tree = Arc::new(Tree {
            sidecars: false,
            root: root.to_owned(),
            rules: Arc::new(Rules::new(&[], &[]).unwrap()),
            recursive: true,
            follow_symlinks: false,
            nested: Vec::new(),
        });
        let options = Options {
            network: false,
            again_after: Duration::from_millis(50),
            max_watches,
        };
        let (watch, hints) = Watch::start(vec![Arc::clone(&tree)], options);
        let mut follower = Self {
            tree,
            watch,
            hints,
            files: BTreeSet::new(),
            all: Vec::new(),
        };
        let root = root.to_owned();
        follower
            .until(|f| {
                f.has(&Hint::Dir {
                    dir: root.clone(),
                    deep: true,
                })
            })
            .await;
        follower
    }

    fn has(&self, hint: &Hint) -> bool {
        self.all.contains(hint)
    }

    async fn until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let follow = async {
            while !is_done(self) {
                for hint in self.hints.next().await {
                    self.follow(hint);
                }
            }
        };
        let timely = tokio::time::timeout(PATIENCE, follow).await;
        assert!(timely.is_ok(), "seen: {:?}", self.all);
    }

    fn follow(&mut self, hint: Hint) {
        match &hint {
            Hint::File { path, .. } => {
                self.files.insert(path.clone());
            }
            Hint::Dir { dir, deep } => {
                let relative = dir.strip_prefix(&self.tree.root).unwrap();
                let walk = if *deep {
                    self.tree.below(relative)
                } else {
                    self.tree.only(relative)
                };
                for listing in walk {
                    for file in listing.files {
                        self.files
                            .insert(self.tree.root.join(&listing.dir).join(file.name));
                    }
                }
            }
            Hint::Gone(_) | Hint::Everything | Hint::Lost { .. } => {}
        }
        self.all.push(hint);
    }
}

#[tokio::test]
async fn files_written_right_after_mkdir_are_found_every_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::start(dir.path(), None).await;
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
async fn a_directory_moved_in_is_scanned_twice_and_watched_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir_in(dir.path().parent().unwrap()).unwrap();
    fs::create_dir_all(outside.path().join("in/deep")).unwrap();
    fs::write(outside.path().join("in/deep/a.jpg"), "x").unwrap();
    let mut follower = Follower::start(dir.path(), None).await;

    let target = dir.path().join("in");
    fs::rename(outside.path().join("in"), &target).unwrap();
    let hint = Hint::Dir {
        dir: target.clone(),
        deep: true,
    };
    let twice = |f: &Follower| f.all.iter().filter(|seen| **seen == hint).count() >= 2;
    follower.until(twice).await;
    assert!(follower.files.contains(&target.join("deep/a.jpg")));

    let late = target.join("deep/late.jpg");
    fs::write(&late, "x").unwrap();
    let closed = Hint::File {
        path: late,
        closed: true,
    };
    follower.until(|f| f.has(&closed)).await;

    fs::rename(&target, dir.path().join("renamed")).unwrap();
    let later = dir.path().join("renamed/deep/later.jpg");
    let renamed = Hint::Dir {
        dir: dir.path().join("renamed"),
        deep: true,
    };
    follower
        .until(|f| f.has(&renamed) && f.has(&Hint::Gone(target.clone())))
        .await;
    fs::write(&later, "x").unwrap();
    follower
        .until(|f| {
            f.has(&Hint::File {
                path: later.clone(),
                closed: true,
            })
        })
        .await;
}

#[tokio::test]
async fn a_download_is_told_under_its_final_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::start(dir.path(), None).await;
    let part = dir.path().join("a.jpg.part");
    fs::write(&part, "x").unwrap();
    fs::create_dir(dir.path().join("@eaDir")).unwrap();
    fs::write(dir.path().join("@eaDir/a.jpg"), "x").unwrap();
    fs::rename(&part, dir.path().join("a.jpg")).unwrap();
    let done = Hint::File {
        path: dir.path().join("a.jpg"),
        closed: true,
    };
    follower.until(|f| f.has(&done)).await;
    fs::remove_file(dir.path().join("a.jpg")).unwrap();
    follower
        .until(|f| f.has(&Hint::Gone(dir.path().join("a.jpg"))))
        .await;
    assert_eq!(follower.files, BTreeSet::from([dir.path().join("a.jpg")]));
    let others = follower.all.iter().filter(|hint| match hint {
        Hint::File { path, .. } | Hint::Gone(path) => !path.ends_with("a.jpg"),
        Hint::Dir { dir, .. } => *dir != follower.tree.root,
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
    let mut follower = Follower::start(dir.path(), None).await;
    for n in 0..100 {
        fs::read(dir.path().join(format!("{n}.jpg"))).unwrap();
    }
    fs::read_dir(dir.path()).unwrap().for_each(drop);
    let last = dir.path().join("last.jpg");
    fs::write(&last, "x").unwrap();
    follower
        .until(|f| {
            f.has(&Hint::File {
                path: last.clone(),
                closed: true,
            })
        })
        .await;
    let others = follower.all.iter().filter(|hint| match hint {
        Hint::File { path, .. } => *path != last,
        Hint::Dir { dir, .. } => *dir != follower.tree.root,
        _ => true,
    });
    assert_eq!(others.count(), 0, "{:?}", follower.all);
}

#[tokio::test]
async fn over_the_limit_the_rest_stays_watched_and_more_can_be_tried_later() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..6 {
        fs::create_dir_all(dir.path().join(format!("d{n}/sub"))).unwrap();
    }
    // The root, and one directory with the one in it.
    let mut follower = Follower::start(dir.path(), Some(3)).await;
    let lost = |f: &Follower| -> BTreeSet<PathBuf> {
        f.all
            .iter()
            .filter_map(|hint| match hint {
                Hint::Lost {
                    dir,
                    reason:
                        Lost::Limit {
                            needed: 13,
                            present: Some(3),
                        },
                } => Some(dir.clone()),
                _ => None,
            })
            .collect()
    };
    follower.until(|f| lost(f).len() == 5).await;
    let unwatched = lost(&follower);
    let covered = (0..6)
        .map(|n| dir.path().join(format!("d{n}")))
        .find(|d| !unwatched.contains(d));
    let covered = covered.unwrap();
    let file = covered.join("sub/a.jpg");
    fs::write(&file, "x").unwrap();
    follower
        .until(|f| {
            f.has(&Hint::File {
                path: file.clone(),
                closed: true,
            })
        })
        .await;

    fs::remove_dir_all(&covered).unwrap();
    follower
        .until(|f| f.has(&Hint::Gone(covered.clone())))
        .await;
    let other = unwatched.first().unwrap();
    follower.watch.cover(other);
    follower
        .until(|f| {
            f.has(&Hint::Dir {
                dir: other.clone(),
                deep: true,
            })
        })
        .await;
    let file = other.join("sub/a.jpg");
    fs::write(&file, "x").unwrap();
    follower
        .until(|f| {
            f.has(&Hint::File {
                path: file.clone(),
                closed: true,
            })
        })
        .await;
}

#[tokio::test]
async fn a_root_that_is_missing_is_told_and_can_be_covered_when_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mount");
    let mut follower = Follower::start(&root, None).await;
    let missing = Hint::Lost {
        dir: root.clone(),
        reason: Lost::Missing,
    };
    assert!(follower.has(&missing), "{:?}", follower.all);
    fs::create_dir(&root).unwrap();
    follower.all.clear();
    follower.watch.cover(&root);
    follower
        .until(|f| {
            f.has(&Hint::Dir {
                dir: root.clone(),
                deep: true,
            })
        })
        .await;
    fs::write(root.join("a.jpg"), "x").unwrap();
    follower
        .until(|f| {
            f.has(&Hint::File {
                path: root.join("a.jpg"),
                closed: true,
            })
        })
        .await;
}

#[tokio::test]
async fn after_lost_events_everything_is_watched_anew_before_it_is_to_be_scanned() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::start(dir.path(), None).await;
    // What a full queue does: the event of the new directory never comes.
    let fresh = dir.path().join("fresh");
    {
        let mut state = follower.watch.desk.state();
        state.raw.lose_track();
        fs::create_dir(&fresh).unwrap();
    }
    follower.watch.desk.raw.notify_one();
    follower.until(|f| f.has(&Hint::Everything)).await;
    let file = fresh.join("a.jpg");
    fs::write(&file, "x").unwrap();
    let closed = Hint::File {
        path: file,
        closed: true,
    };
    follower.until(|f| f.has(&closed)).await;
}
