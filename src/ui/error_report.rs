//! From an error to a message, a hint and an exit code. The exit code of an error is decided only here:
//!
//! | error | exit code |
//! |---|---|
//! | configuration, state folder, set-up of this machine, impossible usage | 2 |
//! | API or Photos disabled | 2 |
//! | a sign-in or a scope is missing | 3 |
//! | another process holds the state folder and does not answer | 4 |
//! | other refusals of the service, for a command that makes a single call | 1 |
//! | [`Failure`] | the one it names |
//! | anything else: a full or broken disk, a defect | 70 |

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    config, context,
    daemon::SocketError,
    escape::Escaped,
    exit_code::ExitCode,
    lock, photos_api,
    store::{self, Saved},
};

/// An error of a command itself, with its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: ExitCode,
}

impl Failure {
    /// An error with this message.
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            code,
        }
    }

    /// Adds what the user can do.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    fn verdict(&self) -> CodeAndHint {
        (self.code, self.hint.clone())
    }
}

/// An error as it is reported to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorReport {
    /// What happened, with its causes.
    pub(crate) message: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
    /// The exit code of the process.
    pub(crate) code: ExitCode,
}

impl ErrorReport {
    /// All layers of `error` on one line, and the first hint that one of them has.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let mut message = String::new();
        for layer in error.chain() {
            let layer = layer.to_string();
            // Skip a layer that only repeats the one below it.
            if message.ends_with(&layer) {
                continue;
            }
            let separator = if message.is_empty() { "" } else { ": " };
            let _ = write!(message, "{separator}{layer}");
        }
        // A context of `anyhow` is not found by its type in the chain, only by `downcast_ref`.
        let own = error.downcast_ref::<Failure>().map(Failure::verdict);
        let (code, hint) = own
            .or_else(|| error.chain().find_map(of_layer))
            .unwrap_or((ExitCode::Internal, None));
        Self {
            message,
            hint,
            code,
        }
    }

    /// As it is printed: the message, and the hint on a line of its own.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }
}

type CodeAndHint = (ExitCode, Option<String>);

