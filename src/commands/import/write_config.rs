//! What an import leaves: a configuration and a client secret file, neither over one that is there.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::gphotos_uploader::{Client, Job, Setup};
use crate::{
    commands::app::App,
    config::{Config, Environment, Folder},
    escape::Escaped,
    ui::{error_report::quoted, output},
};

/// Folders as a configuration says them, and as it is understood.
#[derive(Debug, Default)]
pub struct Written {
    /// The text of a configuration.
    pub text: String,
    /// Its folders.
    pub folders: Vec<Folder>,
    /// What is different here, in words.
    pub notes: Vec<String>,
}

/// Writes the jobs as folders. What this version would refuse is left out, and said; limits stand
/// beside what they limit, and are said too.
pub fn folders(env: &Environment, setup: &Setup) -> Written {
    let mut written = Written {
        text: "# Taken over from gphotos-uploader-cli. Patterns mean upper and lower case alike here.\n"
            .to_owned(),
        folders: Vec::new(),
        notes: Vec::new(),
    };
    for job in &setup.jobs {
        let mut job = job.clone();
        let mut text = folder(env, &job);
        if let Err(why) = understood(env, &format!("{}{text}", written.text)) {
            let rule = std::mem::replace(&mut job.album, "none".to_owned());
            job.limits = vec![format!("the album rule \"{rule}\" is not taken: {why}")];
            text = folder(env, &job);
        }
        if let Err(why) = understood(env, &format!("{}{text}", written.text)) {
            job.limits.push(format!("this folder is not taken: {why}"));
            text = comment(&folder(env, &job));
        }
        for limit in &job.limits {
            let path = Escaped::text(&job.path);
            let note = format!("{path}: {}", Escaped::text(limit));
            written.notes.push(note);
        }
        written.text.push_str(&text);
    }
    written.folders = understood(env, &written.text).unwrap_or_default();
    written
}

fn folder(env: &Environment, job: &Job) -> String {
    let path = if job.path.starts_with('~') {
        job.path.clone()
    } else {
        let path = env.typed(Path::new(&job.path));
        path.to_string_lossy().into_owned()
    };
    let quote = |text: &str| toml::Value::from(text).to_string();
    let list = |globs: &[String]| {
        let globs: Vec<_> = globs.iter().map(|glob| quote(glob)).collect();
        format!("[{}]", globs.join(", "))
    };
    let mut text = format!("\n[[folder]]\npath = {}\n", quote(&path));
    for limit in &job.limits {
        let _ = writeln!(text, "# {}", Escaped::text(limit));
    }
    let _ = writeln!(text, "album = {}", quote(&job.album));
    if !job.include.is_empty() {
        let _ = writeln!(text, "include = {}", list(&job.include));
    }
    if !job.exclude.is_empty() {
        let _ = writeln!(text, "exclude = {}", list(&job.exclude));
    }
    text.push_str("follow_symlinks = true\n");
    if job.deletes {
        text.push_str(
            "# gphotos-uploader-cli deleted each file once it was sent. Albumen does so only if you ask for it\n\
             # here, and only after it has seen the item in Google Photos:\n\
             # after_upload = \"delete\"\n",
        );
    }
    text
}

fn comment(text: &str) -> String {
    let line = |line: &str| match line {
        "" => "\n".to_owned(),
        line if line.starts_with('#') => format!("{line}\n"),
        line => format!("# {line}\n"),
    };
    text.lines().map(line).collect()
}

/// The folders of a configuration, as the program itself reads it; or why it does not, in a line.
fn understood(env: &Environment, text: &str) -> Result<Vec<Folder>, String> {
    // The first line says what; the others show where in a text that nobody has seen.
    let words = |error: &dyn std::fmt::Display| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let file = tempfile::Builder::new().suffix(".toml").tempfile();
    let mut file = file.map_err(|error| words(&error))?;
    file.write_all(text.as_bytes())
        .map_err(|error| words(&error))?;
    let config = Config::load(Some(file.path()), Some(Path::new("/")), env);
    config
        .map(|config| config.folders)
        .map_err(|error| words(&error))
}

/// Puts the client where the configuration looks for it, unless there is one.
pub(super) fn client_secret(app: &App, config: &Config, client: &Client) -> anyhow::Result<()> {
    let file = &config.account.client_secret_file;
    // The addresses are those of the files that the console hands out.
    let document = json!({"installed": {
        "client_id": client.id,
        "client_secret": client.secret.expose_secret(),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "redirect_uris": ["http://localhost"],
    }});
    match write_new(file, 0o600, &format!("{document:#}\n")) {
        Ok(()) => {
            let words = format!("the client is in {}; now run `albumen login`", quoted(file));
            app.screen.say(&words);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if is_of(file, &client.id) {
                return Ok(());
            }
            let words = format!(
                "note: {} is there already, with another client, and stays as it is; what the other client \
                 sent can only be seen with that client",
                quoted(file)
            );
            app.screen.say(&words);
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", quoted(file))),
    }
}

fn is_of(file: &Path, client_id: &str) -> bool {
    let document = fs::read(file).ok().and_then(|bytes| {
        let document: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        Some(document)
    });
    document.is_some_and(|document| {
        ["installed", "web"]
            .iter()
            .any(|kind| document[kind]["client_id"] == client_id)
    })
}

/// Prints the configuration; or writes it, if that was asked for and there is none.
pub(super) fn configuration(
    app: &App,
    config: &Config,
    text: &str,
    writes: bool,
) -> anyhow::Result<()> {
    if !writes {
        output::print(text)?;
        return Ok(());
    }
    let named = app.global.config.as_ref().map(|file| app.env.typed(file));
    let place: Option<PathBuf> = config.file.clone().or(named).or_else(|| app.env.own_file());
    let Some(file) = place else {
        app.screen.say("note: this user has no home, so a configuration has no place; `--config FILE` names one");
        output::print(text)?;
        return Ok(());
    };
    match write_new(&file, 0o644, text) {
        Ok(()) => output::print(&format!("{}\n", Escaped::path(&file)))?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let words = format!(
                "note: {} stays as it is; take over by hand what you want of this:",
                quoted(&file)
            );
            app.screen.say(&words);
            output::print(text)?;
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot write {}", quoted(&file)));
        }
    }
    Ok(())
}

fn write_new(file: &Path, mode: u32, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
