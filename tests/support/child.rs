//! The program as a process: started in a home, waited for, stopped, killed; never left behind. What
//! it said is searched for secrets once it is over, whatever the test was about.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::process::{Pid, Signal};

use super::{
    home::{LOOK, PATIENCE},
    secrets,
};

/// A process that runs; dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    what: String,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    what: String,
}

impl Running {
    /// Starts the built program with `home` as its working folder. What it says goes to files, so
    /// that no pipe can fill. `through` is what starts it in turn, if that is somebody else: a command
    /// that ends with running what follows it.
    pub(crate) fn start<S: AsRef<OsStr>>(
        home: &Path,
        through: &[&str],
        arguments: &[S],
        environment: &[(OsString, OsString)],
    ) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let logs = home.join("logs");
        fs::create_dir_all(&logs).unwrap();
        let stdout = logs.join(format!("{number}.out"));
        let stderr = logs.join(format!("{number}.err"));
        let program = env!("CARGO_BIN_EXE_albumen");
        let mut words = through.iter().copied().chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .arg("--config")
            .arg(home.join("config.toml"))
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .env("TZ", "UTC")
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .env("ALBUMEN_CLOCK", home.join("clock"))
            .stdin(Stdio::piped())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        Self {
            child: command.spawn().unwrap(),
            what: format!("{command:?}"),
            stdout,
            stderr,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types a line into it.
    pub(crate) fn types(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// What it has answered so far.
    pub(crate) fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it has said so far.
    pub(crate) fn stderr(&self) -> String {
        read(&self.stderr)
    }

    /// Waits until it has said one of these.
    pub(crate) async fn says(&self, words: &[&str]) {
        let since = tokio::time::Instant::now();
        loop {
            let said = self.stderr();
            if words.iter().any(|words| said.contains(words)) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{words:?}: never; {said}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ran {
        let since = tokio::time::Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let stuck = since.elapsed() > PATIENCE;
            assert!(!stuck, "{} does not end\n{}", self.what, self.stderr());
            tokio::time::sleep(LOOK).await;
        };
        self.ran(status)
    }

    /// Asks it to stop, as the system's service manager does, and waits for its end.
    pub(crate) async fn stop(self) -> Ran {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Kills it where it stands.
    pub(crate) fn kill(mut self) -> Ran {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        self.ran(status)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn ran(&self, status: ExitStatus) -> Ran {
        Ran {
            code: status.code(),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
            what: self.what.clone(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
        secrets::are_not_in(&self.stdout, &self.what);
        secrets::are_not_in(&self.stderr, &self.what);
    }
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.what,
            self.stdout,
            self.stderr
        );
        self
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}