fn of_layer(layer: &(dyn std::error::Error + 'static)) -> Option<CodeAndHint> {
    if let Some(failure) = layer.downcast_ref::<Failure>() {
        return Some(failure.verdict());
    }
    if layer.is::<config::Error>() {
        // Its message includes the hint.
        return Some((ExitCode::Unusable, None));
    }
    if let Some(error) = layer.downcast_ref::<lock::Error>() {
        return Some(of_lock(error));
    }
    if let Some(error) = layer.downcast_ref::<SocketError>() {
        return Some(of_socket(error));
    }
    if let Some(error) = layer.downcast_ref::<store::Error>() {
        return of_store(error);
    }
    // `context::Error` is transparent: the store's error is not a layer of its own.
    if let Some(context::Error::Store(error)) = layer.downcast_ref::<context::Error>() {
        return of_store(error);
    }
    let error = layer.downcast_ref::<photos_api::Error>()?;
    Some((of_api(error.kind()), error.hint().map(str::to_owned)))
}

fn of_lock(error: &lock::Error) -> CodeAndHint {
    match error {
        lock::Error::Held { .. } => {
            let hint = "wait for its end, stop it, or name another folder with `--state-dir`";
            (ExitCode::StateHeld, Some(hint.to_owned()))
        }
        lock::Error::Unusable { path, source } => (ExitCode::Unusable, folder_hint(path, source)),
    }
}

fn of_socket(error: &SocketError) -> CodeAndHint {
    if error.source.kind() == io::ErrorKind::InvalidInput {
        let hint =
            "the path is too long for a socket of this system: name a shorter one with `state_dir`";
        return (ExitCode::Unusable, Some(hint.to_owned()));
    }
    (ExitCode::Internal, folder_hint(&error.path, &error.source))
}

fn of_store(error: &store::Error) -> Option<CodeAndHint> {
    let hint = match error {
        store::Error::FromTheFuture { .. } => {
            "run the newer albumen that wrote it, or name another folder with `--state-dir`"
        }
        store::Error::FromThePast { .. } => {
            "start `albumen daemon` anew, or run `albumen backfill`: either updates it"
        }
        store::Error::Lost(_) => {
            "`albumen restore` brings the backup back; `albumen rebuild` asks Google Photos instead; to \
             begin anew, move the backups away"
        }
        store::Error::KeptOnDryRun(_) => {
            let hint = format!(
                "`albumen restore` brings the newest backup back; without one run `albumen rebuild`, which keeps the \
                 damaged database as {} and changes nothing in Google Photos",
                store::BEFORE_RESTORE
            );
            return Some((ExitCode::Unusable, Some(hint)));
        }
        store::Error::Removed { saved, .. } => match saved {
            Saved::AsBackup => {
                "`albumen restore` brings it back; if it was meant to go, move the backups away as well"
            }
            Saved::InPlace => "start albumen again",
            Saved::Nothing => {
                "`albumen restore` brings the newest backup back, and without one `albumen rebuild` asks \
                 Google Photos what is there"
            }
        },
        store::Error::NoBackup(_) | store::Error::NotABackup { .. } => {
            "name another file: `albumen restore FILE`; without any, `albumen rebuild` asks Google Photos \
             what is there"
        }
        error if error.is_damage() => {
            "stop albumen; `albumen restore` brings its newest backup back, and without one `albumen rebuild` \
             asks Google Photos what is there; see whether the disk is failing"
        }
        store::Error::File { path, source } => {
            let chmod = || is_denied(source).then(|| format!("chmod 600 {}", Escaped::path(path)));
            let hint = owner_hint(path)
                .or_else(chmod)
                .or_else(|| folder_hint(path, source));
            return Some((ExitCode::Unusable, hint));
        }
        store::Error::Folder { path, source } => {
            return Some((ExitCode::Unusable, folder_hint(path, source)));
        }
        error => return of_disk(error),
    };
    Some((ExitCode::Unusable, Some(hint.to_owned())))
}

/// For an error of the database that the disk is to blame for.
fn of_disk(error: &store::Error) -> Option<CodeAndHint> {
    let (code, hint) = match store::Cause::of(error) {
        Some(store::Cause::Full) => (
            ExitCode::Internal,
            "the disk of the state folder is full: make room and start albumen again; nothing is lost",
        ),
        Some(store::Cause::ReadOnly) => (
            ExitCode::Unusable,
            "the state folder is read-only: make it writable, mount its disk anew, or name another one with \
             `--state-dir`",
        ),
        _ if error.is_transient() => (
            ExitCode::Internal,
            "see whether the disk of the state folder is full or broken; `albumen doctor` looks at it",
        ),
        _ => return None,
    };
    Some((code, Some(hint.to_owned())))
}

/// The exit code of a command that needed one call of the service and did not get it.
pub(crate) fn of_api(kind: photos_api::Kind) -> ExitCode {
    use photos_api::Kind;
    match kind {
        Kind::LoginNeeded | Kind::ScopeMissing | Kind::AccessTokenRefused => ExitCode::LoginNeeded,
        Kind::ApiDisabled | Kind::PhotosDisabled | Kind::Setup => ExitCode::Unusable,
        _ => ExitCode::SomeFailed,
    }
}

/// A path in a message, in backticks.
pub(crate) fn quoted(path: &Path) -> String {
    format!("`{}`", Escaped::path(path))
}

/// What to do about a folder in which a file cannot be created.
fn folder_hint(path: &Path, source: &io::Error) -> Option<String> {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => Some(
            "its file system is read-only: mount it anew, or name another folder with `--state-dir`"
                .to_owned(),
        ),
        io::ErrorKind::StorageFull => {
            Some("the disk is full: make room and start albumen again".to_owned())
        }
        _ => owner_hint(path).or_else(|| {
            let hint = "make it writable (`chmod u+rwx`), or name another folder with `--state-dir`";
            is_denied(source).then(|| hint.to_owned())
        }),
    }
}

