//! How fast a folder is taken in: the first scan into the queue, and a rescan of what is known.
//!
//! `cargo bench --bench intake`; `ALBUMEN_BENCH_FILES` is the number of files (a million),
//! `ALBUMEN_BENCH_DIR` where they are made (the folder for temporary files), and with
//! `ALBUMEN_BENCH_ALBUMS` set they go to folder albums, so that their heads are read.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement speaks and stops"
)]

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use albumen::{
    clock::Clock,
    config::{AlbumRule, Config, Environment, Folder},
    context::{Context, Mode, account::AccountStatus, wake::Wakes},
    photos_api::{Auth, AuthFiles, Client, Endpoints, Settings, Timeouts},
    progress::Progress,
    scan::Scanner,
    store::Store,
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Files of one directory: as many as people and cameras leave in one.
const FILES_PER_DIR: usize = 500;

#[tokio::main]
async fn main() {
    let files: usize = env::var("ALBUMEN_BENCH_FILES").map_or(1_000_000, |n| n.parse().unwrap());
    let base = env::var_os("ALBUMEN_BENCH_DIR").map_or_else(env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base).unwrap();
    let root = dir.path().join("photos");
    let bytes = content();
    for n in 0..files.div_ceil(FILES_PER_DIR) {
        let folder = root
            .join(format!("{:02}", n % 40))
            .join(format!("Event {n}"));
        fs::create_dir_all(&folder).unwrap();
        for m in 0..FILES_PER_DIR.min(files - n * FILES_PER_DIR) {
            let name = format!("IMG_20240501_{:06}.jpg", n * FILES_PER_DIR + m);
            fs::write(folder.join(name), &bytes).unwrap();
        }
    }
    let find = timed(|| {
        let mut find = Command::new("find");
        find.arg(&root)
            .args(["-printf", "%s %T@ %p\n"])
            .stdout(Stdio::null());
        find.status().unwrap();
    });
    report("find -printf", files, find);

    let context = context(dir.path(), &root).await;
    let (stop, scanning) = (context.stop.clone(), Arc::clone(&context.scanning));
    let folders = context.config.folders.clone();
    let began = Instant::now();
    let (scanner, requests) = Scanner::new(context, folders, &[]).unwrap();
    let task = tokio::spawn(scanner.run());
    while scanning.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    report("first scan", files, began.elapsed());
    for _ in 0..3 {
        let began = Instant::now();
        requests.scan(Vec::new()).await.unwrap();
        report("rescan", files, began.elapsed());
    }
    stop.cancel();
    task.await.unwrap().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or("no RSS")
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn report(what: &str, files: usize, took: Duration) {
    let rate = files as f64 / took.as_secs_f64();
    println!(
        "{what:>14}: {files} files in {:.2} s, {rate:.0} files/s",
        took.as_secs_f64()
    );
}

/// One byte, or a JPEG with an EXIF time in front of 60 kB where heads are to be read.
fn content() -> Vec<u8> {
    if env::var_os("ALBUMEN_BENCH_ALBUMS").is_none() {
        return b"x".to_vec();
    }
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    // One entry: a pointer to the EXIF directory, which has one entry: DateTimeOriginal.
    tiff.extend(b"\x01\0\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0");
    tiff.extend(b"\x01\0\x03\x90\x02\0\x14\0\0\0\x2c\0\0\0\0\0\0\0");
    tiff.extend(b"2024:05:01 10:11:12\0");
    let mut jpeg = b"\xff\xd8\xff\xe1".to_vec();
    jpeg.extend(u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
    jpeg.extend(b"Exif\0\0");
    jpeg.extend(&tiff);
    jpeg.extend(b"\xff\xda");
    jpeg.resize(60_000, 0x55);
    jpeg.extend(b"\xff\xd9");
    jpeg
}

async fn context(dir: &Path, root: &Path) -> Context {
    let environment = Environment {
        home: Some(dir.to_owned()),
        ..Environment::default()
    };
    let mut config = Config::defaults(&environment).unwrap();
    let mut folder = Folder::with_defaults(root);
    if env::var_os("ALBUMEN_BENCH_ALBUMS").is_some() {
        folder.album = AlbumRule::Folder;
    }
    config.folders = vec![folder];
    let nowhere = || Url::parse("http://127.0.0.1:1/").unwrap();
    let settings = Settings {
        endpoints: Endpoints {
            api: nowhere(),
            auth: nowhere(),
            token: nowhere(),
            revoke: nowhere(),
        },
        parallel: 1,
        timeouts: Timeouts::default(),
    };
    let files = AuthFiles {
        client_secret: dir.join("none.json"),
        token: dir.join("token.json"),
    };
    // An hour ahead: all files have settled.
    fs::write(dir.join("clock"), "3600").unwrap();
    let clock = Clock::shifted_by(dir.join("clock"));
    let auth = Auth::new(&settings, files, clock.clone()).unwrap();
    let store = Store::open(dir).unwrap();
    let (wakes, retry) = (Wakes::default(), config.retry.clone());
    let account = AccountStatus::load(
        store.clone(),
        auth.clone(),
        retry,
        clock.clone(),
        wakes.clone(),
    );
    Context {
        client: Client::new(&settings, auth).unwrap(),
        config: Arc::new(config),
        account: account.await.unwrap(),
        store,
        clock,
        progress: Progress::default(),
        wakes,
        mode: Mode::Backfill,
        scanning: Arc::default(),
        stop: CancellationToken::new(),
    }
}
