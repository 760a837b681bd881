//! The state folder: whose it is, what is in it, and whether it has room.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{fs::Access, io::Errno};

use crate::{
    config::{Config, Environment},
    daemon::clients,
    escape::Escaped,
    status::format,
    store,
    ui::error_report::{ErrorReport, owner_hint, user_name},
};

use super::{super::read_state, Finding, Verdict};

/// Bytes that should be free beside the database: it grows by about a GB with a million files.
const ROOM: u64 = 500_000_000;

/// Where the unit of the system keeps state (`systemd/system/albumen@.service`).
const OF_THE_SYSTEM: &str = "/var/lib/albumen";

/// Checks the state folder.
pub(super) fn check(config: &Config, env: &Environment) -> Vec<Finding> {
    let mut findings = vec![folder(&config.state_dir)];
    if findings.iter().all(|found| found.verdict != Verdict::Fault) {
        findings.extend(files(&config.state_dir));
        let file = config.state_dir.join(store::FILE_NAME);
        // What may not be read is no damage.
        if rustix::fs::access(file, Access::READ_OK) != Err(Errno::ACCESS) {
            findings.push(database(config));
        }
    }
    findings.extend(room(&config.state_dir));
    findings.extend(another(config, env));
    findings
}

fn folder(dir: &Path) -> Finding {
    let shown = Escaped::path(dir);
    let metadata = match fs::read_dir(dir).and_then(|_| fs::metadata(dir)) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::good("state", format!("{shown} will be made when it is needed"));
        }
        Err(error) => {
            let remedy = owner_hint(dir);
            let remedy = remedy.unwrap_or_else(|| "see who may read it".to_owned());
            return Finding::fault("state", format!("{shown} cannot be used: {error}"), remedy);
        }
    };
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us {
        let whose = user_name(metadata.uid());
        return Finding::fault(
            "state",
            format!("{shown} belongs to {whose}"),
            format!("run albumen as {whose}, or name another folder with `state_dir`"),
        );
    }
    if let Err(error) = rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK) {
        let words =
            format!("{shown} cannot be written to, and all that is remembered is kept there");
        let remedy = match error {
            Errno::ROFS => "its file system is read-only: mount it anew".to_owned(),
            _ => format!("chmod 700 {shown}"),
        };
        return Finding::fault("state", words, remedy);
    }
    if metadata.mode() & 0o077 != 0 {
        return Finding::note(
            "state",
            format!("{shown} is open to others of this machine"),
            format!("chmod 700 {shown}; the daemon does it when it starts"),
        );
    }
    Finding::good("state", shown.to_string())
}

/// Files that others can read, and files that we cannot write; the socket belongs to the user whose process runs.
fn files(dir: &Path) -> Vec<Finding> {
    let Ok(entries) = fs::read_dir(dir) else {
        // The folder is a finding already.
        return Vec::new();
    };
    let mut wide = Vec::new();
    let mut closed = Vec::new();
    for entry in entries.flatten() {
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        if metadata.mode() & 0o077 != 0 {
            wide.push(path.clone());
        }
        if rustix::fs::access(&path, Access::READ_OK | Access::WRITE_OK) == Err(Errno::ACCESS) {
            closed.push(path);
        }
    }
    wide.sort_unstable();
    closed.sort_unstable();
    let mut findings: Vec<Finding> = closed.iter().map(|path| not_ours(path)).collect();
    let is_token = |path: &PathBuf| path.ends_with(clients::TOKEN_FILE);
    if let Some(token) = wide.iter().find(|path| is_token(path)) {
        let shown = Escaped::path(token);
        findings.push(Finding::fault(
            "state",
            format!("{shown} can be read by others of this machine, so it is not used"),
            format!(
                "if nobody could have copied it: chmod 600 {shown}; otherwise `albumen logout` and `albumen login`"
            ),
        ));
    }
    wide.retain(|path| !is_token(path));
    if let Some(first) = wide.first() {
        let others = match wide.len() as u64 - 1 {
            0 => String::new(),
            n => format!(" and {}", format::count(n, "other file", "other files")),
        };
        findings.push(Finding::note(
            "state",
            format!(
                "{}{others} of it can be read by whoever gets into the folder",
                Escaped::path(first)
            ),
            format!("chmod 600 {}", shown_all(&wide)),
        ));
    }
    findings
}

