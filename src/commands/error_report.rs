//! From an error to words, a remedy and an exit code. The mapping is here and nowhere else:
//!
//! | error | exit code |
//! |---|---|
//! | configuration, state folder, set-up of this machine, a usage that cannot be | 2 |
//! | API or Photos disabled | 2 |
//! | a sign-in or a scope is missing | 3 |
//! | another process holds the state folder and does not take part | 4 |
//! | other refusals of the service, for a command that makes a single call | 1 |
//! | what a [`Failure`] says of itself | its own |
//! | anything else: a disk that is full or broken, a defect | 70 |

use std::{fmt::Write as _, io, path::Path};

use crate::{
    cli::ExitCode,
    config, context,
    daemon::SocketError,
    escape::Escaped,
    lock, photos_api,
    store::{self, Saved},
};

/// An error of a command itself.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Failure {
    words: String,
    hint: Option<String>,
    code: ExitCode,
}

impl Failure {
    /// An error in these words.
    pub(crate) fn new(code: ExitCode, words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            hint: None,
            code,
        }
    }

    /// The same, with what the user can do.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    fn judgement(&self) -> Judgement {
        (self.code, self.hint.clone())
    }
}

/// An error as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// What happened, with its causes.
    pub(crate) words: String,
    /// What the user can do.
    pub(crate) hint: Option<String>,
    /// How the process ends for it.
    pub(crate) code: ExitCode,
}

impl Told {
    /// How `error` is told: its layers on one line, the first remedy that one of them knows.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let mut words = String::new();
        for layer in error.chain() {
            let layer = layer.to_string();
            // A layer that only passes on the next one has said it already.
            if words.ends_with(&layer) {
                continue;
            }
            let lead = if words.is_empty() { "" } else { ": " };
            let _ = write!(words, "{lead}{layer}");
        }
        // What was added as a context is no layer of its own type in the chain.
        let own = error.downcast_ref::<Failure>().map(Failure::judgement);
        let (code, hint) = own
            .or_else(|| error.chain().find_map(judge))
            .unwrap_or((ExitCode::Internal, None));
        Self { words, hint, code }
    }

    /// The same on the terminal: the words, and the remedy on a line of its own.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.words);
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        text
    }
}

type Judgement = (ExitCode, Option<String>);

