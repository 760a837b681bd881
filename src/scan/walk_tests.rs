use std::{
    collections::BTreeSet,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::*;

fn tree(root: &Path) -> Tree {
    Tree {
        sidecars: false,
        root: root.to_owned(),
        rules: Arc::new(Rules::new(&[], &["excluded".to_owned()]).unwrap()),
        recursive: true,
        follow_symlinks: false,
        nested: Vec::new(),
    }
}

fn put(root: &Path, path: impl AsRef<Path>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
}

fn found(walk: Walk<'_>) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for listing in walk {
        assert!(listing.problem.is_none(), "{listing:?}");
        for file in &listing.files {
            assert!(all.insert(listing.dir.join(&file.name)), "twice: {file:?}");
        }
    }
    all
}

fn paths(list: &[&str]) -> BTreeSet<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

#[test]
fn a_walk_finds_what_the_rules_take_and_counts_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in [
        "a.jpg",
        "b/c/d.mp4",
        "b/notes.txt",
        "@eaDir/a.jpg",
        "b/excluded/x.jpg",
        "b/._y.jpg",
    ] {
        put(root, path);
    }
    let odd = OsStr::from_bytes(b"caf\xe9\n\x1b.jpg");
    put(root, Path::new("b").join(odd));
    rustix::fs::mknodat(
        CWD,
        root.join("fifo.jpg"),
        FileType::Fifo,
        Mode::from(0o600),
        0,
    )
    .unwrap();

    let tree = tree(root);
    let mut expected = paths(&["a.jpg", "b/c/d.mp4"]);
    expected.insert(Path::new("b").join(odd));
    assert_eq!(found(tree.walk(&Scope::Folder)), expected);
    let b = tree
        .walk(&Scope::Folder)
        .find(|listing| listing.dir == Path::new("b"))
        .unwrap();
    assert_eq!(
        b.passed_over,
        PassedOver {
            other_kind: 1,
            junk: 1,
            excluded: 1,
            not_included: 0
        }
    );
}

#[test]
fn an_entry_is_what_the_disk_says() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a.jpg");
    let meta = fs::metadata(dir.path().join("a.jpg")).unwrap();
    let tree = tree(dir.path());
    let entry = tree.walk(&Scope::Folder).next().unwrap().files.remove(0);
    assert_eq!(
        (entry.stat.size, entry.stat.inode, entry.stat.dev),
        (1, meta.ino(), meta.dev())
    );
    assert_eq!(
        entry.stat.mtime_ns,
        meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
    );
    let look = tree.look(Path::new("a.jpg"));
    assert!(matches!(look, Ok(Look::File(looked)) if looked == entry));
}

#[test]
fn a_part_of_the_tree_can_be_walked_alone_unless_it_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in [
        "a.jpg",
        "b/b.jpg",
        "b/c/c.jpg",
        ".git/x.jpg",
        "nested/n.jpg",
        "nested/m/m.jpg",
    ] {
        put(root, path);
    }
    symlink(root.join("b"), root.join("link")).unwrap();
    let mut tree = tree(root);
    tree.nested = vec![root.join("nested")];
    assert_eq!(
        found(tree.walk(&Scope::Folder)),
        paths(&["a.jpg", "b/b.jpg", "b/c/c.jpg"])
    );
    assert_eq!(
        found(tree.walk(&Scope::Subtree("b".into()))),
        paths(&["b/b.jpg", "b/c/c.jpg"])
    );
    assert_eq!(
        found(tree.walk(&Scope::Directory("b".into()))),
        paths(&["b/b.jpg"])
    );
    for other in [".git", "nested", "nested/m", "link", "../x", "/etc"] {
        assert_eq!(
            tree.walk(&Scope::Subtree(other.into())).count(),
            0,
            "{other}"
        );
    }
    tree.recursive = false;
    assert_eq!(found(tree.walk(&Scope::Folder)), paths(&["a.jpg"]));
    assert_eq!(tree.walk(&Scope::Subtree("b".into())).count(), 0);
}

#[test]
fn what_cannot_be_read_is_told_and_the_walk_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    put(root, "good/a.jpg");
    let tree = tree(root);
    let mut gone = tree.walk(&Scope::Subtree("vanished".into()));
    let listing = gone.next().unwrap();
    assert!(listing.is_vanished() && gone.next().is_none());

    put(root, "locked/b.jpg");
    let lock = |mode| fs::set_permissions(root.join("locked"), fs::Permissions::from_mode(mode));
    lock(0o000).unwrap();
    let listings: Vec<Listing> = tree.walk(&Scope::Folder).collect();
    lock(0o700).unwrap();
    let of = |dir: &str| listings.iter().find(|l| l.dir == Path::new(dir)).unwrap();
    assert_eq!(of("good").files.len(), 1);
    // Root may read everything.
    if !rustix::process::geteuid().is_root() {
        assert!(of("locked").problem.is_some());
    }
}

