//! A person's machine: folders with photos, a configuration, a state folder with a sign-in, and the
//! service beside it. What is run in it is the built program, as a process of its own.
//!
//! Waits of the program are hurried by its configuration, and the service expects the same hurry of
//! it. Nothing here sleeps and hopes: whoever waits, waits for a state, up to [`PATIENCE`].

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicI64,
    time::{Duration, SystemTime},
};

use photos_sandbox::{Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    child::{Ran, Running},
    media, secrets,
    service::RATE_LIMIT_MS,
};

/// How long a state is waited for before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Between two looks at what is waited for.
pub(crate) const LOOK: Duration = Duration::from_millis(15);

/// When the first of the photos of these tests was taken: 2024-05-01, noon.
const FIRST_TAKEN: u64 = 1_714_564_800;

/// The machine and the service.
pub(crate) struct Home {
    dir: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) http: reqwest::Client,
    settings: Vec<(String, String)>,
    folders: Vec<String>,
    /// Seconds that both clocks are ahead of the machine's: see `clocks`.
    pub(super) shift: AtomicI64,
    /// What every program that is started gets in its environment, beside what it always gets.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

impl Home {
    /// A machine with a sign-in and no folder yet.
    pub(crate) async fn new() -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let sandbox = Sandbox::start(Options {
            listen,
            data_dir: None,
        })
        .await
        .unwrap();
        let home = Self {
            dir: tempfile::tempdir().unwrap(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            settings: Vec::new(),
            folders: Vec::new(),
            shift: AtomicI64::new(0),
            environment: Vec::new(),
            sandbox,
        };
        fs::create_dir(home.path("state")).unwrap();
        fs::set_permissions(home.path("state"), PermissionsExt::from_mode(0o700)).unwrap();
        let secret = json!({"installed": {"client_id": "c", "client_secret": secret("client"),
            "redirect_uris": ["http://localhost"]}});
        let file = home.write("client_secret.json", secret.to_string().as_bytes());
        fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
        home.clock(0);
        home.sign_in("the first");
        let scale = RATE_LIMIT_MS as f64 / 30_000.0;
        home.script(json!({"settings": {"rate_limit_scale": scale}}))
            .await;
        home
    }

    /// The same with one folder, `photos`.
    pub(crate) async fn with_folder(rules: &str) -> Self {
        let mut home = Self::new().await;
        home.folder("photos", rules);
        home
    }

    /// A path below the home.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Adds a folder to the configuration, and makes it.
    pub(crate) fn folder(&mut self, name: &str, rules: &str) {
        fs::create_dir_all(self.path(name)).unwrap();
        self.folders
            .push(format!("[[folder]]\npath = '{name}'\n{rules}\n"));
        self.configure();
    }

