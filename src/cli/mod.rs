//! The command line: the commands, their flags and their help, which are the doc comments here.
//!
//! `main` calls [`parse`] and passes the [`Invocation`] to `commands`; completions and the man page are
//! generated from [`definition`]. Wrong usage is an error of clap, with exit code 2.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{
    ArgAction, Args, CommandFactory as _, Parser, Subcommand, ValueEnum, ValueHint,
    builder::{Styles, styling::AnsiColor},
    error::ErrorKind,
};
use clap_complete::Shell;
use tracing::level_filters::LevelFilter;

use crate::exit_code::ExitCode;

/// A parsed command line.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The flags of every command.
    pub global: Global,
    /// The command.
    pub command: Command,
}

/// Flags that every command takes, before or after its name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file, instead of the one in the usual place
    ///
    /// Without it: $ALBUMEN_CONFIG, $CONFIGURATION_DIRECTORY/config.toml, or
    /// $XDG_CONFIG_HOME/albumen/config.toml (usually ~/.config/albumen/config.toml).
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,

    /// Where queue, memory and login are kept, instead of `state_dir` of the configuration
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<PathBuf>,

    /// Say more about what happens; twice for every detail
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// Say only what needs attention
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// How messages are written to stderr: text or json
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    #[arg(hide_possible_values = true)]
    pub log_format: LogFormat,
}

impl Global {
    /// The log level; `default` applies without a flag, and each `-v` raises it by one.
    pub fn log_level(&self, default: LevelFilter) -> LevelFilter {
        const LADDER: [LevelFilter; 4] = [
            LevelFilter::WARN,
            LevelFilter::INFO,
            LevelFilter::DEBUG,
            LevelFilter::TRACE,
        ];
        let from = LADDER.into_iter().position(|level| level == default);
        let step = from.unwrap_or(0) + usize::from(self.verbose);
        if self.quiet {
            LevelFilter::WARN
        } else {
            *LADDER.get(step).unwrap_or(&LevelFilter::TRACE)
        }
    }
}

/// The format of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line of words for each
    Text,
    /// A line of JSON for each
    Json,
}

/// A command with its own flags.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Watch the folders and upload what is new, until stopped
    ///
    /// This is what the systemd unit runs. It stops on SIGTERM or SIGINT (Ctrl-C) and loses nothing:
    /// what was under way goes on at the next start.
    Daemon,

    /// Upload everything that is not yet there, then exit
    ///
    /// It scans once, uploads what is missing, and exits when nothing is left to do. It can be
    /// interrupted and repeated at any time; what is already there costs no request. Beside a
    /// running daemon it hands the work over and follows it to the end.
    Backfill(Backfill),

    /// Show what is done, what is queued, what is waited for and why
    ///
    /// It can be asked at any time, beside a running daemon or without one, and changes nothing.
    Status(Status),

    /// Ask the service for everything that went up; report what is gone
    ///
    /// Exit code 1 says that some are missing; `albumen retry --all` uploads those again.
    Verify,

    /// Put failed or missing items back into the queue
    Retry(Retry),

    /// Make a lost database again, from folders and service
    ///
    /// It lists what this client made, and finds files again by name, time taken and dimensions, where
    /// that is sure; albums are taken over. What is not sure goes up again at the next backfill, and
    /// Google Photos makes no second item of it. A file that was edited since under the same name, time
    /// and dimensions cannot be told from the one that went up. It can be interrupted and repeated, and
    /// needs the state folder for itself: stop the daemon first.
    Rebuild {
        /// Only say what would be found again; the requests that this takes are counted
        #[arg(long)]
        dry_run: bool,
    },

    /// Take over from another uploader
    #[command(subcommand)]
    Import(Import),

    /// Say whether a file would go up, where to, or which rule stops it
    Explain {
        /// The file, whether it exists or not
        #[arg(value_hint = ValueHint::FilePath)]
        path: PathBuf,
    },

    /// List the albums, their items, and how many stand out of order
    Albums,

    /// Change what is in an album
    #[command(subcommand)]
    Album(Album),

    /// Leave shared albums
    #[command(subcommand)]
    Shared(Shared),

    /// Let Albumen into your Google Photos, in your browser
    ///
    /// Needs the client secret file of the Cloud console; asks only for what Albumen itself adds.
    Login {
        /// Print the address instead of opening a browser: forward its port, or paste where it ends
        #[arg(long)]
        no_browser: bool,
        /// Take over the token file of a sign-in with the same OAuth client on another machine
        #[arg(long, value_name = "FILE", conflicts_with = "no_browser")]
        from: Option<PathBuf>,
        /// Go on with another OAuth client than the one that filled the library; albums are made again
        #[arg(long)]
        new_client: bool,
    },

    /// Give the access back and forget it; the queue stays
    Logout,

    /// Check the whole setup, with a remedy for each finding
    ///
    /// It looks at the configuration, the folders, the limits of the system, the database, the clock
    /// and the login.
    Doctor,

    /// Serve a stand-in for the service, with a gallery page
    ///
    /// For trying things out and for tests. It speaks the Library API on this machine only, breaks off
    /// and refuses when told to, and keeps a list of the rules that were broken.
    Sandbox(Sandbox),

    /// See it work without an account: upload into a stand-in
    ///
    /// The pictures go into a sandbox on this machine, with a gallery to look at. Nothing leaves this
    /// machine, and nothing is kept when it ends.
    Try {
        /// Folders or files to take there
        #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
    },

    /// Bring the database back from one of its daily backups
    Restore {
        /// The backup, or else the newest one that is whole; the present database is kept
        file: Option<PathBuf>,
    },

    /// Write a configuration, every key explained, if there is none
    Init,

    /// Print the completions of a shell
    ///
    /// For bash: albumen completions bash > ~/.local/share/bash-completion/completions/albumen
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the manual page
    ///
    /// To read it: albumen man | man -l -
    Man,
}

