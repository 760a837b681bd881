//! Disks that make trouble: a small one that fills up, and a faulty one under a single process.

#![allow(clippy::print_stderr, reason = "a test that is left out says so")]

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::home::Home;

/// Set in a test that was started again with mounts of its own.
const OWN_MOUNTS: &str = "ALBUMEN_TEST_OWN_MOUNTS";

/// Errors as the system numbers them (`errno.h` of Linux).
pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const EROFS: i32 = 30;

/// Whether this process may mount. Where it may not, the test named `name` is run once more where it
/// may, in a user namespace; where that cannot be had either, it says so and is left out.
pub(crate) fn may_mount(name: &str) -> bool {
    if rustix::process::geteuid().is_root() && try_mount() {
        return true;
    }
    if env::var_os(OWN_MOUNTS).is_some() || !quiet(Command::new("unshare").args(["-Urm", "true"])) {
        eprintln!("{name} is left out: nothing can be mounted here");
        return false;
    }
    let again = Command::new("unshare")
        .arg("-Urm")
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(OWN_MOUNTS, "1")
        .status();
    assert!(again.unwrap().success(), "{name}, with mounts of its own");
    false
}

fn try_mount() -> bool {
    let dir = tempfile::tempdir().unwrap();
    Disk::mount(dir.path(), 1).is_some()
}

fn quiet(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A small disk; dropping it takes it off.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts a disk of so many MiB over a folder.
    fn mount(at: &Path, mib: u32) -> Option<Self> {
        let mut command = Command::new("mount");
        let options = format!("size={mib}m,mode=700");
        command
            .args(["-t", "tmpfs", "-o", &options, "none"])
            .arg(at);
        quiet(&mut command).then(|| Self(at.to_owned()))
    }

    /// Puts the state folder of a home on a disk of so many MiB.
    pub(crate) fn under_state(home: &Home, mib: u32) -> Self {
        let disk = Self::mount(&home.path("state"), mib).unwrap();
        home.sign_in("the first");
        disk
    }

    /// A new disk, mounted over a folder of a home.
    pub(crate) fn over(home: &Home, folder: &str) -> Self {
        Self::mount(&home.path(folder), 8).unwrap()
    }

    /// Mounts what a folder of a home shows over another one, too.
    pub(crate) fn shown_at(home: &Home, folder: &str, at: &str) -> Self {
        let disk = Self(home.path(at));
        let mut command = Command::new("mount");
        command.arg("--bind").arg(home.path(folder)).arg(&disk.0);
        assert!(quiet(&mut command), "{command:?}");
        disk
    }

    /// Puts the state folder of a home on a file system as real disks have it, in a file beside it; none
    /// where there is no such thing.
    pub(crate) fn of_ext4(home: &Home, mib: u64) -> Option<Self> {
        let image = home.path("image");
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        if !quiet(Command::new("mkfs.ext4").arg("-q").arg(&image)) {
            return None;
        }
        let disk = Self(home.path("state"));
        disk.mounted(&image).then(|| {
            home.sign_in("the first");
            disk
        })
    }

    fn mounted(&self, image: &Path) -> bool {
        let mut command = Command::new("mount");
        quiet(command.args(["-o", "loop"]).arg(image).arg(&self.0))
            && fs::set_permissions(&self.0, PermissionsExt::from_mode(0o700)).is_ok()
    }

    /// Takes it off and mounts it anew; nobody may use it.
    pub(crate) fn mount_anew(&self) {
        let image = self.0.with_file_name("image");
        assert!(quiet(Command::new("umount").arg(&self.0)));
        assert!(self.mounted(&image));
    }

    /// Leaves so many KiB free and no more.
    pub(crate) fn fill(&self, but_kib: usize) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        let page = [1_u8; 4096];
        while ballast.write_all(&page).is_ok() {}
        let len = ballast.metadata().unwrap().len();
        let left = len.saturating_sub(but_kib as u64 * 1024);
        ballast.set_len(left).unwrap();
    }

    /// Makes room again.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }

    /// Makes it read-only, or writable again; nobody may have a file of it open for writing.
    pub(crate) fn remount(&self, how: &str) {
        let mut command = Command::new("mount");
        command.args(["-o", &format!("remount,{how}")]).arg(&self.0);
        assert!(quiet(&mut command), "{command:?}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        quiet(Command::new("umount").arg("-l").arg(&self.0));
    }
}

/// A faulty disk under the program of a home.
pub(crate) struct Shim {
    rules: PathBuf,
    shadow: PathBuf,
}

impl Shim {
    /// Builds it, and has every program that is started from now on run with it; none where there is
    /// no compiler.
    pub(crate) fn under(home: &mut Home) -> Option<Self> {
        let library = home.path("shim.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-w", "-o"]);
        compiler.arg(&library).arg(source).arg("-ldl");
        if !quiet(&mut compiler) {
            eprintln!("left out: there is no C compiler here");
            return None;
        }
        let shim = Self {
            rules: home.path("rules"),
            shadow: home.path("shadow"),
        };
        fs::create_dir(&shim.shadow).unwrap();
        shim.rules(&[]);
        for (key, value) in [
            ("LD_PRELOAD", &library),
            ("SHIM_RULES", &shim.rules),
            ("SHIM_SHADOW", &shim.shadow),
        ] {
            home.environment.push((key.into(), value.into()));
        }
        Some(shim)
    }

    /// From now on these calls fail so on files whose path contains a word.
    pub(crate) fn rules(&self, rules: &[(&str, i32, &str)]) {
        let lines = rules
            .iter()
            .map(|(op, errno, word)| format!("{op} {errno} {word}\n"));
        let new = self.rules.with_extension("new");
        fs::write(&new, lines.collect::<String>()).unwrap();
        fs::rename(new, &self.rules).unwrap();
    }

    /// Leaves of the database what a power cut would leave at least: what was synced. The program
    /// must be dead.
    pub(crate) fn cut_power(&self, home: &Home) {
        for name in ["albumen.db", "albumen.db-wal", "albumen.db-shm"] {
            let file = home.path("state").join(name);
            let synced = self.shadow.join(name);
            if synced.exists() {
                fs::copy(&synced, &file).unwrap();
                fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
            } else if file.exists() {
                fs::remove_file(&file).unwrap();
            }
        }
    }
}

/// What a process uses, as `/proc` says.
pub(crate) struct Usage(u32);

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        Self(pid)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0)).unwrap()
    }

    /// Time on a processor, in hundredths of a second (`USER_HZ`; `proc(5)`).
    pub(crate) fn cpu(&self) -> u64 {
        let stat = self.read("stat");
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        // The 14th and 15th of all, the 12th and 13th after the name.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Open files.
    pub(crate) fn handles(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0))
            .unwrap()
            .count()
    }

    /// Resident memory in kB.
    pub(crate) fn rss(&self) -> u64 {
        let status = self.read("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }
}