    /// Sets a key of the configuration, as in `set("upload.parallel", "2")`.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
        self.configure();
    }

    fn configure(&self) {
        let url = self.sandbox.url();
        let mut keys = vec![
            ("state_dir".to_owned(), "'state'".to_owned()),
            ("api.endpoint".to_owned(), format!("'{url}'")),
            (
                "api.auth_url".to_owned(),
                format!("'{url}/o/oauth2/v2/auth'"),
            ),
            ("api.token_url".to_owned(), format!("'{url}/token'")),
            ("api.revoke_url".to_owned(), format!("'{url}/revoke'")),
            ("quota.writes_per_minute".to_owned(), "60000".to_owned()),
            ("watch.settle".to_owned(), "'100ms'".to_owned()),
            ("batch.max_wait".to_owned(), "'100ms'".to_owned()),
            ("retry.server_error_base".to_owned(), "'20ms'".to_owned()),
            (
                "retry.rate_limit_base".to_owned(),
                format!("'{RATE_LIMIT_MS}ms'"),
            ),
            ("verify.after".to_owned(), "'never'".to_owned()),
        ];
        for (key, value) in &self.settings {
            keys.retain(|(known, _)| known != key);
            keys.push((key.clone(), value.clone()));
        }
        let mut text = String::new();
        for (key, value) in keys {
            let _ = writeln!(text, "{key} = {value}");
        }
        text += &self.folders.concat();
        fs::write(self.path("config.toml"), text).unwrap();
    }

    /// Leaves a sign-in as `login` does; its access token is over, its refresh token is `refresh`.
    pub(crate) fn sign_in(&self, refresh: &str) {
        let tokens = json!({
            "client_id": "c", "obtained_at": "2026-01-01T00:00:00Z",
            "scopes": [
                "https://www.googleapis.com/auth/photoslibrary.appendonly",
                "https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata",
                "https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata",
            ],
            "refresh_token": secret(refresh), "access_token": secret("over"), "expires_at": "2026-01-01T01:00:00Z",
        });
        let new = self.path("state/token.new");
        fs::write(&new, tokens.to_string()).unwrap();
        fs::set_permissions(&new, PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(new, self.path("state/token.json")).unwrap();
    }

    /// Writes a file below the home; folders are made.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Writes a file that was taken as the `minute`th of these tests.
    pub(crate) fn taken(&self, relative: impl AsRef<Path>, minute: u64, bytes: &[u8]) -> PathBuf {
        let path = self.write(relative, bytes);
        set_taken(&path, minute);
        path
    }

    /// Writes so many photos into a folder; taken one after another, and named so.
    pub(crate) fn photos(&self, folder: &str, n: u64) -> Vec<PathBuf> {
        let photo = |i| self.taken(format!("{folder}/p{i:04}.jpg"), i, &media::photo(i));
        (0..n).map(photo).collect()
    }

    /// Runs a command to its end.
    pub(crate) async fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.start(arguments).ended().await
    }

    /// Starts a command.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Running {
        self.start_through(&[], arguments)
    }

    /// Starts a command by way of another program, which runs what follows its own arguments.
    pub(crate) fn start_through<S: AsRef<OsStr>>(
        &self,
        through: &[&str],
        arguments: &[S],
    ) -> Running {
        Running::start(self.dir.path(), through, arguments, &self.environment)
    }

    /// Starts a command that is killed at a moment: see `crash` of the library.
    pub(crate) fn start_doomed<S: AsRef<OsStr>>(&self, arguments: &[S], crash: String) -> Running {
        let mut environment = self.environment.clone();
        environment.push(("ALBUMEN_CRASH".into(), crash.into()));
        Running::start(self.dir.path(), &[], arguments, &environment)
    }

    /// Starts the daemon, and waits until it says that it runs.
    pub(crate) async fn daemon(&self) -> Running {
        let daemon = self.start(&["daemon", "-v"]);
        let pid = u64::from(daemon.pid());
        self.until_status("the daemon runs", |status| {
            status["process"]["running"] == true && status["process"]["pid"] == pid
        })
        .await;
        daemon
    }

    /// Runs a backfill that must end well.
    pub(crate) async fn backfill(&self) -> Ran {
        self.run(&["backfill", "-v"]).await.expect(0)
    }

    /// What `status --json` says.
    pub(crate) async fn status(&self) -> Value {
        let ran = self.run(&["status", "--json"]).await.expect(0);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Waits until `status --json` says so.
    pub(crate) async fn until_status(&self, what: &str, said: impl Fn(&Value) -> bool) -> Value {
        let since = tokio::time::Instant::now();
        loop {
            let status = self.status().await;
            if said(&status) {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "{what}: never; {status:#}");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        secrets::are_kept_in(&self.path("state"));
    }
}

/// A secret that is told from others by a word.
pub(crate) fn secret(word: &str) -> String {
    format!("{}{word}", secrets::MARK)
}

/// Makes a file look as if it was taken as the `minute`th of these tests.
pub(crate) fn set_taken(path: &Path, minute: u64) {
    let taken = SystemTime::UNIX_EPOCH + Duration::from_secs(FIRST_TAKEN + 60 * minute);
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(taken).unwrap();
}

/// The names of files, as the service shows them.
pub(crate) fn names(files: &[PathBuf]) -> Vec<&str> {
    files
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect()
}
