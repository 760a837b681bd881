//! Files that a person wrote or downloaded: the configuration, the client secret, the token file.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use albumen::{
    clock::{self, Clock},
    config::{Config, EXAMPLE, Environment},
    photos_api::{Auth, AuthFiles, Endpoints, Settings, Timeouts},
};
use tempfile::TempDir;

use super::end;
use crate::runner::Target;

pub(crate) fn config() -> Target {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let env = Environment {
        home: Some(PathBuf::from("/home/ada")),
        cwd: PathBuf::from("/home/ada/work"),
        ..Environment::default()
    };
    let mut target = Target::new(move |input| {
        let _ = &dir;
        fs::write(&file, input).unwrap();
        match Config::load(Some(&file), None, &env) {
            Ok(config) => {
                let text = format!("{config:?}");
                format!("{} folders, {}", config.folders.len(), text.len() / 64)
            }
            Err(error) => end(&error),
        }
    });
    target.seeds.push(EXAMPLE.as_bytes().to_vec());
    target
}

/// An OAuth client file that is as it should be.
pub(crate) const SECRET: &str = r#"{"installed":{"client_id":"c.apps.googleusercontent.com","project_id":"p","auth_uri":"https://accounts.google.com/o/oauth2/auth","client_secret":"s","redirect_uris":["http://localhost"]}}"#;

/// A token file that is as it should be, and whose access token lasts.
pub(crate) const TOKENS: &str = r#"{"client_id":"c.apps.googleusercontent.com","obtained_at":"2026-01-01T00:00:00Z","scopes":["https://www.googleapis.com/auth/photoslibrary.appendonly","https://www.googleapis.com/auth/photoslibrary.readonly.appcreateddata","https://www.googleapis.com/auth/photoslibrary.edit.appcreateddata"],"refresh_token":"r","access_token":"a","expires_at":"2199-01-01T00:00:00Z"}"#;

/// A runtime whose tasks run on this thread, so that their panics are seen.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// A sign-in in a folder of its own.
pub(crate) struct Account {
    _dir: TempDir,
    files: AuthFiles,
}

impl Account {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let account = Self {
            files: AuthFiles {
                client_secret: dir.path().join("client_secret.json"),
                token: dir.path().join("token.json"),
            },
            _dir: dir,
        };
        private(&account.files.client_secret, SECRET.as_bytes());
        private(&account.files.token, TOKENS.as_bytes());
        account
    }

    /// The sign-in, at a service on this port.
    pub(crate) fn auth(&self, port: u16) -> Auth {
        Auth::new(&settings(port), self.files.clone(), Clock::system()).unwrap()
    }

    pub(crate) fn token_is(&self, bytes: &[u8]) {
        private(&self.files.token, bytes);
    }

    fn client_secret_is(&self, bytes: &[u8]) {
        private(&self.files.client_secret, bytes);
    }
}

fn private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// A service at this port of the machine, in a hurry.
pub(crate) fn settings(port: u16) -> Settings {
    let at = |path: &str| format!("http://127.0.0.1:{port}{path}").parse().unwrap();
    let soon = Duration::from_millis(1_500);
    Settings {
        endpoints: Endpoints {
            api: at(""),
            auth: at("/o/oauth2/v2/auth"),
            token: at("/token"),
            revoke: at("/revoke"),
        },
        parallel: 1,
        timeouts: Timeouts {
            connect: soon,
            read: soon,
            write: soon,
            stall: soon,
            answer: soon,
        },
    }
}

pub(crate) fn client_secret() -> Target {
    let (account, runtime) = (Account::new(), runtime());
    // Nobody listens on port 1: what goes further than the files ends there.
    let auth = account.auth(1);
    let mut target = Target::new(move |input| {
        account.client_secret_is(input);
        runtime.block_on(async {
            match auth.client_id().await {
                Ok(id) => match albumen::photos_api::Login::begin(&auth).await {
                    Ok(login) => format!(
                        "{}, {}",
                        id.len().min(9),
                        login.address().as_str().len() / 64
                    ),
                    Err(error) => end(&error),
                },
                Err(error) => end(&error),
            }
        })
    });
    target.seeds.push(SECRET.as_bytes().to_vec());
    target
        .seeds
        .push(SECRET.replace("installed", "web").into_bytes());
    target
}

pub(crate) fn token_file() -> Target {
    let (account, runtime) = (Account::new(), runtime());
    let auth = account.auth(1);
    let mut target = Target::new(move |input| {
        account.token_is(input);
        runtime.block_on(async {
            let known = match auth.signed_in().await {
                Ok(signed_in) => format!("{} scopes", signed_in.scopes.len().min(9)),
                Err(error) => end(&error),
            };
            let bearer = match auth.bearer().await {
                Ok(_) => "a token".to_owned(),
                Err(error) => end(&error),
            };
            format!("{known}; {bearer}; {}", auth.changed())
        })
    });
    target.seeds.push(TOKENS.as_bytes().to_vec());
    target
        .seeds
        .push(TOKENS.replace("2199", "1999").into_bytes());
    target
}

/// The file that shifts the clock in tests, and what is made of a time.
pub(crate) fn clock() -> Target {
    let dir = tempfile::tempdir().unwrap();
    Target::new(move |input| {
        let file = dir.path().join("clock");
        fs::write(&file, input).unwrap();
        let now = Clock::shifted_by(file).now();
        let ends = clock::service_day_ends(now);
        assert!(ends >= now, "{now} {ends}");
        let _ = clock::after(now, clock::until(now, ends));
        format!("{}", clock::service_day(now).year() / 100)
    })
}
