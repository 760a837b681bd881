//! A sandbox of one's own, and the plainest of clients for it: it knows no types, sends what it is
//! told, and checks nothing.

use photos_sandbox::{Options, Sandbox};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// A running sandbox and a signed-in client.
pub(crate) struct Stand {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
    pub(crate) token: String,
}

impl Stand {
    /// A sandbox that forgets all when it stops.
    pub(crate) async fn start() -> Self {
        Self::with(None).await
    }

    /// A sandbox that keeps what it has in a folder.
    pub(crate) async fn with(data_dir: Option<std::path::PathBuf>) -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let sandbox = Sandbox::start(Options { listen, data_dir }).await.unwrap();
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .unwrap();
        let mut stand = Self {
            sandbox,
            client,
            token: String::new(),
        };
        stand.sign_in().await;
        stand
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.url())
    }

    /// Takes a fresh access token.
    pub(crate) async fn sign_in(&mut self) {
        let form = [
            ("client_id", "c"),
            ("client_secret", "s"),
            ("grant_type", "refresh_token"),
            ("refresh_token", "any"),
        ];
        let request = self.client.post(self.url("/token")).form(&form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap_or("");
        token.clone_into(&mut self.token);
    }

    /// A request with the bearer's token.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.url(path);
        self.client.request(method, url).bearer_auth(&self.token)
    }

    /// Status and JSON of a GET.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        both(self.request(Method::GET, path).send().await.unwrap()).await
    }

    /// Status and JSON of a POST.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        both(
            self.request(Method::POST, path)
                .json(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// Status and JSON of a PATCH.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> (u16, Value) {
        both(
            self.request(Method::PATCH, path)
                .json(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// The request of a raw upload.
    pub(crate) fn raw_upload(&self, bytes: Vec<u8>) -> RequestBuilder {
        self.request(Method::POST, "/v1/uploads")
            .header("content-type", "application/octet-stream")
            .header("x-goog-upload-content-type", "image/jpeg")
            .header("x-goog-upload-protocol", "raw")
            .body(bytes)
    }

    /// The token of a raw upload.
    pub(crate) async fn upload(&self, bytes: Vec<u8>) -> String {
        let response = self.raw_upload(bytes).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    }

    /// Creates items from bytes with names, in an album if `more` says so.
    pub(crate) async fn create(&self, files: &[(&str, Vec<u8>)], more: Value) -> (u16, Value) {
        let mut items = Vec::new();
        for (name, bytes) in files {
            items.push(new_item(&self.upload(bytes.clone()).await, name));
        }
        self.create_items(items, more).await
    }

    /// Creates items from what was uploaded before.
    pub(crate) async fn create_items(&self, items: Vec<Value>, more: Value) -> (u16, Value) {
        let mut body = more;
        body["newMediaItems"] = items.into();
        self.post("/v1/mediaItems:batchCreate", &body).await
    }

    /// The id of a new album.
    pub(crate) async fn album(&self, title: &str) -> String {
        let body = json!({"album": {"title": title}});
        let (status, album) = self.post("/v1/albums", &body).await;
        assert_eq!(status, 200, "{album}");
        album["id"].as_str().unwrap().to_owned()
    }

    /// Sends a script.
    pub(crate) async fn script(&self, script: Value) -> Value {
        let request = self.client.post(self.url("/sandbox/faults")).json(&script);
        let (status, answer) = both(request.send().await.unwrap()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn state(&self) -> Value {
        self.get("/sandbox/state").await.1
    }

    /// The names of the rules that were broken.
    pub(crate) async fn broken_rules(&self) -> Vec<String> {
        let state = self.state().await;
        let rules = state["broken_rules"].as_array().unwrap();
        rules
            .iter()
            .map(|rule| rule["rule"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The file names in an album, in order.
    pub(crate) async fn names_in(&self, title: &str) -> Vec<String> {
        let state = self.state().await;
        let albums = state["albums"].as_array().unwrap();
        let album = albums.iter().find(|album| album["title"] == title).unwrap();
        let name_of = |id: &Value| {
            let items = state["items"].as_array().unwrap();
            let item = items.iter().find(|item| item["id"] == *id).unwrap();
            item["filename"].as_str().unwrap().to_owned()
        };
        album["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(name_of)
            .collect()
    }
}

/// One entry of `newMediaItems`.
pub(crate) fn new_item(token: &str, name: &str) -> Value {
    json!({"simpleMediaItem": {"uploadToken": token, "fileName": name}})
}

/// Status and body; a body that is no JSON comes as text.
pub(crate) async fn both(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, value)
}

/// The ids of the items that a batchCreate made.
pub(crate) fn ids(answer: &Value) -> Vec<String> {
    let results = answer["newMediaItemResults"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["mediaItem"]["id"].as_str().unwrap_or("").to_owned())
        .collect()
}