#[test]
fn links_are_left_alone_unless_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    for path in ["2024/a.jpg", "2024/b.jpg", "album/own.jpg"] {
        put(&root, path);
    }
    put(dir.path(), "outside/secret.jpg");
    symlink("../2024/a.jpg", root.join("album/a.jpg")).unwrap();
    symlink("../2024", root.join("album/year")).unwrap();
    symlink("nowhere.jpg", root.join("album/dead.jpg")).unwrap();
    symlink("self.jpg", root.join("album/self.jpg")).unwrap();
    symlink(dir.path().join("outside"), root.join("album/outside")).unwrap();
    symlink("../../outside/secret.jpg", root.join("album/secret.jpg")).unwrap();

    let mut tree = tree(&root);
    let own = paths(&["2024/a.jpg", "2024/b.jpg", "album/own.jpg"]);
    assert_eq!(found(tree.walk(&Scope::Folder)), own);
    assert!(matches!(
        tree.look(Path::new("album/a.jpg")),
        Ok(Look::Nothing)
    ));

    tree.follow_symlinks = true;
    let linked = paths(&["album/a.jpg", "album/year/a.jpg", "album/year/b.jpg"]);
    assert_eq!(
        found(tree.walk(&Scope::Folder)),
        own.union(&linked).cloned().collect()
    );
    assert!(matches!(
        tree.look(Path::new("album/a.jpg")),
        Ok(Look::File(_))
    ));
    assert!(matches!(
        tree.look(Path::new("album/secret.jpg")),
        Ok(Look::Nothing)
    ));
    assert_eq!(
        found(tree.walk(&Scope::Subtree("album/year".into()))).len(),
        2
    );
    assert_eq!(
        tree.walk(&Scope::Subtree("album/outside".into())).count(),
        0
    );
}

#[test]
fn links_that_lead_in_circles_end() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for name in ["a", "b", "c"] {
        put(root, format!("{name}/{name}.jpg"));
        symlink("..", root.join(name).join("up")).unwrap();
        for other in ["a", "b", "c"] {
            symlink(
                format!("../{other}"),
                root.join(name).join(format!("to-{other}")),
            )
            .unwrap();
        }
    }
    let mut tree = tree(root);
    tree.follow_symlinks = true;
    // Each directory's own file, and through its links the two others'.
    assert_eq!(found(tree.walk(&Scope::Folder)).len(), 9);
}

#[test]
fn a_path_is_looked_at_as_the_walk_would_see_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in ["b/a.jpg", "b/a.txt", "nested/n.jpg", ".git/x.jpg"] {
        put(root, path);
    }
    let mut tree = tree(root);
    tree.nested = vec![root.join("nested")];
    let look = |path: &str| tree.look(Path::new(path));
    assert!(matches!(look("b/a.jpg"), Ok(Look::File(entry)) if entry.name == "a.jpg"));
    assert!(matches!(look("b"), Ok(Look::Dir)));
    assert!(matches!(look(""), Ok(Look::Dir)));
    assert!(matches!(
        look("b/a.txt"),
        Ok(Look::Refused(Verdict::OtherKind))
    ));
    assert!(matches!(
        look(".git/x.jpg"),
        Ok(Look::Refused(Verdict::Junk { .. }))
    ));
    assert!(matches!(look("nested/n.jpg"), Ok(Look::Nothing)));
    assert_eq!(
        look("b/gone.jpg").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn a_root_is_present_empty_missing_or_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    let state = |path: PathBuf| tree(&path).root_state();
    assert!(matches!(state(dir.path().to_owned()), RootState::Empty));
    put(dir.path(), "a.jpg");
    assert!(matches!(state(dir.path().to_owned()), RootState::Present));
    assert!(matches!(state(dir.path().join("nope")), RootState::Missing));
    assert!(matches!(
        state(dir.path().join("a.jpg")),
        RootState::Unreadable(_)
    ));
}

#[test]
fn depth_costs_no_stack_and_too_deep_is_told() {
    const DEPTH: usize = 2_500;
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "d/a.jpg");
    // Deeper than a path can be written, so it has to be made, and unmade, step by step.
    let open = |at: &std::os::fd::OwnedFd, name: &str| {
        rustix::fs::openat(at, name, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap()
    };
    let top = rustix::fs::open(
        dir.path(),
        OFlags::DIRECTORY | OFlags::RDONLY,
        Mode::empty(),
    );
    let mut at = open(&top.unwrap(), "d");
    for _ in 1..DEPTH {
        rustix::fs::mkdirat(&at, "d", Mode::from(0o700)).unwrap();
        at = open(&at, "d");
    }
    let tree = tree(dir.path());
    let listings = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(move || tree.walk(&Scope::Folder).collect::<Vec<_>>())
        .unwrap()
        .join()
        .unwrap();
    for _ in 1..DEPTH {
        at = open(&at, "..");
        rustix::fs::unlinkat(&at, "d", AtFlags::REMOVEDIR).unwrap();
    }
    assert!(listings.len() > 1_900, "{}", listings.len());
    let (last, others) = listings.split_last().unwrap();
    assert!(last.problem.is_some() && others.iter().all(|l| l.problem.is_none()));
}