/// `albumen backfill`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Backfill {
    /// Folders or files to take; without any, all folders of the configuration
    ///
    /// What lies in a folder of the configuration follows its rules. Anything else goes up without
    /// album, and is not watched later.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Do not sit out long waits: exit with code 5 and keep the queue
    ///
    /// A wait is long if it takes more than 60 seconds, or nobody knows when it ends: the end of the
    /// day's quota, for example.
    #[arg(long)]
    pub no_wait: bool,

    /// Only say what would go up, where to, in how many requests and days
    #[arg(long)]
    pub dry_run: bool,
}

/// `albumen status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Status {
    /// Print it as JSON, for programs
    #[arg(long)]
    pub json: bool,

    /// Stay and show what changes, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

/// `albumen retry`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(
    override_usage = "albumen retry [OPTIONS] <PATH>...\n       albumen retry [OPTIONS] --all"
)]
pub struct Retry {
    /// Everything that failed or is missing
    #[arg(long, conflicts_with = "paths", required_unless_present = "paths")]
    pub all: bool,

    /// Only these files, or what is below these folders
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
}

/// `albumen album`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Album {
    /// Take items out of an album; they stay in the library
    ///
    /// It shows what it would do, and does it only with --yes. The service can delete no picture:
    /// that is left to you, in Google Photos.
    Remove(AlbumRemove),
}

/// `albumen album remove`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(
    override_usage = "albumen album remove [OPTIONS] <ALBUM> <PATH>...\n       \
                            albumen album remove [OPTIONS] --held"
)]
pub struct AlbumRemove {
    /// The title of the album, or its id
    #[arg(required_unless_present = "held")]
    pub album: Option<String>,

    /// The files whose items leave the album
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required_unless_present = "held")]
    pub paths: Vec<PathBuf>,

    /// Do it, instead of only showing it
    #[arg(long)]
    pub yes: bool,

    /// What was held back because so many files were gone at once
    #[arg(long, conflicts_with_all = ["album", "paths"])]
    pub held: bool,
}

/// `albumen shared`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Shared {
    /// Leave a shared album, where the service still can
    ///
    /// Google retired this in March 2025 and refuses it since: leave the album in the app instead.
    Leave {
        /// The share token of the album
        token: String,
    },
}

