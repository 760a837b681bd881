//! A folder of pictures about which somebody writes: words beside them, that come, change and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::{
    hash::sha256,
    support::{home::Home, media::photo},
};

/// Where programs put their words: behind the name, for its end, and as Takeout of old and of today.
const PLACES: [&str; 4] = [
    "jpg.xmp",
    "xmp",
    "jpg.json",
    "jpg.supplemental-metadata.json",
];

/// One picture and its words.
#[derive(Debug)]
struct Picture {
    hash: String,
    /// Where its words stand, as the end of its name.
    place: &'static str,
    now: Option<String>,
    /// All that was ever said.
    ever: BTreeSet<String>,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Said {
    folder: PathBuf,
    pictures: BTreeMap<String, Picture>,
}

impl Said {
    pub(crate) fn new(home: &mut Home) -> Self {
        home.folder("said", "album = 'name:Said'\ndescription = 'sidecar'");
        Self {
            folder: home.path("said"),
            pictures: BTreeMap::new(),
        }
    }

    /// A new picture, most with words; gives its bytes.
    pub(crate) fn picture(&mut self, n: u64, rng: &mut Rng) -> Vec<u8> {
        let stem = format!("SAID_{}", n % 1_000_000);
        let bytes = photo(n);
        let picture = Picture {
            hash: sha256(&bytes),
            place: rng.choice(PLACES).unwrap(),
            now: None,
            ever: BTreeSet::new(),
        };
        self.pictures.insert(stem.clone(), picture);
        // Words come first, or after.
        if rng.bool() {
            self.write(&stem, n);
        }
        fs::write(self.folder.join(format!("{stem}.jpg")), &bytes).unwrap();
        if rng.bool() {
            self.write(&stem, n + 1);
        }
        bytes
    }

    /// Somebody writes about a picture, or takes the words away.
    pub(crate) fn something(&mut self, n: u64, rng: &mut Rng) {
        let stems: Vec<String> = self.pictures.keys().cloned().collect();
        let Some(stem) = rng.choice(stems) else {
            return;
        };
        let picture = self.pictures.get_mut(&stem).unwrap();
        if picture.now.is_some() && rng.u8(0..6) == 0 {
            picture.now = None;
            let sidecar = self.folder.join(format!("{stem}.{}", picture.place));
            fs::remove_file(sidecar).unwrap();
        } else {
            self.write(&stem, n);
        }
    }

    fn write(&mut self, stem: &str, n: u64) {
        let picture = self.pictures.get_mut(stem).unwrap();
        let words = format!("Grandma's {n}th — “with \u{e1}”");
        let path = self.folder.join(format!("{stem}.{}", picture.place));
        let text = if picture.place.contains("json") {
            takeout(&format!("{stem}.jpg"), &words)
        } else {
            xmp(&words)
        };
        fs::write(path, text).unwrap();
        picture.ever.insert(words.clone());
        picture.now = Some(words);
    }

    /// The pictures of its album: all of them.
    pub(crate) fn hashes(&self) -> BTreeSet<String> {
        let pictures = self.pictures.values();
        pictures.map(|picture| picture.hash.clone()).collect()
    }

    /// What the service does not say as it should.
    pub(crate) fn left(&self, library: &Value) -> Vec<String> {
        let items = library["items"].as_array().unwrap();
        let said: BTreeMap<&str, &str> = items
            .iter()
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap();
                (text("sha256"), text("description"))
            })
            .collect();
        let mut left = Vec::new();
        for (stem, picture) in &self.pictures {
            let Some(says) = said.get(picture.hash.as_str()) else {
                left.push(format!("not there: said/{stem}.jpg"));
                continue;
            };
            let is_right = match &picture.now {
                Some(words) => says == words,
                // What was taken away takes nothing back.
                None => says.is_empty() || picture.ever.contains(*says),
            };
            if !is_right {
                left.push(format!("{stem} says {says:?} and not {:?}", picture.now));
            }
        }
        left
    }
}

fn xmp(description: &str) -> String {
    format!(
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'>
         <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
         <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:description><rdf:Alt>
         <rdf:li xml:lang='x-default'>{description}</rdf:li></rdf:Alt></dc:description></rdf:Description>
         </rdf:RDF></x:xmpmeta>"
    )
}

fn takeout(title: &str, description: &str) -> String {
    let time = json!({"timestamp": "1714558272", "formatted": "May 1, 2024, 10:11:12 AM UTC"});
    json!({"title": title, "description": description, "photoTakenTime": time}).to_string()
}
