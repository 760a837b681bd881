//! What must be true when the trouble is over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    time::Duration,
};

use serde_json::Value;

use crate::{
    database,
    disk::{Disk, Goes, OUT, walk},
    hash::sha256,
    support::home::{Home, LOOK},
    trouble::Trouble,
};

/// How long everything may take to come right.
const PATIENCE: Duration = Duration::from_secs(75);

/// What came right, for who wants to know what was proven.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    pub(crate) files: usize,
    pub(crate) placements: usize,
    pub(crate) in_sequence: usize,
    pub(crate) gone_out: usize,
}

/// Runs the daemon until all is right, and then proves it.
pub(crate) async fn comes_right(home: &Home, disk: &Disk, trouble: &Trouble) -> Proven {
    home.run(&["retry", "--all"]).await.expect(0);
    let wanted = Wanted::of(disk, trouble);
    let daemon = home.daemon().await;
    let since = tokio::time::Instant::now();
    loop {
        let library = home.library().await.0;
        let status = home.status().await;
        let limbo = database::in_limbo(home);
        let in_limbo = |title: &str, hash: &str| {
            let own = disk.ever.get(hash);
            own.is_some_and(|own| limbo.contains(&(title.to_owned(), own.clone())))
        };
        let mut left = wanted.left(&library, &status, &in_limbo);
        left.extend(disk.said.left(&library));
        left.extend(still_out(disk));
        if left.is_empty() {
            break;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "{left:#?}\n{status:#}\n{}",
            daemon.stderr()
        );
        tokio::time::sleep(LOOK * 4).await;
    }
    daemon.stop().await.expect(0);
    // And nothing more is to be done: not a request.
    let before = home.library().await.requests();
    home.backfill().await;
    let library = home.library().await;
    assert_eq!(library.requests(), before, "something was left to do");
    assert_eq!(library.broken_rules(), Vec::<String>::new());
    let titles = library.titles();
    let unique: BTreeSet<_> = titles.iter().collect();
    assert_eq!(
        unique.len(),
        titles.len(),
        "an album is there twice: {titles:?}"
    );
    for item in library.0["items"].as_array().unwrap() {
        let hash = item["sha256"].as_str().unwrap();
        assert!(
            disk.ever.contains_key(hash),
            "nobody ever had these: {item}"
        );
    }
    database::is_sound(home, &library.0);
    let (placements, in_sequence) = database::placed(home);
    Proven {
        files: wanted.contents.len(),
        placements,
        in_sequence,
        gone_out: disk.put_out.len(),
    }
}

/// Whether nobody knows if a content, by its hash, stands in an album, by its title.
type InLimbo<'a> = dyn Fn(&str, &str) -> bool + 'a;

/// What the service shall have.
struct Wanted {
    /// By hash: where those bytes are, or were.
    contents: BTreeMap<String, String>,
    /// By title: what shall stand there.
    albums: BTreeMap<String, BTreeSet<String>>,
    /// By title: what may stand there, too.
    besides: BTreeMap<String, BTreeSet<String>>,
    /// What may stand wherever it stood.
    former: BTreeSet<String>,
    /// Albums that somebody deleted: whether anybody noticed is another matter.
    deleted: BTreeSet<String>,
}

impl Wanted {
    fn of(disk: &Disk, trouble: &Trouble) -> Self {
        let hash = |file: &Path| sha256(&fs::read(file).unwrap());
        let shown = |file: &Path| file.display().to_string();
        let files = disk.files().into_iter();
        let mut contents: BTreeMap<_, _> = files.map(|file| (hash(&file), shown(&file))).collect();
        let mut albums: BTreeMap<String, BTreeSet<String>> = disk
            .albums()
            .into_iter()
            .map(|(title, files)| (title, files.iter().map(|file| hash(file)).collect()))
            .collect();
        albums.insert("Said".to_owned(), disk.said.hashes());
        let mut besides = BTreeMap::from([("Wall".to_owned(), disk.on_the_wall.clone())]);
        let mut out = BTreeSet::new();
        for (name, put) in &disk.put_out {
            if let Some((newest, former)) = put.split_last() {
                contents.insert(newest.clone(), format!("{OUT}/{}", name.display()));
                out.extend(former.iter().cloned());
                out.insert(newest.clone());
            }
        }
        // Whether it is an album depends on the seed.
        besides.insert("Out".to_owned(), out);
        Self {
            contents,
            albums,
            besides,
            former: disk.former.clone(),
            deleted: trouble.deleted.clone(),
        }
    }

