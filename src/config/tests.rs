//! Whole files: what is found, what becomes of it, and how it is refused.

use super::*;
use std::{net::SocketAddr, time::Duration};

/// A home with nothing in it but what a test writes.
pub(super) struct Home {
    dir: tempfile::TempDir,
    pub(super) env: Environment,
}

impl Home {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        let env = Environment {
            home: Some(home.clone()),
            cwd: home,
            ..Environment::default()
        };
        Self { dir, env }
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.env.cwd.join(relative)
    }

    pub(super) fn write(&self, relative: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.path(relative);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    pub(super) fn load(&self, text: &str) -> Result<Config, Error> {
        let file = self.write("etc/c.toml", text);
        Config::load(Some(&file), None, &self.env)
    }

    /// The words for a refused file, without the name of the temporary folder.
    pub(super) fn refusal(&self, text: &str) -> String {
        let error = self.load(text).unwrap_err().to_string();
        error.replace(self.dir.path().to_str().unwrap(), "HOME")
    }
}

#[test]
fn the_example_is_the_defaults_with_one_folder() {
    let home = Home::new();
    let file = home.write(".config/albumen/config.toml", EXAMPLE);
    let example = Config::load(None, None, &home.env).unwrap();
    let defaults = Config {
        file: Some(file),
        folders: vec![Folder::with_defaults(home.path("Pictures"))],
        ..Config::defaults(&home.env).unwrap()
    };
    assert_eq!(example, defaults);
}