/// What to do about a folder that belongs to another user; none if it belongs to this one.
pub(crate) fn owner_hint(state_dir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    // Of a folder that cannot be examined, the closest parent that can be.
    let metadata = state_dir
        .ancestors()
        .find_map(|folder| fs::metadata(folder).ok())?;
    let own = rustix::process::geteuid().as_raw();
    (metadata.uid() != own).then(|| {
        let owner = user_name(metadata.uid());
        format!("it belongs to {owner}: run albumen as that user, or name another folder with `--state-dir`")
    })
}

/// The name of a local user; `user N` if `/etc/passwd` does not list it.
pub(crate) fn user_name(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user {uid}"))
}

/// Whether a permission is missing.
pub(crate) fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The message for a state folder that this user must not read.
pub(crate) fn unreadable(state_dir: &Path) -> String {
    format!("the state folder {} may not be read", quoted(state_dir))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn report(error: impl Into<anyhow::Error>) -> ErrorReport {
        ErrorReport::of(&error.into())
    }

    #[test]
    fn causes_are_on_one_line_and_the_hint_on_its_own() {
        let error =
            photos_api::Error::new(photos_api::Kind::LoginNeeded, "nobody has signed in yet");
        let error = anyhow::Error::new(error).context("the album cannot be left");
        assert_eq!(
            ErrorReport::of(&error).text(),
            "error: the album cannot be left: a new sign-in is needed: nobody has signed in yet\n\
             hint: run `albumen login`\n"
        );
    }

    #[test]
    fn every_layer_has_its_exit_code() {
        let held = lock::Error::Held { pid: None };
        assert_eq!(report(held).code, ExitCode::StateHeld);
        let future = store::Error::FromTheFuture { found: 9, known: 1 };
        assert_eq!(report(future).code, ExitCode::Unusable);
        let past = store::Error::FromThePast { found: 1, known: 3 };
        assert_eq!(report(past).code, ExitCode::Unusable);
        assert_eq!(report(store::Error::Closed).code, ExitCode::Internal);
        let api = |kind| report(photos_api::Error::new(kind, "")).code;
        assert_eq!(api(photos_api::Kind::ScopeMissing), ExitCode::LoginNeeded);
        assert_eq!(api(photos_api::Kind::ApiDisabled), ExitCode::Unusable);
        assert_eq!(api(photos_api::Kind::PhotosDisabled), ExitCode::Unusable);
        assert_eq!(api(photos_api::Kind::Server), ExitCode::SomeFailed);
        let unknown = std::io::Error::other("it broke");
        assert_eq!(report(unknown).code, ExitCode::Internal);
    }

    #[test]
    fn a_failure_decides_also_as_the_context_of_another_error() {
        let cause = anyhow::Error::new(std::io::Error::other("gone"));
        let error = cause.context(Failure::new(ExitCode::StateHeld, "no answer").hint("wait"));
        let report = ErrorReport::of(&error.context("nothing was done"));
        assert_eq!(report.code, ExitCode::StateHeld);
        assert_eq!(
            report.text(),
            "error: nothing was done: no answer: gone\nhint: wait\n"
        );
    }

    #[test]
    fn a_layer_that_repeats_the_next_one_is_reported_once() {
        let inner: Result<(), _> = Err(Failure::new(ExitCode::Unusable, "no").hint("do"));
        let error = inner.context("no").unwrap_err();
        assert_eq!(ErrorReport::of(&error).text(), "error: no\nhint: do\n");
    }

    #[test]
    fn a_user_is_named_if_the_system_lists_it() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(4_000_123_456), "user 4000123456");
    }
}