    /// What is not right yet, in words.
    fn left(&self, library: &Value, status: &Value, in_limbo: &InLimbo<'_>) -> Vec<String> {
        let mut left = Vec::new();
        let mut hashes: HashMap<&str, &str> = HashMap::new();
        for item in library["items"].as_array().unwrap() {
            let hash = item["sha256"].as_str().unwrap();
            if hashes.insert(item["id"].as_str().unwrap(), hash).is_some() {
                left.push(format!("an id is there twice: {item}"));
            }
        }
        let there: BTreeSet<&str> = hashes.values().copied().collect();
        assert_eq!(there.len(), hashes.len(), "a content is there twice");
        for (hash, file) in &self.contents {
            if !there.contains(hash.as_str()) {
                left.push(format!("not there: {file}"));
            }
        }
        let albums = library["albums"].as_array().unwrap();
        for album in albums {
            left.extend(self.left_in(album, &hashes, in_limbo));
        }
        for title in self.albums.keys() {
            let is_there = albums.iter().any(|album| album["title"] == title.as_str());
            if !is_there && !self.albums[title].is_empty() && !self.deleted.contains(title) {
                left.push(format!("no album {title}"));
            }
        }
        for state in [
            "settling",
            "queued",
            "uploading",
            "uploaded",
            "creating",
            "failed",
            "missing",
        ] {
            if status["items"][state] != 0 {
                left.push(format!("{state}: {}", status["items"][state]));
            }
        }
        for state in ["wanted", "leaving", "refused"] {
            if status["placements"][state] != 0 {
                left.push(format!("{state}: {}", status["placements"][state]));
            }
        }
        left
    }

    fn left_in(
        &self,
        album: &Value,
        hashes: &HashMap<&str, &str>,
        in_limbo: &InLimbo<'_>,
    ) -> Vec<String> {
        let mut left = Vec::new();
        let title = album["title"].as_str().unwrap();
        let ids: Vec<&str> = album["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let standing: BTreeSet<&str> = ids
            .iter()
            .filter_map(|id| hashes.get(id).copied())
            .collect();
        assert_eq!(standing.len(), ids.len(), "an item stands twice in {title}");
        let none = BTreeSet::new();
        let wanted = self.albums.get(title).unwrap_or(&none);
        let besides = self.besides.get(title).unwrap_or(&none);
        for hash in wanted {
            if !standing.contains(hash.as_str()) {
                let file = self.contents.get(hash);
                left.push(format!("not in {title}: {}", file.unwrap_or(hash)));
            }
        }
        for hash in standing {
            let is_former = besides.contains(hash) || self.former.contains(hash);
            let is_former = is_former || in_limbo(title, hash);
            if !wanted.contains(hash) && !is_former {
                let file = self.contents.get(hash);
                left.push(format!(
                    "too much in {title}: {}",
                    file.map_or(hash, String::as_str)
                ));
            }
        }
        left
    }
}

/// What should have left [`OUT`], and what is not where it should have gone.
fn still_out(disk: &Disk) -> Vec<String> {
    let mut left = Vec::new();
    let mut here = Vec::new();
    let out = disk.base.join(OUT);
    walk(&out, &mut here);
    let target = match &disk.goes {
        Goes::Beside(folder) => Some(folder.as_path()),
        Goes::Away(folder) => Some(folder.path()),
        Goes::Nowhere => None,
    };
    for file in here {
        let name = file.strip_prefix(&out).unwrap();
        // Nothing is overwritten: what was put there after the first had gone stays.
        let is_taken = target.is_some_and(|target| target.join(name).exists());
        if !is_taken {
            left.push(format!("still here: {}", file.display()));
        }
    }
    let Some(target) = target else { return left };
    let mut there = Vec::new();
    walk(target, &mut there);
    for file in &there {
        let put = disk.put_out.get(file.strip_prefix(target).unwrap());
        let put = put.unwrap_or_else(|| panic!("nobody put {} there", file.display()));
        let hash = sha256(&fs::read(file).unwrap());
        assert!(put.contains(&hash), "{} is damaged", file.display());
    }
    for name in disk.put_out.keys() {
        if !target.join(name).exists() && !out.join(name).exists() {
            left.push(format!("nowhere: {}", name.display()));
        }
    }
    left
}
