//! The person's disk: folders under rules, and what people do to files.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    thread::JoinHandle,
    time::Duration,
};

use fastrand::Rng;

use crate::support::{
    home::{Home, set_taken},
    media::{photo, video},
};

/// Folders of the configuration with their rules; in `trips` every folder is an album.
const FOLDERS: [(&str, &str); 4] = [
    ("trips", "album = 'folder'\non_delete = 'remove-from-album'"),
    ("wall", "album = 'name:Wall'\norder = 'name'"),
    ("plain", "on_edit = 'upload'"),
    ("out", "after_upload = 'move:moved'"),
];

/// Where files of `out` go once they were read back.
const MOVED: &str = "moved";

/// Names of albums below `trips`.
const TRIPS: [&str; 4] = ["Crete", "Rome", "Wien ä", "it's \"one\" %41"];

pub(crate) struct Disk {
    base: PathBuf,
    n_made: u64,
    writers: Vec<JoinHandle<()>>,
    /// A file was changed, or may have been taken before it was whole: what it held before stays in
    /// its album.
    pub(crate) edited: bool,
}

impl Disk {
    pub(crate) fn new(home: &mut Home, rng: &mut Rng) -> Self {
        for (name, rules) in FOLDERS {
            home.folder(name, rules);
        }
        fs::create_dir(home.path(MOVED)).unwrap();
        let mut disk = Self {
            base: home.path(""),
            n_made: rng.u64(..) >> 8,
            writers: Vec::new(),
            edited: false,
        };
        for _ in 0..rng.u32(10..40) {
            disk.create(rng);
        }
        disk
    }

    /// Something happens.
    pub(crate) fn change(&mut self, rng: &mut Rng) {
        match rng.u8(0..20) {
            0..9 => self.create(rng),
            9..11 => self.write_slowly(rng),
            11..13 => self.copy(rng),
            13..16 => self.rename(rng),
            16..17 => self.edit(rng),
            17..18 => self.touch(rng),
            18..19 => self.delete(rng),
            _ => self.rename_folder(rng),
        }
    }

    /// All that was begun is written.
    pub(crate) fn finish(&mut self) {
        for writer in self.writers.drain(..) {
            writer.join().unwrap();
        }
    }

    /// All files, sorted.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for folder in FOLDERS.map(|(folder, _)| folder).into_iter().chain([MOVED]) {
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
            8..9 => "plain/a/b".to_owned(),
            _ if rng.bool() => "plain".to_owned(),
            _ => "out".to_owned(),
        };
        let kind = if rng.u8(0..8) == 0 { "mp4" } else { "jpg" };
        let path = self.base.join(folder).join(format!("IMG_{n}.{kind}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn content(&mut self, path: &Path, rng: &mut Rng) -> Vec<u8> {
        self.n_made += 1;
        if path.extension().is_some_and(|extension| extension == "mp4") {
            video(self.n_made, rng.usize(1_000..200_000))
        } else {
            photo(self.n_made)
        }
    }

    fn create(&mut self, rng: &mut Rng) {
        let path = self.some_place(rng);
        let bytes = self.content(&path, rng);
        fs::write(&path, bytes).unwrap();
        if rng.bool() {
            set_taken(&path, rng.u64(0..10_000));
        }
    }

    /// As a camera or a slow copy does it.
    fn write_slowly(&mut self, rng: &mut Rng) {
        self.edited = true;
        let path = self.some_place(rng);
        let bytes = self.content(&path, rng);
        let step = (bytes.len() / 4).max(1);
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
        // `out` is left to Albumen: a folder whose last file was taken away is one that is not there.
        let left_alone = [MOVED, "out"].map(|folder| self.base.join(folder));
        let mut files = self.files();
        files.retain(|file| !left_alone.iter().any(|folder| file.starts_with(folder)));
        rng.choice(files)
    }

    fn copy(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            let to = self
                .some_place(rng)
                .with_extension(file.extension().unwrap());
            fs::copy(file, to).unwrap();
        }
    }

    fn rename(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            let to = self
                .some_place(rng)
                .with_extension(file.extension().unwrap());
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
            let bytes = self.content(&file, rng);
            fs::write(file, bytes).unwrap();
            self.edited = true;
        }
    }

    fn touch(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            set_taken(&file, rng.u64(0..10_000));
            self.edited = true;
        }
    }

    fn delete(&mut self, rng: &mut Rng) {
        if let Some(file) = self.some_file(rng) {
            fs::remove_file(file).unwrap();
        }
    }
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if !path.to_string_lossy().ends_with(".part") {
            files.push(path);
        }
    }
}
