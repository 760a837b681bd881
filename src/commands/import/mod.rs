//! `albumen import`: what another uploader knows, taken over.
//!
//! - [`gphotos_uploader`] (in [`hjson`], with its [`patterns`]) and [`rclone`] — their configurations.
//! - [`tracker`] — the database in which the first keeps what it has sent.
//! - [`mark_uploaded`] — what of that is still true, recorded, so that it does not go up again.
//! - [`write_config`] — a configuration and a client secret file, neither of which is ever overwritten.
//!
//! Nothing of the other uploader is changed. The configuration goes to stdout, words to stderr. What reads
//! the files of others is public, so that it can be fed with what nobody would write.

pub mod gphotos_uploader;
mod hjson;
mod mark_uploaded;
mod patterns;
pub mod rclone;
pub mod tracker;
pub mod write_config;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;

use crate::{
    cli::{FromGphotosUploader, FromRclone, Import},
    config::{self, Config},
    daemon::clients,
    escape::Escaped,
    exit_code::ExitCode,
    lock::Lock,
    status::format,
    store::Store,
};

use super::app::App;
use crate::ui::error_report::{Failure, quoted};
use mark_uploaded::Tally;

/// The largest configuration that is read, in bytes; real ones have a few hundred.
const MAX_CONFIG: u64 = 1 << 20;

/// Takes over from another uploader.
pub(crate) async fn run(app: &App, from: &Import) -> anyhow::Result<ExitCode> {
    match from {
        Import::GphotosUploaderCli(flags) => from_gphotos_uploader(app, flags).await,
        Import::Rclone(flags) => from_rclone(app, flags),
    }
}

async fn from_gphotos_uploader(app: &App, flags: &FromGphotosUploader) -> anyhow::Result<ExitCode> {
    let dir = app.env.typed(&flags.dir);
    let (file, text) = read_first(&["config.hjson", "config.json"].map(|name| dir.join(name)))?;
    let setup = gphotos_uploader::parse(&text).map_err(|why| {
        let words = format!("{} cannot be understood: {why}", quoted(&file));
        let hint = "see whether gphotos-uploader-cli itself accepts it";
        Failure::new(ExitCode::Unusable, words).hint(hint)
    })?;
    for note in &setup.notes {
        app.screen.say(&format!("note: {}", Escaped::text(note)));
    }
    let config = config(app)?;
    let written = write_config::folders(&app.env, &setup);
    for note in &written.notes {
        app.screen.say(&format!("note: {note}"));
    }
    let lock = Lock::take(&config.state_dir)?;
    if let Some(client) = &setup.client {
        write_config::client_secret(app, &config, client)?;
    } else {
        app.screen
            .say("note: it names no client id and secret of its own, so none is taken over");
    }
    let tally = if let Some(found) = tracker::find(&dir) {
        record(app, &config, &written.folders, found, flags.trust_times).await?
    } else {
        let words = "note: there is no file tracker in it, so nothing is known to be sent";
        app.screen.say(words);
        Tally::default()
    };
    drop(lock);
    tell(app, tally);
    write_config::configuration(app, &config, &written.text, flags.write)?;
    Ok(ExitCode::Done)
}

/// Records what the tracker says, as far as it is still true.
async fn record(
    app: &App,
    config: &Config,
    folders: &[config::Folder],
    found: PathBuf,
    trust_times: bool,
) -> anyhow::Result<Tally> {
    let store = Store::open(&config.state_dir).context("cannot open the database")?;
    let tracked = tokio::task::spawn_blocking(move || tracker::read(&found)).await?;
    let tally = match tracked {
        Ok(tracked) => {
            let all = config.folders.iter().chain(folders).cloned();
            let now = clients::clock(config).now();
            let cwd = app.env.typed(Path::new(""));
            mark_uploaded::record(&store, all, tracked, &cwd, trust_times, now).await
        }
        Err(error) => Err(error),
    };
    store.close().await;
    tally
}

fn tell(app: &App, tally: Tally) {
    let told = [
        (tally.taken, "will not go up again: sent before"),
        (tally.known, "known to Albumen already"),
        (tally.changed, "changed since then: will go up"),
        (tally.gone, "in the tracker, and not there any more"),
        (tally.unreadable, "not to be read"),
        (tally.left_out, "left out by the rules of the folder"),
        (tally.outside, "in no folder of the configuration"),
    ];
    for (n, what) in told {
        if n > 0 {
            app.screen.say(&format!("{} {what}", format::files(n)));
        }
    }
    if tally.taken > 0 {
        app.screen.say(
            "`albumen login` with the same client, then `albumen rebuild`, finds their media items",
        );
    }
}

/// The configuration, or the defaults. One that is named and not there yet is where `--write` writes.
fn config(app: &App) -> Result<Config, config::Error> {
    let named = app.global.config.as_ref().map(|file| app.env.typed(file));
    let Some(file) = named.filter(|file| std::fs::metadata(file).is_err_and(|it| is_missing(&it)))
    else {
        return app.config_or_defaults().map(Arc::unwrap_or_clone);
    };
    let mut config = Config::defaults(&app.env)?;
    let name = config.account.client_secret_file.file_name();
    if let (Some(folder), Some(name)) = (file.parent(), name) {
        config.account.client_secret_file = folder.join(name);
    }
    if let Some(typed) = &app.global.state_dir {
        config.state_dir = app.env.typed(typed);
    }
    Ok(config)
}

fn from_rclone(app: &App, flags: &FromRclone) -> anyhow::Result<ExitCode> {
    let usual = rclone::usual_files(&app.env);
    let files = match &flags.from {
        Some(file) => vec![app.env.typed(file)],
        None => usual,
    };
    let (file, text) = read_first(&files)?;
    let remote =
        rclone::parse(&text, flags.remote.as_deref()).map_err(|refusal| refusal.in_file(&file))?;
    let config = config(app)?;
    for note in remote.notes() {
        app.screen.say(&format!("note: {note}"));
    }
    write_config::client_secret(app, &config, &remote.client)?;
    write_config::configuration(app, &config, &remote.configuration(), flags.write)?;
    Ok(ExitCode::Done)
}

/// The first of `files` that is there, with its text.
fn read_first(files: &[PathBuf]) -> anyhow::Result<(PathBuf, String)> {
    use std::io::Read as _;
    for file in files {
        match std::fs::File::open(file) {
            Ok(opened) => {
                let mut text = String::new();
                opened
                    .take(MAX_CONFIG)
                    .read_to_string(&mut text)
                    .map_err(|error| unreadable(file, &error))?;
                return Ok((file.clone(), text));
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(unreadable(file, &error).into()),
        }
    }
    let names: Vec<String> = files.iter().map(|file| quoted(file)).collect();
    let words = format!("there is no {}", names.join(" and no "));
    let hint = "name the place where the other uploader has its configuration";
    Err(Failure::new(ExitCode::Unusable, words).hint(hint).into())
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let words = format!("{} cannot be read: {error}", quoted(file));
    Failure::new(ExitCode::Unusable, words)
}
