//! `albumen import`: which uploader to take over from.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, parse};

    fn import(line: &str) -> Import {
        match parse(line.split(' ')).unwrap().command {
            Command::Import(import) => import,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_uploaders_are_understood() {
        let flags = FromGphotosUploader {
            dir: "old".into(),
            write: true,
            trust_times: true,
        };
        let line = "albumen import gphotos-uploader-cli old --write --trust-times";
        assert_eq!(import(line), Import::GphotosUploaderCli(flags));
        let flags = FromRclone {
            remote: Some("pics:".to_owned()),
            from: Some("r.conf".into()),
            write: false,
        };
        let line = "albumen import rclone pics: --from r.conf";
        assert_eq!(import(line), Import::Rclone(flags));
        let rebuild = parse("albumen rebuild --dry-run".split(' '))
            .unwrap()
            .command;
        assert_eq!(rebuild, Command::Rebuild { dry_run: true });
    }
}
