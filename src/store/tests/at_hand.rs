//! Which file the bytes of a waiting item are read from, as roots come and go.

use super::{uploads::sending, *};
use crate::model::ids::FileId;

/// An item that waits for its bytes, whose file in the queue is of `/p`, and another file of `/q` that
/// has them, too. Both roots are open.
struct Two {
    bench: Bench,
    roots: [RootId; 2],
    files: [FileId; 2],
    item: ItemId,
}

async fn two() -> Two {
    let bench = Bench::new();
    let spec = |path: &str| RootSpec {
        path: PathBuf::from(path),
        configured: true,
        rule: String::new(),
        removes: false,
    };
    let rows = bench.store.roots(vec![spec("/p"), spec("/q")]).await;
    let roots = [0, 1].map(|n| rows.as_ref().unwrap()[n].id);
    let mut files = [FileId(0); 2];
    let mut item = ItemId(0);
    for (root, file) in roots.into_iter().zip(&mut files) {
        bench.store.root_opened(root, true, t(0)).await.unwrap();
        bench.queue(root, Some("A"), [0]).await;
        let claim = bench.store.claim(1, false, t(1)).await.unwrap().remove(0);
        *file = claim.file;
        let hashed = bench.store.hashed(claim.file, content(0), t(1)).await;
        let (Hashed::Upload(id, _) | Hashed::Duplicate(id, _)) = hashed.unwrap();
        item = id;
    }
    let [file, _] = files;
    let again = bench.store.upload_again(file, item, t(1), None, t(1));
    again.await.unwrap();
    let two = Two {
        bench,
        roots,
        files,
        item,
    };
    assert_eq!(two.states(), ["queued", "attached"]);
    two
}

impl Two {
    fn states(&self) -> [String; 2] {
        self.files.map(|file| self.bench.file_state(file))
    }

    /// What can be claimed now.
    async fn claimable(&self) -> Vec<FileId> {
        let claims = self.bench.store.claim(9, false, t(9)).await.unwrap();
        claims.iter().map(|claim| claim.file).collect()
    }
}

#[tokio::test]
async fn bytes_of_a_root_that_goes_away_are_read_from_another_one() {
    let two = two().await;
    two.bench.store.root_away(two.roots[0]).await.unwrap();
    assert_eq!(two.claimable().await, [two.files[1]]);
    two.bench.check();
}

#[tokio::test]
async fn bytes_that_no_open_root_had_are_read_once_one_is_opened_that_has_them() {
    let two = two().await;
    let store = &two.bench.store;
    store.roots(Vec::new()).await.unwrap();
    assert!(two.claimable().await.is_empty());
    let reach = two
        .bench
        .reader()
        .unavailable_files(RootFilter::Everything)
        .unwrap();
    assert_eq!(reach.len(), 1);
    assert_eq!(reach[0].files, [PathBuf::from("/p/IMG_00000.jpg")]);
    store.root_opened(two.roots[1], false, t(2)).await.unwrap();
    let reach = two
        .bench
        .reader()
        .unavailable_files(RootFilter::Everything)
        .unwrap();
    assert_eq!(reach, [], "they can be read from the other root");
    assert!(!store.is_drained().await.unwrap());
    assert_eq!(two.claimable().await, [two.files[1]]);
    two.bench.check();
}

#[tokio::test]
async fn an_upload_that_ends_as_its_root_goes_away_goes_on_from_another_one() {
    let two = two().await;
    let [file, other] = two.files;
    assert_eq!(two.claimable().await, [file]);
    let store = &two.bench.store;
    store.hashed(file, content(0), t(2)).await.unwrap();
    store.root_away(two.roots[0]).await.unwrap();
    let again = store.upload_again(file, two.item, t(2), None, t(2));
    again.await.unwrap();
    assert_eq!(two.states(), ["attached", "queued"]);
    assert_eq!(two.claimable().await, [other]);
    two.bench.check();
}

#[tokio::test]
async fn a_file_that_waited_for_bytes_that_came_from_elsewhere_holds_them_unread() {
    let two = two().await;
    let store = &two.bench.store;
    store.root_away(two.roots[0]).await.unwrap();
    assert_eq!(two.states(), ["queued", "queued"]);
    assert_eq!(two.claimable().await, [two.files[1]]);
    store.hashed(two.files[1], content(0), t(2)).await.unwrap();
    two.bench.token(two.item, t(2)).await;
    assert_eq!(two.states(), ["attached", "attached"]);
    two.bench.check();
}

#[tokio::test]
async fn an_upload_goes_on_from_its_own_file_where_no_root_is_open() {
    let s = sending().await;
    s.bench.store.roots(Vec::new()).await.unwrap();
    let again = s.bench.store.upload_again(s.file, s.item, t(2), None, t(2));
    again.await.unwrap();
    assert_eq!(s.bench.file_state(s.file), "queued");
    assert_eq!(s.bench.state(s.item), "queued");
    s.bench.check();
}
