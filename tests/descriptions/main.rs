//! `description = "sidecar"`: what people wrote beside and inside of their pictures, from the built
//! program to the service, and what they change later.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that uses it"
)]

#[path = "../support/mod.rs"]
mod support;

mod later;
mod sources;

use std::{collections::BTreeMap, fs};

use serde_json::json;

use support::{child::Running, home::Home, library::Library};

const PATCH: &str = "mediaItems.patch";
const CREATE: &str = "mediaItems.batchCreate";
const RULES: &str = "album = 'folder'\ndescription = 'sidecar'";

/// A picture or video as real programs write it; tests/data/README.md tells what is in each.
fn real(name: &str) -> Vec<u8> {
    fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/").to_owned() + name).unwrap()
}

fn xmp(description: &str) -> Vec<u8> {
    format!(
        "<?xpacket begin='\u{feff}' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
         <rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
         <rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:description><rdf:Alt>
         <rdf:li xml:lang='x-default'>{description}</rdf:li></rdf:Alt></dc:description></rdf:Description>
         </rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
    )
    .into_bytes()
}

fn takeout(title: &str, description: &str) -> Vec<u8> {
    let time = json!({"timestamp": "1714558272", "formatted": "May 1, 2024, 10:11:12 AM UTC"});
    json!({"title": title, "description": description, "imageViews": "0", "creationTime": time,
        "photoTakenTime": time, "url": "https://photos.google.com/photo/x"})
    .to_string()
    .into_bytes()
}

/// The descriptions that the service has, by file name.
fn described(library: &Library) -> BTreeMap<String, String> {
    let items = library.0["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            let text = |name: &str| item[name].as_str().unwrap().to_owned();
            (text("filename"), text("description"))
        })
        .collect()
}

fn says(library: &Library, name: &str, text: &str) -> bool {
    described(library)
        .get(name)
        .is_some_and(|said| said == text)
}

async fn until_says(home: &Home, name: &str, text: &str) -> Library {
    let what = format!("{name} says {text:?}");
    home.until(&what, |library| says(library, name, text)).await
}

/// A home with pictures and sidecars that are up, and a daemon that runs on it.
async fn running(files: &[(&str, Vec<u8>)]) -> (Home, Running) {
    let home = Home::with_folder(RULES).await;
    let mut n = 0;
    for (name, bytes) in files {
        home.write(format!("photos/{name}"), bytes);
        n += usize::from(bytes.starts_with(b"\xff\xd8"));
    }
    let daemon = home.daemon().await;
    home.until_status("all is up", |status| status["items"]["created"] == n)
        .await;
    (home, daemon)
}

async fn stop(home: &Home, daemon: Running) -> Library {
    daemon.stop().await.expect(0);
    let library = home.library().await;
    home.clean(&library).await;
    library
}
