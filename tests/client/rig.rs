//! A client that has signed in to a sandbox of its own, and what it sends.

use std::{fs::File, io::Write as _, path::Path, sync::Arc};

use albumen::{
    clock::Clock,
    model::ids::{AlbumId, MediaItemId, UploadToken},
    photos_api::{
        Auth, AuthFiles, Bandwidth, Call, Client, Endpoints, Error, FileBody, Login, Settings,
        Timeouts,
        wire::{BatchCreated, NewItem, Position},
    },
};
use photos_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

/// A sandbox, and a client that has signed in to it in a folder of its own.
pub(crate) struct Rig {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: None,
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let at = |path: &str| format!("{}{path}", sandbox.url()).parse().unwrap();
        let settings = Settings {
            endpoints: Endpoints {
                api: at(""),
                auth: at("/o/oauth2/v2/auth"),
                token: at("/token"),
                revoke: at("/revoke"),
            },
            parallel: 4,
            timeouts: Timeouts::default(),
        };
        let dir = tempfile::tempdir().unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        let auth = signed_in(&settings, dir.path(), &http).await;
        Self {
            client: Client::new(&settings, auth).unwrap(),
            sandbox,
            http,
            _dir: dir,
        }
    }

    pub(crate) async fn faults(&self, script: Value) {
        let url = format!("{}/sandbox/faults", self.sandbox.url());
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json");
        let response = request.body(script.to_string()).send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{}", response.text().await.unwrap());
    }

    pub(crate) async fn rule(&self, method: &str, action: Value) {
        self.faults(json!({"rules": [{"method": method, "action": action}]}))
            .await;
    }

    pub(crate) async fn state(&self) -> Value {
        let url = format!("{}/sandbox/state", self.sandbox.url());
        let text = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn upload(&self, content: &[u8]) -> Result<UploadToken, Error> {
        self.client
            .upload_raw("image/png", whole(&file(content)))
            .await
    }

    pub(crate) async fn create(
        &self,
        names: &[&str],
        album: Option<(&AlbumId, Position)>,
    ) -> Vec<MediaItemId> {
        let mut items = Vec::new();
        for name in names {
            items.push(NewItem {
                upload_token: self.upload(&picture(name)).await.unwrap(),
                file_name: (*name).to_owned(),
                description: None,
            });
        }
        let answer = self
            .client
            .send(&Call::batch_create(&items, album))
            .await
            .unwrap();
        let results = answer
            .parse::<BatchCreated>()
            .unwrap()
            .new_media_item_results;
        items
            .iter()
            .map(|item| {
                let mut results = results.iter();
                let result = results.find(|result| result.upload_token == item.upload_token);
                result.unwrap().created().unwrap().id.clone()
            })
            .collect()
    }
}

/// Signs in as a user does, with a browser that follows redirects.
async fn signed_in(settings: &Settings, dir: &Path, browser: &reqwest::Client) -> Auth {
    let files = AuthFiles {
        client_secret: dir.join("client_secret.json"),
        token: dir.join("state/token.json"),
    };
    let secret = json!({"installed": {"client_id": "c", "client_secret": "s"}});
    std::fs::write(&files.client_secret, secret.to_string()).unwrap();
    let auth = Auth::new(settings, files, Clock::system()).unwrap();
    let login = Login::begin(&auth).await.unwrap();
    let visit = browser.get(login.address().clone()).send();
    let (granted, page) = tokio::join!(login.finish(None), visit);
    granted.unwrap();
    assert!(
        page.unwrap()
            .text()
            .await
            .unwrap()
            .contains("You are signed in")
    );
    auth
}

/// A picture of one pixel, made unlike others by what follows its end.
pub(crate) fn picture(name: &str) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82".to_vec();
    png.extend_from_slice(name.as_bytes());
    png
}

pub(crate) fn file(content: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

pub(crate) fn whole(file: &Arc<File>) -> FileBody {
    stretch(file, 0, file.metadata().unwrap().len())
}

pub(crate) fn stretch(file: &Arc<File>, offset: u64, size: u64) -> FileBody {
    let (hasher, bandwidth) = (blake3::Hasher::new(), Bandwidth::unlimited());
    FileBody::new(
        Arc::clone(file),
        offset,
        size,
        hasher,
        Arc::default(),
        bandwidth,
    )
}
