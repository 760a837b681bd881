//! The configuration of gphotos-uploader-cli, versions 0.8 to 5, as folders of ours.
//!
//! It is Hjson, and its keys are the same in upper and lower case. Three layouts are known by their
//! keys: `MakeAlbums` and `UploadVideos` (until version 2), `CreateAlbums` (3), `Album` (since 4).

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{
    hjson,
    patterns::{IMAGES, RAW, VIDEOS, of_extensions, of_pattern},
};

/// The client id of the example that `init` writes.
const PLACEHOLDER: &str = "YOUR_APP_CLIENT_ID";

/// An OAuth client.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) id: String,
    pub(super) secret: SecretString,
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl Eq for Client {}

impl Client {
    pub(super) fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.into(),
        }
    }
}

/// What the configuration says, in our words.
#[derive(Debug, Default)]
pub struct Setup {
    pub(super) client: Option<Client>,
    /// Its jobs, in their order.
    pub jobs: Vec<Job>,
    /// What concerns all of it.
    pub notes: Vec<String>,
}

/// A job, as a folder of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Job {
    /// As it was written.
    pub(super) path: String,
    pub(super) album: String,
    pub(super) include: Vec<String>,
    pub(super) exclude: Vec<String>,
    /// Whether files were deleted once they were sent.
    pub(super) deletes: bool,
    /// What is different here, in words.
    pub(super) limits: Vec<String>,
}

/// Reads the configuration; the error says why it is none.
pub fn parse(text: &str) -> Result<Setup, String> {
    let all = hjson::parse(text)?;
    if !all.is_object() {
        return Err("it is no Hjson object".to_owned());
    }
    let credentials = get(&all, "APIAppCredentials");
    let (id, secret) = (
        string(credentials, "ClientID"),
        string(credentials, "ClientSecret"),
    );
    let client = (!id.is_empty() && !secret.is_empty() && id != PLACEHOLDER)
        .then(|| Client::new(&id, &secret));
    let written = get(&all, "Jobs")
        .and_then(Value::as_array)
        .ok_or("it has no list of `Jobs`")?;
    let jobs: Vec<Job> = written.iter().filter_map(job).collect();
    let mut notes = Vec::new();
    let mut accounts: Vec<String> = written
        .iter()
        .map(|job| string(Some(job), "Account"))
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    let account = string(Some(&all), "Account");
    if !account.is_empty() {
        notes.push(format!(
            "what it sent went to {account}: sign in with that account"
        ));
    }
    if accounts.len() > 1 {
        let accounts = accounts.join(", ");
        notes.push(format!(
            "its jobs are for several accounts ({accounts}); a state folder of Albumen is one account, so \
             keep a configuration and a state folder for each"
        ));
    }
    Ok(Setup {
        client,
        jobs,
        notes,
    })
}

fn job(written: &Value) -> Option<Job> {
    let path = string(Some(written), "SourceFolder");
    if path.is_empty() {
        return None;
    }
    let mut job = Job {
        path,
        deletes: get(written, "DeleteAfterUpload").is_some_and(is_true),
        ..Job::default()
    };
    job.album = album(written, &mut job.limits);
    // Until version 2 videos had a switch of their own, and no pattern at all meant everything.
    let videos = get(written, "UploadVideos");
    let all_by_default = videos.is_some();
    job.include = patterns(written, "IncludePatterns", all_by_default, &mut job.limits);
    if job.include.is_empty() && !has_all(written) && !all_by_default {
        job.include = of_extensions(&IMAGES);
    }
    job.exclude = patterns(written, "ExcludePatterns", all_by_default, &mut job.limits);
    match videos.map(is_true) {
        Some(true) if !job.include.is_empty() => job.include.extend(of_extensions(&VIDEOS)),
        Some(false) => job.exclude.extend(of_extensions(&VIDEOS)),
        _ => {}
    }
    Some(job)
}

