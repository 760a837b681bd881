//! `import`: whoever switches from another uploader sends nothing again that is known to be there.
#![allow(clippy::unwrap_used, reason = "what goes wrong here fails the test")]

#[path = "support/mod.rs"]
mod support;

use std::{
    fs,
    hash::Hasher as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rusty_leveldb::{DB, Options};
use serde_json::Value;

use support::{
    child::Ran,
    dated::dated,
    home::{Home, set_taken},
    media::photo,
};

const OLD: &str = "old-uploader";

/// The tracker's entry of a file: its last change and the hash of its bytes.
fn entry(path: &Path, in_seconds: bool) -> String {
    let mut hasher = twox_hash::XxHash32::with_seed(0xCAFE);
    hasher.write(&fs::read(path).unwrap());
    let meta = fs::metadata(path).unwrap();
    let time = if in_seconds {
        meta.mtime()
    } else {
        meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
    };
    format!("{time}|{}", hasher.finish_32())
}

/// Writes a tracker as gphotos-uploader-cli does, by the same kind of database.
fn track(folder: &Path, entries: &[(PathBuf, String)]) {
    let mut db = DB::open(folder, Options::default()).unwrap();
    for (path, value) in entries {
        db.put(path.to_str().unwrap().as_bytes(), value.as_bytes())
            .unwrap();
    }
    db.flush().unwrap();
    db.close().unwrap();
}

/// An installation of gphotos-uploader-cli whose one job is the folder `photos`.
fn installed(home: &Home, album: &str, more: &str, sent: &[PathBuf]) {
    let source = home.path("photos");
    let album = if album.is_empty() { "\"\"" } else { album };
    let config = format!(
        "{{\n  APIAppCredentials:\n  {{\n    ClientID: 123.apps.googleusercontent.com\n    ClientSecret: hush\n  }}\n  \
         Account: ann@example.org\n  SecretsBackendType: file\n  Jobs:\n  [\n    {{\n      SourceFolder: {}\n      \
         Album: {album}\n      {more}\n    }}\n  ]\n}}\n",
        source.display()
    );
    home.write(format!("{OLD}/config.hjson"), config.as_bytes());
    let entries: Vec<_> = sent
        .iter()
        .map(|path| (path.clone(), entry(path, false)))
        .collect();
    track(&home.path(format!("{OLD}/uploaded_files")), &entries);
}

async fn import(home: &Home) -> Ran {
    home.run(&["import", "gphotos-uploader-cli", OLD])
        .await
        .expect(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tracker_knows_does_not_go_up_again() {
    let home = Home::with_folder("").await;
    let sent = home.photos("photos", 4);
    let new = home.taken("photos/new.jpg", 9, &photo(900));
    installed(&home, "name:Summer", "", &sent);
    // One changed since, one is gone.
    fs::write(&sent[1], photo(901)).unwrap();
    set_taken(&sent[1], 30);
    fs::remove_file(&sent[2]).unwrap();
    let before = fs::read_dir(home.path(OLD).join("uploaded_files"))
        .unwrap()
        .count();

    let ran = import(&home).await;
    assert!(
        ran.stderr.contains("2 files will not go up again"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("1 file changed since then"),
        "{}",
        ran.stderr
    );
    let after = fs::read_dir(home.path(OLD).join("uploaded_files"))
        .unwrap()
        .count();
    assert_eq!(after, before, "the original is not touched");
    let status = home.status().await;
    assert_eq!(status["items"]["skipped"], 2);
    assert_eq!(
        status["failures"].as_array().unwrap().len(),
        0,
        "{status:#}"
    );

    home.backfill().await;
    let library = home.all_there(&[sent[1].clone(), new]).await;
    assert_eq!(library.n_items(), 2);
    let told = home
        .run(&["explain", sent[0].to_str().unwrap()])
        .await
        .expect(0);
    assert!(
        told.stdout.contains("gphotos-uploader-cli sent it"),
        "{}",
        told.stdout
    );

    // A new mode is no new content; new bytes are.
    fs::set_permissions(&sent[0], fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&sent[3], photo(903)).unwrap();
    set_taken(&sent[3], 31);
    home.backfill().await;
    assert_eq!(home.library().await.n_items(), 3);
    // Once more changes nothing.
    let ran = import(&home).await;
    assert!(
        !ran.stderr.contains("will not go up again"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn old_trackers_and_copied_files_are_known_by_their_hash() {
    let home = Home::with_folder("").await;
    let sent = home.photos("photos", 3);
    installed(&home, "", "", &[]);
    fs::remove_dir_all(home.path(OLD).join("uploaded_files")).unwrap();
    let hash = |n: usize| entry(&sent[n], true).split_once('|').unwrap().1.to_owned();
    let entries = [
        (sent[0].clone(), entry(&sent[0], true)),
        (sent[1].clone(), hash(1)),
        (sent[2].clone(), "77|12345".to_owned()),
    ];
    track(&home.path(OLD).join("uploads.db"), &entries);
    set_taken(&sent[0], 50);
    let ran = import(&home).await;
    assert!(
        ran.stderr.contains("2 files will not go up again"),
        "{}",
        ran.stderr
    );
    home.backfill().await;
    home.all_there(&sent[2..]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_written_once_and_means_the_same() {
    let home = Home::with_folder("").await;
    fs::remove_file(home.path("config.toml")).unwrap();
    fs::remove_file(home.path("client_secret.json")).unwrap();
    let sent = home.photos("photos", 1);
    let more = "IncludePatterns: [ \"**/*.jpg\" ]\n      ExcludePatterns: [ \"**/Temp/**\" ]\n      DeleteAfterUpload: true";
    installed(&home, "auto:folderName", more, &sent);
    let arguments = [
        "--state-dir",
        "state",
        "import",
        "gphotos-uploader-cli",
        OLD,
        "--write",
    ];
    let ran = home.run(&arguments).await.expect(0);
    let file = home.path("config.toml");
    assert_eq!(ran.stdout, format!("{}\n", file.display()));
    assert!(home.path("client_secret.json").exists());
    let explained = async |path: &str, expected: &str| {
        let arguments = ["--state-dir", "state", "explain", path];
        let ran = home.run(&arguments).await.expect(0);
        assert!(ran.stdout.contains(expected), "{path}: {}", ran.stdout);
    };
    explained("photos/p0000.jpg", "gphotos-uploader-cli sent it").await;
    explained("photos/Temp/x.jpg", "`exclude` names it").await;
    explained("photos/x.png", "no pattern of `include` names it").await;
    explained("photos/Crete/x.JPG", "Crete").await;

    let written = fs::read(&file).unwrap();
    let ran = home.run(&arguments).await.expect(0);
    assert!(ran.stderr.contains("stays as it is"), "{}", ran.stderr);
    assert_eq!(ran.stdout.as_bytes(), written);
    assert_eq!(fs::read(&file).unwrap(), written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_is_made_private_and_never_replaced() {
    let home = Home::with_folder("").await;
    let file = home.path("client_secret.json");
    let own = fs::read(&file).unwrap();
    installed(&home, "", "", &[]);
    let ran = import(&home).await;
    assert_eq!(fs::read(&file).unwrap(), own);
    assert!(ran.stderr.contains("stays as it is"), "{}", ran.stderr);
    fs::remove_file(&file).unwrap();
    let ran = import(&home).await;
    assert!(ran.stderr.contains("albumen login"), "{}", ran.stderr);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["installed"]["client_secret"], "hush");
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("hush"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_folders_are_printed_in_our_words_and_limits_are_told() {
    let home = Home::with_folder("").await;
    let more = "IncludePatterns: [ \"**/*.jpg\" ]\n      ExcludePatterns: [ \"**/Temp/**\" ]\n      DeleteAfterUpload: true";
    installed(&home, "\"template:$lower(%_directory%)\"", more, &[]);
    let ran = import(&home).await;
    let told = &ran.stdout;
    assert!(
        told.contains(&format!("path = \"{}\"", home.path("photos").display())),
        "{told}"
    );
    assert!(told.contains("album = \"none\""), "{told}");
    assert!(told.contains("include = [\"*.jpg\"]"), "{told}");
    assert!(told.contains("exclude = [\"**/Temp/**\"]"), "{told}");
    assert!(told.contains("# after_upload = \"delete\""), "{told}");
    assert!(ran.stderr.contains("has no counterpart"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_finds_its_media_item_by_a_rebuild() {
    let home = Home::with_folder("album = 'folder'").await;
    let sent = home.taken("photos/a.jpg", 1, &dated(1, 1));
    home.backfill().await;
    // As if the other uploader had done that.
    for name in ["albumen.db", "albumen.db-wal", "albumen.db-shm"] {
        let _ = fs::remove_file(home.path("state").join(name));
    }
    installed(&home, "", "", std::slice::from_ref(&sent));
    import(&home).await;
    let ran = home.run(&["rebuild"]).await.expect(0);
    assert!(
        ran.stdout.contains("1 file was found again"),
        "{}",
        ran.stdout
    );
    let status = home.status().await;
    assert_eq!(
        (&status["items"]["created"], &status["items"]["skipped"]),
        (&1.into(), &0.into())
    );
    home.backfill().await;
    let library = home.all_there(&[sent]).await;
    assert_eq!(library.calls("uploads.raw"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_or_damaged_other_uploader_is_told() {
    let home = Home::with_folder("").await;
    installed(&home, "", "", &home.photos("photos", 1));
    let lock = home.write(format!("{OLD}/uploaded_files/LOCK"), b"");
    let lock = fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    let ran = home
        .run(&["import", "gphotos-uploader-cli", OLD])
        .await
        .expect(4);
    assert!(
        ran.stderr.contains("gphotos-uploader-cli is running"),
        "{}",
        ran.stderr
    );
    drop(lock);
    for entry in fs::read_dir(home.path(OLD).join("uploaded_files")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("MANIFEST")
        {
            fs::write(path, [9; 100]).unwrap();
        }
    }
    let ran = home
        .run(&["import", "gphotos-uploader-cli", OLD])
        .await
        .expect(2);
    assert!(ran.stderr.contains("cannot be read"), "{}", ran.stderr);
    let ran = home
        .run(&["import", "gphotos-uploader-cli", "photos"])
        .await
        .expect(2);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn rclones_client_is_taken_over_and_the_rest_is_said() {
    let home = Home::with_folder("").await;
    fs::remove_file(home.path("client_secret.json")).unwrap();
    let token = r#"{"access_token":"ya29.A","token_type":"Bearer","refresh_token":"1//0","expiry":"2024-05-01T12:00:00Z"}"#;
    let conf = format!(
        "[pics]\ntype = google photos\nclient_id = 123.apps.googleusercontent.com\nclient_secret = hush\n\
         start_year = 2010\ntoken = {token}\n\n[other]\ntype = google photos\n"
    );
    home.write("rclone.conf", conf.as_bytes());
    let ran = home
        .run(&["import", "rclone", "--from", "rclone.conf"])
        .await
        .expect(2);
    assert!(ran.stderr.contains("pics, other"), "{}", ran.stderr);
    let ran = home
        .run(&["import", "rclone", "other", "--from", "rclone.conf"])
        .await
        .expect(2);
    assert!(ran.stderr.contains("comes with rclone"), "{}", ran.stderr);
    let ran = home
        .run(&["import", "rclone", "pics:", "--from", "rclone.conf"])
        .await
        .expect(0);
    assert!(
        ran.stderr.contains("albumen rebuild") && ran.stderr.contains("albumen login"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("# [[folder]]"), "{}", ran.stdout);
    let secret = fs::read_to_string(home.path("client_secret.json")).unwrap();
    assert!(secret.contains("123.apps.googleusercontent.com") && !secret.contains("1//0"));
    home.write(
        "rclone.conf",
        b"# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n",
    );
    let ran = home
        .run(&["import", "rclone", "--from", "rclone.conf"])
        .await
        .expect(2);
    assert!(
        ran.stderr.contains("is encrypted") && ran.stderr.contains("rclone config show"),
        "{}",
        ran.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tracker_knows_does_not_go_up_under_another_name() {
    let home = Home::with_folder("").await;
    let sent = home.write("photos/a.jpg", &photo(1));
    installed(&home, "", "", std::slice::from_ref(&sent));
    import(&home).await;
    fs::rename(&sent, home.path("photos/b.jpg")).unwrap();
    let said = home.run(&["backfill", "--dry-run"]).await.expect(0);
    assert!(
        said.stdout.starts_with("Nothing would go up.\n"),
        "{}",
        said.stdout
    );
    home.backfill().await;
    home.all_there(&[]).await;
}
