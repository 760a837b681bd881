//! What the benches share: a sandbox in this process, the built binary beside it, and what the
//! system says of the binary's run.
#![allow(
    dead_code,
    reason = "every bench compiles this folder and uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench reports and gives up loudly"
)]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use photos_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

/// A runtime with a sandbox, folders of photos, and a state folder.
pub(crate) struct Yard {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) sandbox: Sandbox,
    dir: tempfile::TempDir,
}

/// What a run of the binary took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) wall: Duration,
    /// The largest resident set, in kB.
    pub(crate) peak_rss_kb: u64,
}

impl Yard {
    /// An empty yard; its sandbox has no limits unless `script` says so.
    pub(crate) fn new(script: &Value) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: None,
        };
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        sandbox
            .run_script(&json!({"settings": {"lifted": true}}))
            .unwrap();
        sandbox.run_script(script).unwrap();
        let yard = Self {
            runtime,
            sandbox,
            dir: tempfile::tempdir().unwrap(),
        };
        yard.new_state();
        yard
    }

    pub(crate) fn photos(&self) -> PathBuf {
        self.dir.path().join("photos")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A fresh state folder with a sign-in that the sandbox grants.
    pub(crate) fn new_state(&self) {
        let _ = fs::remove_dir_all(self.state());
        fs::create_dir_all(self.state()).unwrap();
        fs::set_permissions(self.state(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir_all(self.photos()).unwrap();
        let secret = json!({"installed": {"client_id": "bench", "client_secret": "bench",
            "redirect_uris": ["http://localhost"], "auth_uri": "x", "token_uri": "x"}});
        private(
            &self.dir.path().join("client_secret.json"),
            &secret.to_string(),
        );
        let scopes: Vec<String> = [
            "appendonly",
            "readonly.appcreateddata",
            "edit.appcreateddata",
        ]
        .iter()
        .map(|scope| format!("https://www.googleapis.com/auth/photoslibrary.{scope}"))
        .collect();
        let token = json!({"client_id": "bench", "obtained_at": "2026-01-01T00:00:00Z", "scopes": scopes,
            "refresh_token": "bench", "access_token": "", "expires_at": "2026-01-01T00:00:00Z"});
        private(&self.state().join("token.json"), &token.to_string());
    }

    /// Writes the configuration; `endpoint` is the sandbox unless another way in is given.
    pub(crate) fn configure(&self, endpoint: Option<&str>, folder: &str, rest: &str) {
        let own = self.sandbox.url();
        let (api, auth, token, revoke) = match endpoint {
            Some(api) => (
                api.to_owned(),
                "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
                "https://oauth2.googleapis.com/token".to_owned(),
                "https://oauth2.googleapis.com/revoke".to_owned(),
            ),
            None => (
                own.clone(),
                format!("{own}/o/oauth2/v2/auth"),
                format!("{own}/token"),
                format!("{own}/revoke"),
            ),
        };
        let config = format!(
            "state_dir = '{}'\n[account]\nclient_secret_file = '{}'\n\
             [api]\nendpoint = {api:?}\nauth_url = {auth:?}\ntoken_url = {token:?}\nrevoke_url = {revoke:?}\n\
             [[folder]]\npath = '{}'\n{folder}\n{rest}\n",
            self.state().display(),
            self.dir.path().join("client_secret.json").display(),
            self.photos().display()
        );
        fs::write(self.config(), config).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("config.toml")
    }

    /// A run of the binary, its output thrown away.
    pub(crate) fn run(&self, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
        self.run_to(0, arguments, env)
    }

    /// The same, for a run that shall end with this exit code.
    pub(crate) fn run_to(&self, code: i32, arguments: &[&str], env: &[(&str, &str)]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_albumen"));
        command
            .arg("-q")
            .arg("--config")
            .arg(self.config())
            .args(arguments);
        command
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        timed(command, code)
    }

    /// What the sandbox has.
    pub(crate) fn library(&self) -> Value {
        let url = format!("{}/sandbox/state", self.sandbox.url());
        self.runtime
            .block_on(async { reqwest::get(url).await.unwrap().json().await.unwrap() })
    }
}

/// Runs a command to its end, which shall have this exit code, and watches its memory.
pub(crate) fn timed(mut command: Command, wanted: i32) -> Ran {
    let since = Instant::now();
    let mut child = command.spawn().unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_rss_kb = 0;
    let status = loop {
        if let Ok(text) = fs::read_to_string(&status_file) {
            let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let high = high.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
            peak_rss_kb = high.unwrap_or(0).max(peak_rss_kb);
        }
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let ran = Ran {
        wall: since.elapsed(),
        peak_rss_kb,
    };
    assert_eq!(
        status.code(),
        Some(wanted),
        "{command:?} ended with {status}"
    );
    ran
}

/// A JPEG of about `size` bytes that differs from all with another seed.
pub(crate) fn photo(path: &Path, seed: u64, size: usize) {
    let mut bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
    bytes.extend(b"\xff\xc0\0\x11\x08\0\x1e\0\x28\x03\x01\x11\0\x02\x11\x01\x03\x11\x01");
    noise(&mut bytes, seed, size.saturating_sub(2));
    bytes.extend(b"\xff\xd9");
    fs::write(path, bytes).unwrap();
}

/// An MP4 of `size` bytes.
pub(crate) fn video(path: &Path, seed: u64, size: u64) {
    let mut file = std::io::BufWriter::with_capacity(1 << 20, fs::File::create(path).unwrap());
    file.write_all(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
        .unwrap();
    let mut left = size - 24;
    let mut chunk = Vec::new();
    noise(&mut chunk, seed, 1 << 20);
    let mut n = 0_u64;
    while left > 0 {
        chunk[..8].copy_from_slice(&n.to_be_bytes());
        let part = chunk.len().min(usize::try_from(left).unwrap());
        file.write_all(&chunk[..part]).unwrap();
        left -= part as u64;
        n += 1;
    }
    file.flush().unwrap();
}

fn noise(bytes: &mut Vec<u8>, seed: u64, size: usize) {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    while bytes.len() < size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // No 0xff: that would begin a marker.
        bytes.extend((state & 0x7f7f_7f7f_7f7f_7f7f).to_be_bytes());
    }
}

fn private(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// One line of result: what, the figure, the target.
pub(crate) fn report(what: &str, figure: &str, target: &str) {
    println!("{what}: {figure} (target: {target})");
}