/// The album rule.
fn album(job: &Value, limits: &mut Vec<String>) -> String {
    let mut written = string(Some(job), "Album");
    if written.is_empty() {
        let make = get(job, "MakeAlbums").filter(|make| get(make, "Enabled").is_some_and(is_true));
        let by = match make {
            Some(make) => string(Some(make), "Use"),
            None => string(Some(job), "CreateAlbums"),
        };
        if !by.is_empty() && !by.eq_ignore_ascii_case("off") {
            written = format!("auto:{by}");
        }
    }
    let (kind, rest) = written.split_once(':').unwrap_or((&written, ""));
    match (kind, rest) {
        ("", _) => "none".to_owned(),
        ("name", title) => format!("name:{}", title.trim()),
        ("auto", "folderName") | ("template", "%_directory%") => {
            limits.push(
                "files that lie in the folder itself had no album; here they get its name"
                    .to_owned(),
            );
            "folder".to_owned()
        }
        ("auto", "folderPath") | ("template", "%_folderpath%") => {
            limits.push(
                "album titles were \"a_b\" and are \"a / b\" here: these are new albums".to_owned(),
            );
            "{path}".to_owned()
        }
        ("template", template) => of_template(template, limits).unwrap_or_else(|why| {
            limits.push(format!(
                "the album rule \"{written}\" has no counterpart: {why}"
            ));
            "none".to_owned()
        }),
        _ => {
            limits.push(format!("the album rule \"{written}\" is not known"));
            "none".to_owned()
        }
    }
}

/// A template of theirs as one of ours.
fn of_template(template: &str, limits: &mut Vec<String>) -> Result<String, String> {
    const TOKENS: [(&str, &str); 6] = [
        ("%_directory%", "{folder}"),
        ("%_parent_directory%", "{parent}"),
        ("%_folderpath%", "{path}"),
        ("%_year%", "{year}"),
        ("%_month%", "{month}"),
        ("%_day%", "{day}"),
    ];
    if template.contains('$') {
        return Err("functions are not known here".to_owned());
    }
    if template.contains(['{', '}']) {
        return Err("braces cannot be part of a title here".to_owned());
    }
    let ours = TOKENS
        .iter()
        .fold(template.to_owned(), |text, (theirs, ours)| {
            text.replace(theirs, ours)
        });
    if ours.contains("%_") {
        return Err("times of day are not known here".to_owned());
    }
    if !ours.contains('{') {
        return Ok(format!("name:{}", ours.trim()));
    }
    if ["{year}", "{month}", "{day}"]
        .iter()
        .any(|token| ours.contains(token))
    {
        limits.push(
            "dates in album titles were those of the file's last change, and are those of the shot here"
                .to_owned(),
        );
    }
    Ok(ours)
}

/// Whether `_ALL_FILES_` is included.
fn has_all(job: &Value) -> bool {
    list(job, "IncludePatterns").any(|pattern| pattern == "_ALL_FILES_")
}

/// A list of patterns in our notation; all files are an empty list. `of_names`: the patterns of old
/// versions are for names in any folder.
fn patterns(job: &Value, key: &str, of_names: bool, limits: &mut Vec<String>) -> Vec<String> {
    let mut ours = Vec::new();
    for pattern in list(job, key) {
        match pattern.as_str() {
            "" => {}
            "_ALL_FILES_" | "**" if key == "IncludePatterns" => return Vec::new(),
            "_ALL_FILES_" => ours.push("**/*".to_owned()),
            "_IMAGE_EXTENSIONS_" => ours.extend(of_extensions(&IMAGES)),
            "_ALL_VIDEO_FILES_" => ours.extend(of_extensions(&VIDEOS)),
            "_RAW_EXTENSIONS_" => {
                limits.push(
                    "raw files of types that Google Photos does not take stay at home".to_owned(),
                );
                ours.extend(of_extensions(&RAW));
            }
            _ => ours.push(of_pattern(&pattern, of_names)),
        }
    }
    ours
}

fn list<'a>(job: &'a Value, key: &str) -> impl Iterator<Item = String> + use<'a> {
    let all = get(job, key).and_then(Value::as_array);
    let text = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
    all.into_iter().flatten().map(text)
}

fn get<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let mut fields = value.as_object()?.iter();
    fields
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, value)| value)
}