fn judge(layer: &(dyn std::error::Error + 'static)) -> Option<Judgement> {
    if let Some(failure) = layer.downcast_ref::<Failure>() {
        return Some(failure.judgement());
    }
    if layer.is::<config::Error>() {
        // It has its hint on a line of its own already.
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
    // A stage passes on what the store said, and shows only its cause in the chain.
    if let Some(context::Error::Store(error)) = layer.downcast_ref::<context::Error>() {
        return of_store(error);
    }
    let error = layer.downcast_ref::<photos_api::Error>()?;
    Some((of_api(error.kind()), error.hint().map(str::to_owned)))
}

fn of_lock(error: &lock::Error) -> Judgement {
    match error {
        lock::Error::Held { .. } => {
            let hint = "wait for its end, stop it, or name another folder with `--state-dir`";
            (ExitCode::StateHeld, Some(hint.to_owned()))
        }
        lock::Error::Unusable { path, source } => (ExitCode::Unusable, of_folder(path, source)),
    }
}

fn of_socket(error: &SocketError) -> Judgement {
    if error.source.kind() == io::ErrorKind::InvalidInput {
        let hint =
            "the path is too long for a socket of this system: name a shorter one with `state_dir`";
        return (ExitCode::Unusable, Some(hint.to_owned()));
    }
    (ExitCode::Internal, of_folder(&error.path, &error.source))
}

/// What to do about a folder in which a file cannot be made.
fn of_folder(path: &Path, source: &io::Error) -> Option<String> {
    match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => Some(
            "its file system is read-only: mount it anew, or name another folder with `--state-dir`"
                .to_owned(),
        ),
        io::ErrorKind::StorageFull => {
            Some("the disk is full: make room and start albumen again".to_owned())
        }
        _ => super::permission_hint::hint(path).or_else(|| {
            let denied = super::permission_hint::is_denied(source);
            denied.then(|| "make it writable (`chmod u+rwx`), or name another folder with `--state-dir`".to_owned())
        }),
    }
}

fn of_store(error: &store::Error) -> Option<Judgement> {
    match error {
        store::Error::FromTheFuture { .. } => {
            let hint =
                "run the newer albumen that wrote it, or name another folder with `--state-dir`";
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        store::Error::FromThePast { .. } => {
            let hint = "start `albumen daemon` anew, or run `albumen backfill`: either updates it";
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        store::Error::Lost(_) => {
            let hint = "`albumen restore` brings the backup back; `albumen rebuild` asks Google Photos instead; to \
                        begin anew, move the backups away";
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        store::Error::KeptOnDryRun(_) => {
            let hint = format!(
                "`albumen restore` brings the newest backup back; without one run `albumen rebuild`, which keeps the \
                 damaged database as {} and changes nothing in Google Photos",
                store::BEFORE_RESTORE
            );
            Some((ExitCode::Unusable, Some(hint)))
        }
        store::Error::Removed { saved, .. } => {
            let hint = match saved {
                Saved::AsBackup => {
                    "`albumen restore` brings it back; if it was meant to go, move the backups away as well"
                }
                Saved::InPlace => "start albumen again",
                Saved::Nothing => {
                    "`albumen restore` brings the newest backup back, and without one `albumen rebuild` asks \
                     Google Photos what is there"
                }
            };
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        store::Error::NoBackup(_) | store::Error::NotABackup { .. } => {
            let hint = "name another file: `albumen restore FILE`; without any, `albumen rebuild` asks Google Photos \
                        what is there";
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        error if error.is_damage() => {
            let hint = "stop albumen; `albumen restore` brings its newest backup back, and without one `albumen rebuild` \
                        asks Google Photos what is there; see whether the disk is failing";
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        store::Error::File { path, source } => {
            let of_another = super::permission_hint::hint(path);
            let hint = of_another.or_else(|| {
                if super::permission_hint::is_denied(source) {
                    Some(format!("chmod 600 {}", Escaped::path(path)))
                } else {
                    of_folder(path, source)
                }
            });
            Some((ExitCode::Unusable, hint))
        }
        store::Error::Folder { path, source } => {
            Some((ExitCode::Unusable, of_folder(path, source)))
        }
        error if store::Cause::of(error) == Some(store::Cause::Full) => {
            let hint = "the disk of the state folder is full: make room and start albumen again; nothing is lost";
            Some((ExitCode::Internal, Some(hint.to_owned())))
        }
        error if store::Cause::of(error) == Some(store::Cause::ReadOnly) => {
            let hint = "the state folder is read-only: make it writable, mount its disk anew, or name another one with \
                        `--state-dir`";
            Some((ExitCode::Unusable, Some(hint.to_owned())))
        }
        error if error.is_transient() => {
            let hint = "see whether the disk of the state folder is full or broken; `albumen doctor` looks at it";
            Some((ExitCode::Internal, Some(hint.to_owned())))
        }
        _ => None,
    }
}

/// The exit code of a call of the service that a command needed and did not get.
pub(crate) fn of_api(kind: photos_api::Kind) -> ExitCode {
    match kind {
        photos_api::Kind::LoginNeeded
        | photos_api::Kind::ScopeMissing
        | photos_api::Kind::AccessTokenRefused => ExitCode::LoginNeeded,
        photos_api::Kind::ApiDisabled
        | photos_api::Kind::PhotosDisabled
        | photos_api::Kind::Setup => ExitCode::Unusable,
        _ => ExitCode::SomeFailed,
    }
}

/// A path in a message, in backticks.
pub(crate) fn quoted(path: &Path) -> String {
    format!("`{}`", Escaped::path(path))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn told(error: impl Into<anyhow::Error>) -> Told {
        Told::of(&error.into())
    }

    #[test]
    fn causes_stand_on_one_line_and_the_remedy_on_its_own() {
        let error =
            photos_api::Error::new(photos_api::Kind::LoginNeeded, "nobody has signed in yet");
        let error = anyhow::Error::new(error).context("the album cannot be left");
        assert_eq!(
            Told::of(&error).text(),
            "error: the album cannot be left: a new sign-in is needed: nobody has signed in yet\n\
             hint: run `albumen login`\n"
        );
    }

    #[test]
    fn every_layer_has_its_exit_code() {
        let held = lock::Error::Held { pid: None };
        assert_eq!(told(held).code, ExitCode::StateHeld);
        let future = store::Error::FromTheFuture { found: 9, known: 1 };
        assert_eq!(told(future).code, ExitCode::Unusable);
        let past = store::Error::FromThePast { found: 1, known: 3 };
        assert_eq!(told(past).code, ExitCode::Unusable);
        assert_eq!(told(store::Error::Closed).code, ExitCode::Internal);
        let api = |kind| told(photos_api::Error::new(kind, "")).code;
        assert_eq!(api(photos_api::Kind::ScopeMissing), ExitCode::LoginNeeded);
        assert_eq!(api(photos_api::Kind::ApiDisabled), ExitCode::Unusable);
        assert_eq!(api(photos_api::Kind::PhotosDisabled), ExitCode::Unusable);
        assert_eq!(api(photos_api::Kind::Server), ExitCode::SomeFailed);
        let unknown = std::io::Error::other("it broke");
        assert_eq!(told(unknown).code, ExitCode::Internal);
    }

    #[test]
    fn a_failure_counts_also_where_it_is_the_context_of_another_error() {
        let cause = anyhow::Error::new(std::io::Error::other("gone"));
        let error = cause.context(Failure::new(ExitCode::StateHeld, "no answer").hint("wait"));
        let told = Told::of(&error.context("nothing was done"));
        assert_eq!(told.code, ExitCode::StateHeld);
        assert_eq!(
            told.text(),
            "error: nothing was done: no answer: gone\nhint: wait\n"
        );
    }

    #[test]
    fn what_is_passed_on_is_said_once() {
        let inner: Result<(), _> = Err(Failure::new(ExitCode::Unusable, "no").hint("do"));
        let error = inner.context("no").unwrap_err();
        assert_eq!(Told::of(&error).text(), "error: no\nhint: do\n");
    }
}
