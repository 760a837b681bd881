//! Scans of whole folders and of PATHs.

use std::os::unix::{ffi::OsStrExt as _, fs::symlink};

use super::*;
use crate::config::{OnEdit, Order};

#[tokio::test]
async fn every_file_that_the_service_takes_is_queued_and_no_other() {
    let site = Site::new();
    for name in ["a.jpg", "b.HEIC", "sub/c.mp4", "sub/deep/d.dng"] {
        site.write(&format!("photos/{name}"), "x");
    }
    for name in ["notes.txt", "a.jpg.part", "@eaDir/t.jpg", ".cache/u.jpg"] {
        site.write(&format!("photos/{name}"), "x");
    }
    site.write("photos/empty.jpg", "");
    let huge = fs::File::create(site.path("photos/huge.jpg")).unwrap();
    huge.set_len(200_000_001).unwrap();
    site.backfill().await;

    let queued = [
        "photos/a.jpg",
        "photos/b.HEIC",
        "photos/sub/c.mp4",
        "photos/sub/deep/d.dng",
    ];
    assert_eq!(site.in_state("queued"), queued);
    let rows = site.rows();
    assert_eq!(rows.len(), 6);
    assert_eq!(
        rows["photos/empty.jpg"].reason_kind.as_deref(),
        Some("empty")
    );
    assert_eq!(
        rows["photos/huge.jpg"].reason_kind.as_deref(),
        Some("too_large")
    );
    assert!(rows.values().all(|row| row.open && !row.fresh));
}

