//! Tests: what is accepted, what is refused, and that the help is complete.

use super::*;

fn typed(line: &str) -> Result<Invocation, clap::Error> {
    parse(["albumen"].into_iter().chain(line.split_whitespace()))
}

fn command(line: &str) -> Command {
    typed(line).unwrap().command
}

#[track_caller]
fn refused(line: &str, kind: ErrorKind) {
    let error = typed(line).unwrap_err();
    assert_eq!(error.kind(), kind, "{line}: {error}");
}

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

fn login(no_browser: bool) -> Command {
    Command::Login {
        no_browser,
        from: None,
        new_client: false,
    }
}

#[test]
fn the_definition_is_sound() {
    definition().debug_assert();
}

#[test]
fn every_command_is_understood() {
    let plain = [
        ("daemon", Command::Daemon),
        ("verify", Command::Verify),
        ("albums", Command::Albums),
        ("logout", Command::Logout),
        ("doctor", Command::Doctor),
        ("restore", Command::Restore { file: None }),
        (
            "restore a.db",
            Command::Restore {
                file: Some("a.db".into()),
            },
        ),
        ("init", Command::Init),
        ("man", Command::Man),
        ("login", login(false)),
        ("login --no-browser", login(true)),
        ("explain a", Command::Explain { path: "a".into() }),
        (
            "completions zsh",
            Command::Completions { shell: Shell::Zsh },
        ),
        (
            "try a b",
            Command::Try {
                paths: paths(&["a", "b"]),
            },
        ),
        (
            "shared leave T",
            Command::Shared(Shared::Leave { token: "T".into() }),
        ),
        ("backfill", Command::Backfill(Backfill::default())),
        (
            "backfill a --no-wait b --dry-run",
            Command::Backfill(Backfill {
                paths: paths(&["a", "b"]),
                no_wait: true,
                dry_run: true,
            }),
        ),
        (
            "status --json --watch",
            Command::Status(Status {
                json: true,
                watch: true,
            }),
        ),
        (
            "retry --all",
            Command::Retry(Retry {
                all: true,
                paths: vec![],
            }),
        ),
        (
            "retry a",
            Command::Retry(Retry {
                all: false,
                paths: paths(&["a"]),
            }),
        ),
        (
            "sandbox --listen [::1]:0 --data d",
            Command::Sandbox(Sandbox {
                listen: "[::1]:0".parse().unwrap(),
                data: Some("d".into()),
            }),
        ),
        (
            "album remove Sea a b --yes",
            Command::Album(Album::Remove(AlbumRemove {
                album: Some("Sea".into()),
                paths: paths(&["a", "b"]),
                yes: true,
                held: false,
            })),
        ),
        (
            "album remove --held",
            Command::Album(Album::Remove(AlbumRemove {
                held: true,
                ..AlbumRemove::default()
            })),
        ),
    ];
    for (line, expected) in plain {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn the_flag_status_is_the_command_status() {
    assert_eq!(command("--status"), command("status"));
    assert_eq!(command("--status --json"), command("status --json"));
    assert_eq!(command("--json --status -q"), command("status --json"));
}

#[test]
fn what_makes_no_sense_is_bad_usage() {
    refused("--json", ErrorKind::MissingRequiredArgument);
    refused("--status daemon", ErrorKind::ArgumentConflict);
    refused("-q", ErrorKind::MissingSubcommand);
    refused("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    refused("-v -q daemon", ErrorKind::ArgumentConflict);
    refused("-v daemon -q", ErrorKind::ArgumentConflict);
    refused("upload", ErrorKind::InvalidSubcommand);
    refused("daemon --fast", ErrorKind::UnknownArgument);
    refused("try", ErrorKind::MissingRequiredArgument);
    refused("retry", ErrorKind::MissingRequiredArgument);
    refused("retry --all a", ErrorKind::ArgumentConflict);
    refused("album remove Sea", ErrorKind::MissingRequiredArgument);
    refused("album remove --held Sea a", ErrorKind::ArgumentConflict);
    refused("sandbox --listen 0.0.0.0:1", ErrorKind::ValueValidation);
    refused("sandbox --listen 8421", ErrorKind::ValueValidation);
    refused("--log-format xml daemon", ErrorKind::InvalidValue);
    for line in ["--json", "--status daemon", "-q", "", "upload", "try"] {
        assert_eq!(typed(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn global_flags_stand_before_or_behind_the_command() {
    for line in [
        "--config c --state-dir s -vv --log-format json daemon",
        "daemon --config c --state-dir s -v -v --log-format json",
    ] {
        let global = typed(line).unwrap().global;
        assert_eq!(global.config, Some("c".into()));
        assert_eq!(global.state_dir, Some("s".into()));
        assert_eq!(global.log_format, LogFormat::Json);
        assert_eq!(global.log_level(LevelFilter::INFO), LevelFilter::TRACE);
    }
    let level = |line, usual| typed(line).unwrap().global.log_level(usual);
    assert_eq!(level("daemon", LevelFilter::INFO), LevelFilter::INFO);
    assert_eq!(level("daemon -v", LevelFilter::INFO), LevelFilter::DEBUG);
    assert_eq!(level("daemon -q", LevelFilter::INFO), LevelFilter::WARN);
    assert_eq!(level("backfill", LevelFilter::WARN), LevelFilter::WARN);
    assert_eq!(level("backfill -v", LevelFilter::WARN), LevelFilter::INFO);
    assert_eq!(
        level("backfill -vvvv", LevelFilter::WARN),
        LevelFilter::TRACE
    );
}

#[cfg(unix)]
#[test]
fn a_path_need_not_be_utf8() {
    use std::os::unix::ffi::OsStringExt as _;
    let name = OsString::from_vec(b"caf\xe9".to_vec());
    let typed = parse(["albumen".into(), "explain".into(), name.clone()]).unwrap();
    let path = PathBuf::from(name);
    assert_eq!(typed.command, Command::Explain { path });
}

/// Every command, at any depth.
fn all_commands(command: &clap::Command) -> Vec<clap::Command> {
    let below = command.get_subcommands().flat_map(all_commands);
    std::iter::once(command.clone()).chain(below).collect()
}

#[test]
fn everything_has_its_help() {
    for command in all_commands(&definition()).into_iter().skip(1) {
        let name = command.get_name();
        let about = command.get_about().unwrap().to_string();
        // Beside the longest name it still fits the line of a common terminal.
        assert!(about.len() <= 80 - "  completions  ".len(), "{name}");
        for argument in command.get_arguments() {
            let id = argument.get_id();
            assert!(argument.get_help().is_some(), "{name} {id}");
        }
    }
    let help = definition().render_long_help().to_string();
    for code in ExitCode::ALL {
        let row = format!("{:>3}  {}", code.number(), code.meaning());
        assert!(help.contains(&row), "{row}");
    }
}

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
