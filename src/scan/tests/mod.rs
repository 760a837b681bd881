//! The task on real folders and a real store. Nothing is sent.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ScanRequests, Scanner};
use crate::{
    clock::Clock,
    config::{AlbumRule, Config, Environment, Folder},
    context::{Context, Mode, Result, account::AccountStatus, wake::Wakes},
    photos_api::{Auth, AuthFiles, Client, Endpoints, Settings, Timeouts},
    progress::Progress,
    store::Store,
};

mod backfills;
mod daemons;
mod settling;

/// Longer than any healthy machine needs; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder called `photos`, a state folder, and a scan task that runs on them now and then.
struct Site {
    dir: TempDir,
    config: Config,
    stop: CancellationToken,
    scanning: Arc<AtomicUsize>,
}

/// A running scan task.
struct Run {
    task: JoinHandle<Result<()>>,
    stop: CancellationToken,
    requests: ScanRequests,
    store: Store,
}

/// A row of `files`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    state: String,
    album: Option<String>,
    key: Option<Vec<u8>>,
    fresh: bool,
    missed: u32,
    reason_kind: Option<String>,
    open: bool,
    away: bool,
}

impl Site {
    /// The clock is an hour ahead, so that what the test just wrote is old.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("photos")).unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        let environment = Environment {
            home: Some(dir.path().to_owned()),
            cwd: dir.path().to_owned(),
            ..Environment::default()
        };
        let mut config = Config::defaults(&environment).unwrap();
        config.folders = vec![Folder::with_defaults(dir.path().join("photos"))];
        config.watch.settle = Duration::from_millis(200);
        let site = Self {
            dir,
            config,
            stop: CancellationToken::new(),
            scanning: Arc::default(),
        };
        site.clock_is_ahead(3600);
        site
    }

    fn clock_is_ahead(&self, seconds: u32) {
        fs::write(self.path("clock"), seconds.to_string()).unwrap();
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    fn folder(&mut self) -> &mut Folder {
        &mut self.config.folders[0]
    }

    /// Writes a file, with the folders that it is in.
    fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    async fn context(&self, mode: Mode) -> Context {
        let url = |text: &str| url::Url::parse(text).unwrap();
        let settings = Settings {
            endpoints: Endpoints {
                api: url("http://127.0.0.1:1/"),
                auth: url("http://127.0.0.1:1/auth"),
                token: url("http://127.0.0.1:1/token"),
                revoke: url("http://127.0.0.1:1/revoke"),
            },
            parallel: 1,
            timeouts: Timeouts::default(),
        };
        let files = AuthFiles {
            client_secret: self.path("none.json"),
            token: self.path("state/token.json"),
        };
        let clock = Clock::shifted_by(self.path("clock"));
        let auth = Auth::new(&settings, files, clock.clone()).unwrap();
        let store = Store::open(&self.path("state")).unwrap();
        let (wakes, retry) = (Wakes::default(), self.config.retry.clone());
        let account = AccountStatus::load(
            store.clone(),
            auth.clone(),
            retry,
            clock.clone(),
            wakes.clone(),
        );
        Context {
            client: Client::new(&settings, auth).unwrap(),
            config: Arc::new(self.config.clone()),
            account: account.await.unwrap(),
            store,
            clock,
            progress: Progress::default(),
            wakes,
            mode,
            scanning: Arc::clone(&self.scanning),
            stop: self.stop.child_token(),
        }
    }

    async fn start(&self, mode: Mode, folders: Vec<Folder>, paths: &[PathBuf]) -> Result<Run> {
        let context = self.context(mode).await;
        let (store, stop) = (context.store.clone(), context.stop.clone());
        let (scanner, requests) = Scanner::new(context, folders, paths)?;
        Ok(Run {
            task: tokio::spawn(scanner.run()),
            stop,
            requests,
            store,
        })
    }

    async fn daemon(&self) -> Run {
        let folders = self.config.folders.clone();
        self.start(Mode::Daemon, folders, &[]).await.unwrap()
    }

    /// Runs a backfill until its first scans are complete.
    async fn backfill(&self) {
        let folders = self.config.folders.clone();
        let run = self.start(Mode::Backfill, folders, &[]).await.unwrap();
        self.scanned().await;
        run.end().await;
    }

    async fn backfill_of(&self, paths: &[PathBuf]) -> Result<()> {
        let run = self.start(Mode::Backfill, Vec::new(), paths).await?;
        self.scanned().await;
        run.end().await;
        Ok(())
    }

    async fn scanned(&self) {
        self.until("all is scanned", |_| {
            self.scanning.load(Ordering::SeqCst) == 0
        })
        .await;
    }

    /// Waits until the rows are as they should be.
    async fn until(&self, what: &str, is_so: impl Fn(&BTreeMap<String, Row>) -> bool) {
        let wait = async {
            while !is_so(&self.rows()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let timely = tokio::time::timeout(PATIENCE, wait).await;
        assert!(timely.is_ok(), "{what}: {:#?}", self.rows());
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("state/albumen.db")).unwrap()
    }

    /// All files that the store knows, by their paths.
    fn rows(&self) -> BTreeMap<String, Row> {
        let database = self.database();
        let mut statement = database
            .prepare(
                "SELECT roots.path, dirs.path, files.name, files.state, albums.title, order_key, new_arrival,
                        missed_scans, reason_kind, roots.claimable, roots.away
                 FROM files JOIN roots ON roots.id = files.root_id JOIN dirs ON dirs.id = dir_id
                 LEFT JOIN albums ON albums.id = files.album_id",
            )
            .unwrap();
        let path = |row: &rusqlite::Row<'_>| {
            let part = |n| String::from_utf8_lossy(&row.get::<_, Vec<u8>>(n).unwrap()).into_owned();
            let path = Path::new(&part(0)).join(part(1)).join(part(2));
            let below = path.strip_prefix(self.dir.path()).unwrap().to_owned();
            below.to_str().unwrap().to_owned()
        };
        let rows = statement.query_map([], |row| {
            let row = (
                path(row),
                Row {
                    state: row.get(3)?,
                    album: row
                        .get::<_, Option<String>>(4)?
                        .filter(|title| !title.is_empty()),
                    key: row.get(5)?,
                    fresh: row.get(6)?,
                    missed: row.get(7)?,
                    reason_kind: row.get(8)?,
                    open: row.get(9)?,
                    away: row.get(10)?,
                },
            );
            Ok(row)
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().unwrap()
    }

    /// The paths of the files in this state.
    fn in_state(&self, state: &str) -> Vec<String> {
        let rows = self.rows().into_iter();
        rows.filter(|(_, row)| row.state == state)
            .map(|(path, _)| path)
            .collect()
    }
}

impl Run {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.store.close().await;
    }
}

fn in_album(rows: &BTreeMap<String, Row>, path: &str) -> Option<String> {
    rows[path].album.clone()
}

fn named(title: &str) -> AlbumRule {
    AlbumRule::Name(title.to_owned())
}
