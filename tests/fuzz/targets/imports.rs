//! What another uploader left: two kinds of configuration, and a database of a kind that is not ours.

use std::{
    fs,
    path::{Path, PathBuf},
};

use albumen::{
    commands::import::{gphotos_uploader, rclone, tracker, write_config},
    config::{Config, Environment},
    escape::Escaped,
};

use super::{end, first_line};
use crate::runner::Target;

fn env() -> Environment {
    Environment {
        home: Some(PathBuf::from("/home/ada")),
        cwd: PathBuf::from("/home/ada/work"),
        ..Environment::default()
    }
}

/// What is written for a person to keep must be a configuration, whatever it was made of.
#[track_caller]
fn must_be_toml(text: &str) {
    if let Err(error) = text.parse::<toml::Table>() {
        panic!("{error}: {text:?}");
    }
}

#[track_caller]
fn must_be_one_line(said: &str) {
    let raw = said.chars().find(|c| c.is_control());
    assert_eq!(raw, None, "{said:?}");
}

/// The configuration of gphotos-uploader-cli, and the folders that it becomes.
pub(crate) fn hjson() -> Target {
    let env = env();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    Target::new(move |input| {
        let _ = &dir;
        let mut setup = match gphotos_uploader::parse(&String::from_utf8_lossy(input)) {
            Ok(setup) => setup,
            Err(why) => return end(&why),
        };
        // Each folder is held against those before it.
        setup.jobs.truncate(6);
        let written = write_config::folders(&env, &setup);
        must_be_toml(&written.text);
        for note in &written.notes {
            must_be_one_line(note);
        }
        fs::write(&file, &written.text).unwrap();
        let understood = Config::load(Some(&file), Some(Path::new("/")), &env);
        let found = understood.map_or(0, |config| config.folders.len());
        assert_eq!(found, written.folders.len(), "{:?}", written.text);
        let notes = written.notes.len().min(9);
        format!("{} jobs, {found} folders, {notes}", setup.jobs.len())
    })
}

/// The configuration of rclone: in the first line the remote that is asked for, if any.
pub(crate) fn ini() -> Target {
    Target::new(|input| {
        let (wanted, text) = first_line(input);
        let wanted = String::from_utf8_lossy(wanted);
        let wanted = Some(wanted.as_ref()).filter(|wanted| !wanted.is_empty());
        match rclone::parse(&String::from_utf8_lossy(text), wanted) {
            Ok(remote) => {
                let text = remote.configuration();
                must_be_toml(&text);
                assert!(text.lines().all(|line| line.starts_with('#')), "{text:?}");
                let notes = remote.notes();
                for note in &notes {
                    must_be_one_line(note);
                }
                format!("{} notes", notes.len())
            }
            Err(refusal) => {
                let refusal = format!("{refusal:?}");
                let name = refusal.split('(').next().unwrap_or_default();
                name.to_owned()
            }
        }
    })
}

/// The files of the tracker of gphotos-uploader-cli, as LevelDB itself wrote them.
fn sample() -> Vec<(PathBuf, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/gphotos-uploader-cli/uploaded_files");
    let mut files: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

/// The tracker: the first byte says which of its files has what follows as its content.
pub(crate) fn leveldb() -> Target {
    let sample = sample();
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    let dir = dir.unwrap();
    let seeds = (0..)
        .zip(&sample)
        .map(|(n, (_, bytes))| [&[n], &bytes[..]].concat())
        .collect();
    let mut target = Target::new(move |input| {
        let (which, content) = input.split_first().unwrap_or((&0, b""));
        let which = usize::from(*which) % sample.len();
        for (n, (name, bytes)) in sample.iter().enumerate() {
            let bytes = if n == which { content } else { bytes };
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        match tracker::read(dir.path()) {
            Ok(tracked) => {
                for one in &tracked {
                    must_be_one_line(&Escaped::path(&one.path).to_string());
                    let _ = one.time.is_some_and(|time| time.is(i64::MIN));
                }
                format!("{which} {}", tracked.len())
            }
            Err(error) => format!("{which} {}", end(&error)),
        }
    });
    target.seeds = seeds;
    target.may_catch = true;
    target
}
