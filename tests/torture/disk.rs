//! The person's disk: folders under rules, what people do to files, and what ever was in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

use fastrand::Rng;
use tempfile::TempDir;

use crate::{
    hash::sha256,
    said::Said,
    support::{
        home::{Home, set_taken},
        media::{photo, video},
    },
};

/// Folders of the configuration with their rules; in `trips` every folder is an album. [`OUT`] and
/// `said` come to them.
const FOLDERS: [(&str, &str); 3] = [
    ("trips", "album = 'folder'\non_delete = 'remove-from-album'"),
    ("wall", "album = 'name:Wall'\norder = 'name'"),
    ("plain", "on_edit = 'upload'"),
];

/// The folder whose files go once they were read back.
pub(crate) const OUT: &str = "out";

/// Names of albums below `trips`.
const TRIPS: [&str; 4] = ["Crete", "Rome", "Wien ä", "it's \"one\" %41"];

/// Where files of [`OUT`] go.
#[derive(Debug)]
pub(crate) enum Goes {
    /// To a folder beside it.
    Beside(PathBuf),
    /// To another file system.
    Away(TempDir),
    /// Nowhere: they are deleted.
    Nowhere,
}

pub(crate) struct Disk {
    pub(crate) base: PathBuf,
    pub(crate) goes: Goes,
    /// What was ever put into [`OUT`], by its path there, the newest last.
    pub(crate) put_out: BTreeMap<PathBuf, Vec<String>>,
    pub(crate) said: Said,
    /// What files held before they were edited, and what those held that were written slowly.
    pub(crate) former: BTreeSet<String>,
    /// What ever was in `wall`, whose album keeps what was deleted.
    pub(crate) on_the_wall: BTreeSet<String>,
    /// What was ever there to be sent, by the service's hash; and the program's.
    pub(crate) ever: BTreeMap<String, Vec<u8>>,
    n_made: u64,
    writers: Vec<JoinHandle<()>>,
}

impl Disk {
    pub(crate) fn new(home: &mut Home, goes: Goes, rng: &mut Rng) -> Self {
        for (name, rules) in FOLDERS {
            home.folder(name, rules);
        }
        let target = match &goes {
            Goes::Beside(folder) => Some(folder.clone()),
            Goes::Away(folder) => Some(folder.path().to_owned()),
            Goes::Nowhere => None,
        };
        if let Some(folder) = &target {
            fs::create_dir_all(folder).unwrap();
        }
        let after = match &target {
            Some(folder) => format!("move:{}", folder.to_str().unwrap()),
            None => "delete".to_owned(),
        };
        let album = if rng.bool() { "album = 'name:Out'" } else { "" };
        home.folder(OUT, &format!("after_upload = '{after}'\n{album}"));
        let mut disk = Self {
            base: home.path(""),
            goes,
            put_out: BTreeMap::new(),
            said: Said::new(home),
            former: BTreeSet::new(),
            on_the_wall: BTreeSet::new(),
            ever: BTreeMap::new(),
            n_made: rng.u64(..) >> 8,
            writers: Vec::new(),
        };
        for _ in 0..rng.u32(10..40) {
            disk.create(rng);
        }
        disk
    }

    /// Where files of [`OUT`] go, by the seed: every third time one that another way of going is for.
    pub(crate) fn some_goes(home: &Home, rng: &mut Rng) -> Goes {
        match rng.u8(0..3) {
            0 => Goes::Nowhere,
            1 => Goes::away().unwrap_or_else(|| Goes::beside(home)),
            _ => Goes::beside(home),
        }
    }

    /// Something happens.
    pub(crate) fn change(&mut self, rng: &mut Rng) {
        match rng.u8(0..24) {
            0..9 => self.create(rng),
            9..11 => self.write_slowly(rng),
            11..13 => self.copy(rng),
            13..16 => self.rename(rng),
            16 => self.edit(rng),
            17 => self.touch(rng),
            18 => self.delete(rng),
            19 => self.rename_folder(rng),
            20 => self.edit_what_goes(rng),
            _ => self.say(rng),
        }
    }

    /// All that was begun is written.
    pub(crate) fn finish(&mut self) {
        for writer in self.writers.drain(..) {
            writer.join().unwrap();
        }
    }