fn not_ours(path: &Path) -> Finding {
    let shown = Escaped::path(path);
    let remedy = owner_hint(path).unwrap_or_else(|| format!("chmod 600 {shown}"));
    Finding::fault(
        "state",
        format!("{shown} may not be read and written"),
        remedy,
    )
}

fn shown_all(paths: &[PathBuf]) -> String {
    let shown: Vec<String> = paths
        .iter()
        .map(|path| Escaped::path(path).to_string())
        .collect();
    shown.join(" ")
}

fn database(config: &Config) -> Finding {
    let checked = read_state::reader(config).and_then(|reader| match reader {
        Some(reader) => Ok(Some(reader.check()?)),
        None => Ok(None),
    });
    match checked {
        Ok(None) => Finding::good("database", "there is none yet; the first run makes it"),
        Ok(Some(faults)) if faults.is_empty() => Finding::good("database", "it is whole"),
        Ok(Some(faults)) => Finding::fault(
            "database",
            format!("it is damaged: {}", faults.join("; ")),
            "stop albumen, then `albumen restore` brings its newest backup back; see whether the disk is failing",
        ),
        Err(error) => {
            let told = ErrorReport::of(&error);
            let remedy = told
                .hint
                .unwrap_or_else(|| "see whether the disk is full or broken".to_owned());
            Finding::fault("database", told.message, remedy)
        }
    }
}

/// Room on the disk of the state folder, or of the folder in which it will be made.
fn room(dir: &Path) -> Option<Finding> {
    let there = dir.ancestors().find(|folder| folder.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let words = format!("{} free beside the state folder", format::bytes(free));
    Some(if free >= ROOM {
        Finding::good("disk", words)
    } else {
        let remedy = "make room: a full disk stops the queue, though nothing is lost by it";
        Finding::fault("disk", words, remedy)
    })
}

/// A second state folder of the same user knows nothing of what the first one uploaded.
fn another(config: &Config, env: &Environment) -> Option<Finding> {
    let own = env.usual_state_dir();
    let of_unit = env
        .home
        .as_ref()
        .and_then(|home| Some(Path::new(OF_THE_SYSTEM).join(home.file_name()?)));
    let used = config.state_dir.canonicalize().ok();
    let other = [own, of_unit].into_iter().flatten().find(|dir| {
        // One that cannot be looked into is the other user's business.
        *dir != config.state_dir
            && dir.canonicalize().ok() != used
            && dir.join(store::FILE_NAME).exists()
    })?;
    let shown = Escaped::path(&other);
    Some(Finding::note(
        "state",
        format!("there is a second state folder with a database: {shown}"),
        format!(
            "unless it is of another account, use one for commands and service: state_dir = \"{shown}\""
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_state_folder_that_is_missing_is_fine_and_an_open_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let missing = folder(&dir.path().join("state"));
        assert_eq!(missing.verdict, Verdict::Good);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let open = folder(dir.path());
        assert_eq!(open.verdict, Verdict::Note);
        assert!(open.remedy.unwrap().contains("chmod 700"));
    }

    #[test]
    fn a_token_file_that_others_can_read_is_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(clients::TOKEN_FILE);
        fs::write(&file, "{}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(files(dir.path())[0].verdict, Verdict::Fault);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(files(dir.path()), []);
        let lock = dir.path().join(crate::lock::FILE_NAME);
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
        let [note] = &files(dir.path())[..] else {
            panic!("one note")
        };
        assert_eq!(note.verdict, Verdict::Note);
    }
}