#[tokio::test]
async fn a_second_scan_of_an_unchanged_folder_writes_no_file_and_a_new_file_is_fresh() {
    let site = Site::new();
    for n in 0..700 {
        site.write(&format!("photos/{}/{n}.jpg", n % 7), "x");
    }
    let run = site.daemon().await;
    site.scanned().await;
    let database = site.database();
    let version = || {
        database
            .query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let before = version();
    run.requests.scan(Vec::new()).await.unwrap();
    assert_eq!(version(), before);
    run.end().await;

    site.write("photos/0/new.jpg", "x");
    site.backfill().await;
    let fresh = site.rows().into_iter().filter(|(_, row)| row.fresh);
    assert_eq!(
        fresh.map(|(path, _)| path).collect::<Vec<_>>(),
        ["photos/0/new.jpg"]
    );
}

#[tokio::test]
async fn folder_albums_take_the_name_of_the_folder_and_the_order_of_the_names_dates() {
    let mut site = Site::new();
    site.folder().album = AlbumRule::Folder;
    let later = site.write("photos/Crete/IMG_20240502_101112.jpg", "no exif");
    site.write("photos/Crete/PXL_20240501_101112345.jpg", "no exif");
    site.write("photos/c.jpg", "x");
    for n in 0..20 {
        site.write(
            &format!("photos/Many/IMG_20230101_1000{n:02}.jpg"),
            "no exif",
        );
    }
    site.backfill().await;

    let rows = site.rows();
    assert_eq!(
        in_album(&rows, "photos/Crete/IMG_20240502_101112.jpg").as_deref(),
        Some("Crete")
    );
    assert_eq!(in_album(&rows, "photos/c.jpg").as_deref(), Some("photos"));
    let first = &rows["photos/Crete/PXL_20240501_101112345.jpg"].key;
    assert!(
        first < &rows["photos/Crete/IMG_20240502_101112.jpg"].key,
        "{later:?}"
    );
    let many: Vec<_> = (0..20)
        .map(|n| {
            rows[&format!("photos/Many/IMG_20230101_1000{n:02}.jpg")]
                .key
                .clone()
        })
        .collect();
    assert!(many.is_sorted());
}

#[tokio::test]
async fn the_order_by_name_counts_numbers_and_by_modification_looks_at_the_time() {
    let mut site = Site::new();
    site.folder().album = named("All");
    site.folder().order = Order::Name;
    let new = site.write("photos/IMG_9.jpg", "x");
    let old = site.write("photos/IMG_10.jpg", "x");
    let set = |path: &PathBuf, seconds| {
        let time = std::time::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    set(&new, 2_000_000);
    set(&old, 1_000_000);
    site.backfill().await;
    let keys = |site: &Site| {
        let rows = site.rows();
        (
            rows["photos/IMG_9.jpg"].key.clone(),
            rows["photos/IMG_10.jpg"].key.clone(),
        )
    };
    let (nine, ten) = keys(&site);
    assert!(nine < ten);

    site.folder().order = Order::Modified;
    site.folder().album = named("Others");
    site.backfill().await;
    let (nine, ten) = keys(&site);
    assert!(
        ten < nine,
        "what is queued is decided anew under a new rule"
    );
    assert_eq!(
        in_album(&site.rows(), "photos/IMG_9.jpg").as_deref(),
        Some("Others")
    );
}

#[tokio::test]
async fn what_is_excluded_while_it_is_queued_does_not_go_up() {
    let mut site = Site::new();
    for name in ["a.jpg", "b.png", "private/c.jpg", "inner/d.jpg"] {
        site.write(&format!("photos/{name}"), "x");
    }
    site.backfill().await;
    assert_eq!(site.in_state("queued").len(), 4);
    site.folder().exclude = vec!["*.png".to_owned(), "private/".to_owned()];
    let inner = Folder::with_defaults(site.path("photos/inner"));
    site.config.folders.push(inner);
    site.backfill().await;
    assert_eq!(
        site.in_state("gone"),
        ["photos/b.png", "photos/private/c.jpg"]
    );
    let rows = site.rows();
    assert_eq!(rows["photos/a.jpg"].state, "queued");
}

#[tokio::test]
async fn of_nested_folders_the_deepest_wins() {
    let mut site = Site::new();
    let mut inner = Folder::with_defaults(site.path("photos/inner"));
    inner.album = named("Inner");
    site.config.folders.push(inner);
    site.write("photos/a.jpg", "x");
    site.write("photos/inner/b.jpg", "x");
    site.backfill().await;
    let rows = site.rows();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        in_album(&rows, "photos/inner/b.jpg").as_deref(),
        Some("Inner")
    );
    assert_eq!(in_album(&rows, "photos/a.jpg"), None);
}

#[tokio::test]
async fn links_in_circles_end_and_odd_names_are_names() {
    let mut site = Site::new();
    site.folder().follow_symlinks = true;
    site.write("photos/sub/a.jpg", "x");
    site.write("photos/line\nbreak\x1b[2J.jpg", "x");
    let invalid = std::ffi::OsStr::from_bytes(b"caf\xe9.jpg");
    fs::write(site.path("photos").join(invalid), "x").unwrap();
    symlink("..", site.path("photos/sub/up")).unwrap();
    symlink(site.path("photos/sub"), site.path("photos/sub/self")).unwrap();
    symlink("/", site.path("photos/out")).unwrap();
    site.backfill().await;
    let queued = [
        "photos/caf\u{fffd}.jpg",
        "photos/line\nbreak\x1b[2J.jpg",
        "photos/sub/a.jpg",
    ];
    assert_eq!(site.in_state("queued"), queued);
}

#[tokio::test]
async fn a_path_in_a_folder_is_that_part_of_it_and_goes_by_its_rules() {
    let mut site = Site::new();
    site.folder().album = AlbumRule::Folder;
    site.folder().exclude = vec!["*.png".to_owned()];
    site.write("photos/trip/a.jpg", "x");
    site.write("photos/trip/day/b.jpg", "x");
    site.write("photos/trip/b.png", "x");
    site.write("photos/other/c.jpg", "x");
    site.write("photos/other/d.jpg", "x");
    let paths = [
        site.path("photos/trip"),
        site.path("photos/trip/day"),
        site.path("photos/other/d.jpg"),
    ];
    site.backfill_of(&paths).await.unwrap();
    let queued = [
        "photos/other/d.jpg",
        "photos/trip/a.jpg",
        "photos/trip/day/b.jpg",
    ];
    assert_eq!(site.in_state("queued"), queued);
    let rows = site.rows();
    assert_eq!(
        in_album(&rows, "photos/trip/a.jpg").as_deref(),
        Some("trip")
    );
    assert!(rows.values().all(|row| row.open));

    site.backfill().await;
    let rows = site.rows();
    assert_eq!(rows.len(), 4);
    assert!(
        rows.values().all(|row| !row.fresh),
        "a part was no full scan: {rows:?}"
    );
}

#[tokio::test]
async fn a_path_outside_of_all_folders_is_a_root_with_the_defaults() {
    let mut site = Site::new();
    site.folder().album = named("All");
    site.write("photos/in.jpg", "x");
    site.write("elsewhere/a.jpg", "x");
    site.write("elsewhere/sub/b.jpg", "x");
    site.write("lone/c.jpg", "x");
    site.write("lone/d.jpg", "x");
    let paths = [
        site.path("elsewhere"),
        site.path("elsewhere/sub"),
        site.path("lone/c.jpg"),
    ];
    site.backfill_of(&paths).await.unwrap();
    let rows = site.rows();
    let queued = ["elsewhere/a.jpg", "elsewhere/sub/b.jpg", "lone/c.jpg"];
    assert_eq!(site.in_state("queued"), queued);
    assert!(rows.values().all(|row| row.album.is_none()));

    fs::remove_file(site.path("elsewhere/a.jpg")).unwrap();
    for _ in 0..2 {
        site.backfill_of(&paths).await.unwrap();
    }
    assert_eq!(
        site.rows()["elsewhere/a.jpg"].missed,
        0,
        "nothing in it is ever gone"
    );
}

#[tokio::test]
async fn a_path_above_a_folder_takes_the_folder_by_its_own_rules() {
    let mut site = Site::new();
    site.folder().album = named("All");
    site.write("photos/in.jpg", "x");
    site.write("beside.jpg", "x");
    let above = [site.dir.path().to_owned()];
    site.backfill_of(&above).await.unwrap();
    let rows = site.rows();
    assert_eq!(in_album(&rows, "photos/in.jpg").as_deref(), Some("All"));
    assert_eq!(in_album(&rows, "beside.jpg"), None);
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn a_path_that_is_not_there_is_named_and_nothing_is_begun() {
    let site = Site::new();
    site.write("photos/a.jpg", "x");
    let paths = [site.path("photos"), site.path("phtos/b.jpg")];
    let error = site.backfill_of(&paths).await.unwrap_err().to_string();
    assert!(error.contains("phtos/b.jpg"), "{error}");
    assert_eq!(site.scanning.load(Ordering::SeqCst), 0);
    assert!(site.rows().is_empty());
}

#[tokio::test]
async fn a_root_that_is_away_keeps_everything_and_is_not_waited_for() {
    let site = Site::new();
    site.write("photos/a.jpg", "x");
    site.backfill().await;
    fs::rename(site.path("photos"), site.path("elsewhere")).unwrap();
    for _ in 0..3 {
        site.backfill().await;
    }
    let row = site.rows()["photos/a.jpg"].clone();
    assert_eq!(
        (row.state.as_str(), row.missed, row.away, row.open),
        ("queued", 0, true, false)
    );

    fs::create_dir(site.path("photos")).unwrap();
    site.backfill().await;
    assert!(
        site.rows()["photos/a.jpg"].away,
        "an empty mount point is no folder without files"
    );

    fs::remove_dir(site.path("photos")).unwrap();
    fs::rename(site.path("elsewhere"), site.path("photos")).unwrap();
    site.backfill().await;
    let row = site.rows()["photos/a.jpg"].clone();
    assert_eq!(
        (row.state.as_str(), row.away, row.open),
        ("queued", false, true)
    );
}

#[tokio::test]
async fn an_edit_is_a_new_file_or_nothing_as_the_folder_says() {
    let mut site = Site::new();
    site.write("photos/a.jpg", "x");
    site.backfill().await;
    let hold = |site: &Site| {
        let sql = "INSERT OR IGNORE INTO items (id, hash, size, mime, file_name, state, media_item_id, changed_at)
                   VALUES (1, zeroblob(32), 1, 'image/jpeg', 'a.jpg', 'created', 'm', 0);
                   UPDATE files SET state = 'attached', item_id = 1";
        site.database().execute_batch(sql).unwrap();
    };
    hold(&site);
    site.folder().on_edit = OnEdit::Ignore;
    site.write("photos/a.jpg", "edited");
    site.backfill().await;
    assert_eq!(site.in_state("attached"), ["photos/a.jpg"]);

    site.folder().on_edit = OnEdit::Upload;
    site.backfill().await;
    assert_eq!(
        site.in_state("attached"),
        ["photos/a.jpg"],
        "an ignored edit stays ignored"
    );
    site.write("photos/a.jpg", "edited again");
    site.backfill().await;
    assert_eq!(site.in_state("queued"), ["photos/a.jpg"]);
}