/// The keys of a section, from the mouth of the reader itself: it lists them for an unknown one.
fn keys_of(section: &str) -> Vec<String> {
    let text = format!("{section}\n'?' = 0\n");
    let error = toml::from_str::<Config>(&text).unwrap_err();
    let (_, list) = error.message().split_once("expected").unwrap();
    let quoted = list.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

#[test]
fn the_example_has_every_key() {
    let sections = keys_of("");
    assert_eq!(sections.len(), 11, "{sections:?}");
    let example: toml::Table = EXAMPLE.parse().unwrap();
    for section in sections {
        match section.as_str() {
            "state_dir" => assert!(EXAMPLE.contains("\n# state_dir = \"")),
            "folder" => {
                let folder = &example["folder"][0];
                for key in keys_of("[[folder]]") {
                    assert!(folder.get(&key).is_some(), "folder.{key} is missing");
                }
            }
            _ => {
                for key in keys_of(&format!("[{section}]")) {
                    let value = example[&section].get(&key);
                    assert!(value.is_some(), "{section}.{key} is missing");
                }
            }
        }
    }
}

#[test]
fn the_example_fits_a_terminal() {
    assert!(EXAMPLE.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn every_key_is_obeyed() {
    let home = Home::new();
    let config = home
        .load(
            r#"
            state_dir = "../state"
            [account]
            client_secret_file = "~/secret.json"
            [api]
            endpoint = "http://127.0.0.1:4000"
            auth_url = "http://localhost:4000/auth"
            token_url = "http://[::1]:4000/token"
            revoke_url = "https://example.org/revoke"
            [[folder]]
            path = "~/P"
            album = "name: Sommer {x} "
            order = "modified"
            timezone = "Europe/Paris"
            include = ["*.jpg", "best/**"]
            exclude = ["raw/"]
            recursive = false
            follow_symlinks = true
            on_edit = "ignore"
            [[folder]]
            path = "P"
            album = "folder"
            order = "arrival"
            after_upload = "move:~/Uploaded"
            [upload]
            parallel = 12
            bandwidth = "1.5MB"
            resumable_above = "16MiB"
            chunk_size = "1MiB"
            ready_tokens = 100
            [batch]
            max_wait = "100ms"
            max_wait_backfill = "1h 30m"
            order_calls = 0
            [quota]
            requests_per_day = 50
            count_uploads = true
            writes_per_minute = 1000
            [watch]
            settle = "0s"
            rescan = "2d"
            poll = "never"
            [retry]
            server_error_base = "10ms"
            rate_limit_base = "20ms"
            max_attempts = 3
            [verify]
            after = "2h"
            "#,
        )
        .unwrap();
    let folders = vec![
        Folder {
            album: AlbumRule::Name("Sommer {x}".into()),
            order: Order::Modified,
            timezone: Timezone::Named("Europe/Paris".into()),
            include: vec!["*.jpg".into(), "best/**".into()],
            exclude: vec!["raw/".into()],
            recursive: false,
            follow_symlinks: true,
            on_edit: OnEdit::Ignore,
            ..Folder::with_defaults(home.path("P"))
        },
        Folder {
            album: AlbumRule::Folder,
            order: Order::Arrival,
            after_upload: AfterUpload::Move(home.path("Uploaded")),
            ..Folder::with_defaults(home.path("etc/P"))
        },
    ];
    let expected = Config {
        file: Some(home.path("etc/c.toml")),
        state_dir: home.path("state"),
        clock_file: None,
        crash_at: None,
        account: Account {
            client_secret_file: home.path("secret.json"),
        },
        api: Api {
            endpoint: "http://127.0.0.1:4000".parse().unwrap(),
            auth_url: "http://localhost:4000/auth".parse().unwrap(),
            token_url: "http://[::1]:4000/token".parse().unwrap(),
            revoke_url: "https://example.org/revoke".parse().unwrap(),
        },
        folders,
        upload: Upload {
            parallel: 12,
            bandwidth: 1_500_000,
            resumable_above: 16 << 20,
            chunk_size: 1 << 20,
            ready_tokens: 100,
        },
        batch: Batch {
            max_wait: Duration::from_millis(100),
            max_wait_backfill: Duration::from_mins(90),
            order_calls: 0,
        },
        quota: Quota {
            requests_per_day: 50,
            count_uploads: true,
            writes_per_minute: 1000,
            reserve: 1,
        },
        watch: Watch {
            settle: Duration::ZERO,
            rescan: Duration::from_hours(48),
            poll: Poll::Never,
        },
        retry: Retry {
            server_error_base: Duration::from_millis(10),
            rate_limit_base: Duration::from_millis(20),
            max_attempts: 3,
        },
        verify: Verify {
            after: Some(Duration::from_hours(2)),
        },
        dashboard: Dashboard { listen: None },
    };
    assert_eq!(config, expected);
}

#[test]
fn the_first_file_of_the_order_is_taken() {
    let home = Home::new();
    home.write(".config/albumen/config.toml", "state_dir = '/xdg'");
    home.write("sd/config.toml", "state_dir = '/systemd'");
    home.write("env.toml", "state_dir = '/env'");
    home.write("typed.toml", "state_dir = '/typed'");
    let mut env = home.env.clone();
    let state = |env: &Environment, file: Option<&str>| {
        let config = Config::load(file.map(Path::new), None, env).unwrap();
        config.state_dir.to_str().unwrap().to_owned()
    };
    env.configuration_directory = Some(home.path("empty"));
    assert_eq!(state(&env, None), "/xdg");
    env.configuration_directory = Some(home.path("sd"));
    assert_eq!(state(&env, None), "/systemd");
    env.albumen_config = Some("env.toml".into());
    assert_eq!(state(&env, None), "/env");
    assert_eq!(state(&env, Some("typed.toml")), "/typed");
}

#[test]
fn a_missing_file_is_an_error_only_if_it_was_named_or_is_needed() {
    let home = Home::new();
    let named = Some(Path::new("no.toml"));
    let error = Config::load_or_defaults(named, None, &home.env).unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");

    let error = Config::load(None, None, &home.env).unwrap_err().to_string();
    let searched = home.path(".config/albumen/config.toml");
    assert!(error.contains(searched.to_str().unwrap()), "{error}");
    assert!(error.contains("\nhint: `albumen init`"), "{error}");

    let defaults = Config::load_or_defaults(None, None, &home.env).unwrap();
    assert_eq!(defaults, Config::defaults(&home.env).unwrap());
    assert_eq!(defaults.file, None);
    assert_eq!(
        defaults.account.client_secret_file,
        home.path(".config/albumen/client_secret.json")
    );
}

#[test]
fn the_state_folder_is_the_typed_one_then_the_written_one_then_a_usual_one() {
    let home = Home::new();
    let file = home.write("c.toml", "state_dir = 'written'");
    let empty = home.write("e.toml", "");
    let mut env = home.env.clone();
    let state = |env: &Environment, file: &Path, typed: Option<&str>| {
        let config = Config::load(Some(file), typed.map(Path::new), env);
        config.map(|config| config.state_dir)
    };
    assert_eq!(
        state(&env, &empty, None).unwrap(),
        home.path(".local/state/albumen")
    );
    env.xdg_state_home = Some("/xdg".into());
    assert_eq!(
        state(&env, &empty, None).unwrap(),
        Path::new("/xdg/albumen")
    );
    env.state_directory = Some("/var/lib/albumen/ada".into());
    assert_eq!(
        state(&env, &empty, None).unwrap(),
        Path::new("/var/lib/albumen/ada")
    );
    assert_eq!(state(&env, &file, None).unwrap(), home.path("written"));
    assert_eq!(
        state(&env, &file, Some("typed")).unwrap(),
        home.path("typed")
    );

    let homeless = Environment::default();
    let error = Config::defaults(&homeless).unwrap_err().to_string();
    assert!(error.contains("hint: `albumen --state-dir DIR`"), "{error}");
}

#[test]
fn a_bare_secret_name_may_be_a_credential_of_the_service() {
    let home = Home::new();
    home.write("creds/client_secret.json", "{}");
    let env = Environment {
        credentials_directory: Some(home.path("creds")),
        ..home.env.clone()
    };
    let secret_of = |text: &str| {
        let file = home.write("etc/c.toml", text);
        let config = Config::load(Some(&file), None, &env).unwrap();
        config.account.client_secret_file
    };
    let credential = home.path("creds/client_secret.json");
    assert_eq!(secret_of(""), credential);
    assert_eq!(
        secret_of("account.client_secret_file = 'client_secret.json'"),
        credential
    );
    assert_eq!(
        secret_of("account.client_secret_file = 'other.json'"),
        home.path("etc/other.json")
    );
    assert_eq!(
        secret_of("account.client_secret_file = './client_secret.json'"),
        home.path("etc/client_secret.json")
    );
}

#[test]
fn the_clock_is_shifted_only_for_a_service_on_this_machine() {
    let home = Home::new();
    let env = Environment {
        albumen_clock: Some("shift".into()),
        ..home.env.clone()
    };
    assert_eq!(Config::defaults(&env).unwrap().clock_file, None);
    let file = home.write("c.toml", "api.endpoint = 'http://127.0.0.1:1'");
    let config = Config::load(Some(&file), None, &env).unwrap();
    assert_eq!(config.clock_file, Some(home.path("shift")));
}

#[test]
fn a_sandbox_has_all_four_addresses() {
    let address: SocketAddr = "127.0.0.1:4000".parse().unwrap();
    let api = Api::at(&format!("http://{address}").parse().unwrap());
    assert_eq!(api.endpoint.as_str(), "http://127.0.0.1:4000/");
    assert_eq!(
        api.auth_url.as_str(),
        "http://127.0.0.1:4000/o/oauth2/v2/auth"
    );
    assert_eq!(api.token_url.as_str(), "http://127.0.0.1:4000/token");
    assert_eq!(api.revoke_url.as_str(), "http://127.0.0.1:4000/revoke");
}