    /// All files of the folders whose files stay, sorted.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for (folder, _) in FOLDERS {
            walk(&self.base.join(folder), &mut files);
        }
        files.sort();
        files
    }

    /// Which files each album shall hold.
    pub(crate) fn albums(&self) -> BTreeMap<String, BTreeSet<PathBuf>> {
        let mut albums: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
        for file in self.files() {
            let relative = file.strip_prefix(&self.base).unwrap();
            let title = match relative.components().next().unwrap().as_os_str().to_str() {
                Some("trips") => {
                    let folder = file.parent().unwrap().file_name().unwrap();
                    folder.to_str().unwrap().to_owned()
                }
                Some("wall") => "Wall".to_owned(),
                _ => continue,
            };
            albums.entry(title).or_default().insert(file);
        }
        albums
    }

    fn some_place(&mut self, rng: &mut Rng) -> PathBuf {
        self.n_made += 1;
        let n = self.n_made % 1_000_000;
        let folder = match rng.u8(0..10) {
            0..6 => format!("trips/{}", rng.choice(TRIPS).unwrap()),
            6..8 => "wall".to_owned(),
            8 => "plain/a/b".to_owned(),
            _ => "plain".to_owned(),
        };
        let kind = if rng.u8(0..8) == 0 { "mp4" } else { "jpg" };
        let path = self.base.join(folder).join(format!("IMG_{n}.{kind}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn content(&mut self, path: &Path, rng: &mut Rng) -> Vec<u8> {
        self.n_made += 1;
        if path.extension().is_some_and(|extension| extension == "mp4") {
            let most = if rng.u8(0..4) == 0 { 900_000 } else { 200_000 };
            video(self.n_made, rng.usize(1_000..most))
        } else {
            photo(self.n_made)
        }
    }

    /// These bytes stand there from now on.
    fn stands(&mut self, path: &Path, bytes: &[u8]) {
        let hash = sha256(bytes);
        if path.starts_with(self.base.join("wall")) {
            self.on_the_wall.insert(hash.clone());
        }
        let own = blake3::hash(bytes).as_bytes().to_vec();
        self.ever.insert(hash, own);
    }

    fn create(&mut self, rng: &mut Rng) {
        if rng.u8(0..8) == 0 {
            return self.put_out(rng);
        }
        if rng.u8(0..8) == 0 {
            self.n_made += 1;
            let bytes = self.said.picture(self.n_made, rng);
            let folder = self.base.join("said");
            return self.stands(&folder, &bytes);
        }
        let path = self.some_place(rng);
        let bytes = self.content(&path, rng);
        fs::write(&path, &bytes).unwrap();
        self.stands(&path, &bytes);
        if rng.bool() {
            set_taken(&path, rng.u64(0..10_000));
        }
    }

    /// A new file that is to go.
    pub(crate) fn put_out(&mut self, rng: &mut Rng) {
        self.n_made += 1;
        let kind = if rng.u8(0..3) == 0 { "mp4" } else { "jpg" };
        let folder = *rng.choice(&["", "2024", "2024/May"]).unwrap();
        let name = PathBuf::from(folder).join(format!("OUT_{}.{kind}", self.n_made % 1_000_000));
        self.put(name, rng);
    }

    /// Puts a file into [`OUT`] whole, also over one that is there.
    fn put(&mut self, name: PathBuf, rng: &mut Rng) {
        let path = self.base.join(OUT).join(&name);
        let bytes = self.content(&path, rng);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let part = path.with_extension("part");
        fs::write(&part, &bytes).unwrap();
        fs::rename(part, &path).unwrap();
        self.stands(&path, &bytes);
        self.put_out.entry(name).or_default().push(sha256(&bytes));
    }

    /// Whoever edits a file that is about to go may find it gone, and leaves it so.
    fn edit_what_goes(&mut self, rng: &mut Rng) {
        let names: Vec<PathBuf> = self.put_out.keys().cloned().collect();
        if let Some(name) = rng.choice(names)
            && self.base.join(OUT).join(&name).exists()
        {
            self.put(name, rng);
        }
    }

    /// As a camera or a slow copy does it.
    fn write_slowly(&mut self, rng: &mut Rng) {
        let path = self.some_place(rng);
        let bytes = self.content(&path, rng);
        let step = (bytes.len() / 4).max(1);
        let mut n = 0;
        for part in bytes.chunks(step) {
            n += part.len();
            self.stands(&path, &bytes[..n]);
            self.former.insert(sha256(&bytes[..n]));
        }
        self.writers.push(std::thread::spawn(move || {
            let mut file = fs::File::create(&path).unwrap();
            for part in bytes.chunks(step) {
                file.write_all(part).unwrap();
                std::thread::sleep(Duration::from_millis(60));
            }
        }));
    }

    fn some_file(&self, rng: &mut Rng) -> Option<PathBuf> {
        // A file that is being written is left alone, or its writer would not find it.
        if self.writers.iter().any(|writer| !writer.is_finished()) {
            return None;
        }
        rng.choice(self.files())
    }

    fn copy(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            let to = self
                .some_place(rng)
                .with_extension(file.extension().unwrap());
            let bytes = fs::read(file).unwrap();
            fs::write(&to, &bytes).unwrap();
            self.stands(&to, &bytes);
        }
    }

    fn rename(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            let to = self
                .some_place(rng)
                .with_extension(file.extension().unwrap());
            self.stands(&to, &fs::read(&file).unwrap());
            fs::rename(file, to).unwrap();
        }
    }

    fn rename_folder(&mut self, rng: &mut Rng) {
        if self.some_file(rng).is_none() {
            return;
        }
        let from = self.base.join("trips").join(rng.choice(TRIPS).unwrap());
        self.n_made += 1;
        let to = self.base.join(format!("trips/Trip {}", self.n_made % 1000));
        if from.exists() && !to.exists() {
            fs::rename(from, to).unwrap();
        }
    }

    fn edit(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            self.former.insert(sha256(&fs::read(&file).unwrap()));
            let bytes = self.content(&file, rng);
            self.stands(&file, &bytes);
            fs::write(file, bytes).unwrap();
        }
    }

    fn touch(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            // If it goes before it was looked at anew, nobody knows that it was no edit.
            self.former.insert(sha256(&fs::read(&file).unwrap()));
            set_taken(&file, rng.u64(0..10_000));
        }
    }

    fn delete(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            fs::remove_file(file).unwrap();
        }
    }

    fn say(&mut self, rng: &mut Rng) {
        self.n_made += 1;
        self.said.something(self.n_made, rng);
    }
}

impl Goes {
    pub(crate) fn beside(home: &Home) -> Self {
        let folder = home.path("moved");
        fs::create_dir_all(&folder).unwrap();
        Self::Beside(folder)
    }

    /// Another file system, where there is one that anybody can write to.
    pub(crate) fn away() -> Option<Self> {
        tempfile::tempdir_in("/dev/shm").ok().map(Self::Away)
    }
}

/// All files below a folder that are no unfinished ones.
pub(crate) fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if !path.to_string_lossy().ends_with(".part") {
            files.push(path);
        }
    }
}