/// `albumen import`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Import {
    /// Take over its folders, client and file tracker
    ///
    /// It prints a configuration for the same folders, puts the client id and secret where Albumen looks
    /// for them, and remembers every file that was sent and still is what it was, so that nothing of it
    /// goes up again. Each such file is read once and held against the checksum of the tracker.
    ///
    /// What it cannot do: the tracker knows no media items, so albums of what was sent stay as they are,
    /// and `albumen verify` cannot ask for it. `albumen rebuild` finds most of them, after a login with
    /// the same client. The login itself is not taken over. Album templates with functions or times of
    /// day, and patterns that Albumen has no counterpart for, are named and left to you. Nothing of
    /// gphotos-uploader-cli is changed.
    GphotosUploaderCli(FromGphotosUploader),

    /// Take over the client of a remote for Google Photos
    ///
    /// It puts the client id and secret where Albumen looks for them. More is not to be had: rclone
    /// keeps no list of what it sent, and no list of folders. What it sent with a client of your own,
    /// `albumen rebuild` finds after a login with that client; what it sent with the client that comes
    /// with rclone, nobody but rclone can see. Its login is not taken over, because it does not say what
    /// it is allowed to do.
    Rclone(FromRclone),
}

/// `albumen import gphotos-uploader-cli`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct FromGphotosUploader {
    /// Its folder, usually ~/.gphotos-uploader-cli or ~/.config/gphotos-uploader-cli
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,

    /// Write the configuration, if there is none yet, instead of printing it
    #[arg(long)]
    pub write: bool,

    /// Believe a file whose time of last change is the one in the tracker, without reading it
    #[arg(long)]
    pub trust_times: bool,
}

/// `albumen import rclone`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct FromRclone {
    /// The name of the remote; not needed if there is only one for Google Photos
    pub remote: Option<String>,

    /// The configuration of rclone, instead of ~/.config/rclone/rclone.conf
    #[arg(long = "from", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub from: Option<PathBuf>,

    /// Write a configuration, if there is none yet, instead of printing it
    #[arg(long)]
    pub write: bool,
}

/// `albumen sandbox`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Sandbox {
    /// Where to listen on this machine; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8421", value_parser = loopback)]
    pub listen: SocketAddr,

    /// Keep what is uploaded in this folder, instead of forgetting it at the end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "it is an address with a port, such as 127.0.0.1:8421".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the sandbox has no lock on its door: it listens on 127.0.0.1 or [::1] only".to_owned())
    }
}

/// Parses the command line. The error prints itself (help and version are errors, too), to stdout or stderr.
pub fn parse<I>(arguments: I) -> Result<Invocation, clap::Error>
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let typed = Typed::try_parse_from(arguments)?;
    let refuse = |kind, message: &str| Err(definition().error(kind, message));
    if typed.global.quiet && typed.global.verbose > 0 {
        let message = "the arguments '--verbose' and '--quiet' cannot be used together";
        return refuse(ErrorKind::ArgumentConflict, message);
    }
    let command = match (typed.command, typed.status) {
        (Some(command), false) => command,
        (None, true) => Command::Status(Status {
            json: typed.json,
            watch: false,
        }),
        (Some(_), true) => {
            let message = "the argument '--status' cannot be used with a command";
            return refuse(ErrorKind::ArgumentConflict, message);
        }
        (None, false) => {
            let message = "a command is missing; `albumen --help` lists them";
            return refuse(ErrorKind::MissingSubcommand, message);
        }
    };
    Ok(Invocation {
        global: typed.global,
        command,
    })
}

/// The definition of the whole command line.
pub fn definition() -> clap::Command {
    Typed::command()
}

/// The command line as clap sees it.
#[derive(Debug, Parser)]
#[command(
    name = "albumen",
    version,
    about = "Takes folders of photos and videos to Google Photos and keeps them in step",
    long_about = "Takes folders of photos and videos to Google Photos and keeps them in step: all of \
                  it, once, in order, in the right albums.",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{}", ExitCode::table()),
    override_usage = "albumen [OPTIONS] <COMMAND>\n       albumen [OPTIONS] --status [--json]",
    arg_required_else_help = true,
    max_term_width = 100,
    styles = STYLES,
)]
struct Typed {
    /// The same as `albumen status`
    #[arg(long)]
    status: bool,

    /// With --status: as JSON
    #[arg(long, requires = "status")]
    json: bool,

    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  albumen try ~/Pictures         see what it does, without an account
  albumen init                   write a configuration to edit
  albumen login                  connect your Google Photos
  albumen backfill --dry-run     see what would go up
  albumen backfill               upload all of it
  albumen daemon                 and then whatever comes
  albumen status                 how far it is, what it waits for";

/// Colours of headings and literals; they carry no meaning.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

#[cfg(test)]
mod tests;
