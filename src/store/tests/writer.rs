//! Verbs in order, commits in groups, and disks that fill up.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
    mpsc,
};

use super::*;

/// Counts commits, and refuses them while it is told to.
#[derive(Default)]
struct Hook {
    commits: AtomicUsize,
    refuses: AtomicBool,
}

fn hooked() -> (Bench, Arc<Hook>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    let mut connection = connection::for_writing(&path).unwrap();
    let hook = Arc::new(Hook::default());
    let told = Arc::clone(&hook);
    connection
        .commit_hook(Some(move || {
            told.commits.fetch_add(1, Ordering::SeqCst);
            told.refuses.load(Ordering::SeqCst)
        }))
        .unwrap();
    let store = Store::new(connection, path);
    (Bench { dir, store }, hook)
}

/// Holds the writer in a verb until the sender is dropped, so that what is asked next forms a group.
async fn busy(store: &Store) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let verb = store.write(move |_| {
        let _ = entered.send(());
        let _ = held.recv();
        Ok(())
    });
    tokio::spawn(verb);
    inside.await.unwrap();
    release
}

fn keep(store: &Store, key: &'static str, value: String) -> tokio::task::JoinHandle<Result<()>> {
    let store = store.clone();
    tokio::spawn(async move { store.meta_is(key, value).await })
}

#[tokio::test]
async fn verbs_that_wait_together_are_committed_together_and_a_failing_one_goes_alone() {
    let (bench, hook) = hooked();
    let release = busy(&bench.store).await;
    let before = hook.commits.load(Ordering::SeqCst);
    let one = keep(&bench.store, "one", "1".to_owned());
    tokio::task::yield_now().await;
    let store = bench.store.clone();
    let failing = tokio::spawn(async move {
        let verb = |db: &Tx| -> Result<()> {
            db.execute("INSERT INTO meta VALUES ('half', 'done')", [])?;
            db.execute("INSERT INTO meta VALUES ('half', 'twice')", [])?;
            Ok(())
        };
        store.write(verb).await
    });
    tokio::task::yield_now().await;
    let two = keep(&bench.store, "two", "2".to_owned());
    tokio::task::yield_now().await;
    drop(release);
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert!(matches!(failing.await.unwrap(), Err(Error::Sqlite(_))));
    // One commit is the one that held the writer; the three that waited share the other.
    assert_eq!(hook.commits.load(Ordering::SeqCst) - before, 2);
    assert_eq!(bench.store.meta("one").await.unwrap().as_deref(), Some("1"));
    assert_eq!(bench.store.meta("two").await.unwrap().as_deref(), Some("2"));
    assert_eq!(bench.store.meta("half").await.unwrap(), None);
    bench.check();
}

#[tokio::test]
async fn an_answer_is_given_only_after_the_commit() {
    let bench = Bench::new();
    for n in 0..50 {
        bench.store.meta_is("n", n.to_string()).await.unwrap();
        let seen: String = bench
            .reader()
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'n'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(
            seen,
            n.to_string(),
            "another connection sees what was answered"
        );
    }
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_every_verb_of_its_group() {
    let (bench, hook) = hooked();
    hook.refuses.store(true, Ordering::SeqCst);
    let release = busy(&bench.store).await;
    let (one, two) = (
        keep(&bench.store, "one", "1".to_owned()),
        keep(&bench.store, "two", "2".to_owned()),
    );
    tokio::task::yield_now().await;
    drop(release);
    for told in [one, two] {
        let error = told.await.unwrap().unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    hook.refuses.store(false, Ordering::SeqCst);
    assert_eq!(bench.store.meta("one").await.unwrap(), None);
    assert_eq!(bench.store.meta("two").await.unwrap(), None);
    bench.store.meta_is("kept", "x".to_owned()).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_answered_and_later_goes_on() {
    let bench = Bench::new();
    let root = bench.root("/p").await;
    bench.queue(root, Some("A"), 0..10).await;
    let limit = |pages: &'static str| {
        bench.store.write(move |db| {
            db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| {
                row.get::<_, i64>(0)
            })?;
            Ok(())
        })
    };
    // As many pages as there are: the next one that is wanted is refused.
    limit("1").await.unwrap();
    let release = busy(&bench.store).await;
    let small = keep(&bench.store, "small", "x".to_owned());
    tokio::task::yield_now().await;
    let large = keep(&bench.store, "large", "x".repeat(1_000_000));
    tokio::task::yield_now().await;
    drop(release);
    let full = large.await.unwrap().unwrap_err();
    assert!(full.is_transient(), "{full:?}");
    let text = format!("{full:?}");
    assert!(
        text.contains("DiskFull"),
        "the asker is told of the full disk: {text}"
    );
    // Whoever waited with it is either told so or kept.
    let told = small.await.unwrap();
    let kept = bench.store.meta("small").await.unwrap();
    assert_eq!(told.is_ok(), kept.is_some());
    assert!(bench.store.is_alive().await);
    assert_eq!(bench.store.meta("large").await.unwrap(), None);
    assert_eq!(bench.count("file", "queued"), 10);
    limit("1000000").await.unwrap();
    bench
        .store
        .meta_is("large", "x".repeat(1_000_000))
        .await
        .unwrap();
    bench.queue(root, Some("A"), 10..20).await;
    assert_eq!(bench.count("file", "queued"), 20);
    bench.check();
}

#[tokio::test]
async fn closing_commits_what_was_asked_and_refuses_what_comes_later() {
    let bench = Bench::new();
    let release = busy(&bench.store).await;
    let asked = keep(&bench.store, "asked", "before".to_owned());
    tokio::task::yield_now().await;
    let store = bench.store.clone();
    let closing = tokio::spawn(async move { store.close().await });
    drop(release);
    asked.await.unwrap().unwrap();
    closing.await.unwrap();
    assert!(!bench.store.is_alive().await);
    let late = bench.store.meta_is("late", "x".to_owned()).await;
    assert!(matches!(late, Err(Error::Closed)));
    bench.store.close().await;
    let again = Store::open(bench.dir.path()).unwrap();
    assert_eq!(
        again.meta("asked").await.unwrap().as_deref(),
        Some("before")
    );
}

#[tokio::test]
async fn a_verb_whose_asker_has_gone_is_done_all_the_same() {
    let bench = Bench::new();
    let release = busy(&bench.store).await;
    let asked = keep(&bench.store, "asked", "x".to_owned());
    tokio::task::yield_now().await;
    asked.abort();
    drop(release);
    assert_eq!(
        bench.store.meta("asked").await.unwrap().as_deref(),
        Some("x")
    );
}