fn string(value: Option<&Value>, key: &str) -> String {
    let text = value.and_then(|value| get(value, key));
    text.and_then(Value::as_str)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn is_true(value: &Value) -> bool {
    value
        .as_bool()
        .unwrap_or_else(|| value.as_str() == Some("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of its documentation, with a second job.
    const NEW: &str = r#"{
  APIAppCredentials:
  {
    ClientID: 20637643488.apps.googleusercontent.com
    ClientSecret: hush
  }
  Account: ann@example.org
  SecretsBackendType: file
  # what goes up
  Jobs:
  [
    {
      SourceFolder: ~/Pictures
      Album: "template:%_directory%"
      DeleteAfterUpload: false
      includePatterns: [ "**/*.jpg", "**/*.png" ]
      excludePatterns: [ "**/ScreenShot*", "**/Temp/**", "old[^a]*" ]
    }
    {
      SourceFolder: /srv/camera
      Album: name:From the camera
      DeleteAfterUpload: true
    }
  ]
}"#;

    #[test]
    fn a_configuration_of_today_is_understood() {
        let setup = parse(NEW).unwrap();
        assert!(
            setup.notes[0].contains("ann@example.org"),
            "{:?}",
            setup.notes
        );
        let client = setup.client.unwrap();
        assert_eq!(client.id, "20637643488.apps.googleusercontent.com");
        assert!(!format!("{client:?}").contains("hush"));
        let [pictures, camera] = &setup.jobs[..] else {
            panic!("{:?}", setup.jobs);
        };
        assert_eq!(
            (pictures.path.as_str(), pictures.album.as_str()),
            ("~/Pictures", "folder")
        );
        assert_eq!(pictures.include, ["*.jpg", "*.png"]);
        assert_eq!(pictures.exclude, ["ScreenShot*", "**/Temp/**", "/old[!a]*"]);
        assert_eq!(camera.album, "name:From the camera");
        assert!(camera.deletes && !pictures.deletes);
        assert_eq!(
            camera.include,
            ["*.jpg", "*.jpeg", "*.png", "*.webp", "*.gif"]
        );
    }

    #[test]
    fn old_layouts_are_understood() {
        let old = r"{
          APIAppCredentials: { ClientID: 'a', ClientSecret: 'b' }
          jobs: [
            { account: 'x', sourceFolder: '/a', makeAlbums: { enabled: true, use: 'folderName' }, uploadVideos: false }
            { account: 'y', sourceFolder: '/b', makeAlbums: { enabled: false, use: 'folderName' }, uploadVideos: true
              includePatterns: [ '*.jpg' ] }
            { account: 'y', sourceFolder: '/c', CreateAlbums: 'folderPath', IncludePatterns: [ '_ALL_FILES_' ] }
            { account: 'y', sourceFolder: '/d', CreateAlbums: 'Off' }
          ]
        }";
        let setup = parse(old).unwrap();
        assert!(setup.notes[0].contains("x, y"), "{:?}", setup.notes);
        let album = |n: usize| setup.jobs[n].album.as_str();
        assert_eq!(
            [album(0), album(1), album(2), album(3)],
            ["folder", "none", "{path}", "none"]
        );
        assert!(setup.jobs[0].include.is_empty());
        assert!(setup.jobs[0].exclude.contains(&"*.mp4".to_owned()));
        assert_eq!(setup.jobs[1].include[..2], ["*.jpg", "*.mpg"]);
        assert!(setup.jobs[2].include.is_empty());
        assert!(setup.jobs[2].limits[0].contains("new albums"));
        assert_eq!(setup.jobs[3].include.len(), IMAGES.len());
    }

    #[test]
    fn a_template_is_taken_as_far_as_it_goes() {
        let of = |template: &str| {
            let mut limits = Vec::new();
            let ours = of_template(template, &mut limits);
            (ours, limits.len())
        };
        let ours = |text: &str| Ok(text.to_owned());
        assert_eq!(
            of("%_directory% - %_month%.%_day%"),
            (ours("{folder} - {month}.{day}"), 1)
        );
        assert_eq!(
            of("%_parent_directory%/%_directory%"),
            (ours("{parent}/{folder}"), 0)
        );
        assert_eq!(of("Fixed"), (ours("name:Fixed"), 0));
        for theirs in ["$lower(%_directory%)", "%_time%", "{x}", "%_time_en%"] {
            assert!(of(theirs).0.is_err(), "{theirs}");
        }
    }

    #[test]
    fn what_is_no_configuration_says_why() {
        for text in ["", "[]", "{", "{ a: 1 }", "{ Jobs: 7 }"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let setup = parse(
            "{ APIAppCredentials: { ClientID: 'YOUR_APP_CLIENT_ID', ClientSecret: 'x' }\n Jobs: [] }",
        );
        assert_eq!(setup.unwrap().client, None);
    }
}
