//! The service of a [`Home`]: what it has, and how it is put into trouble.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    discovery,
    home::{Home, LOOK, PATIENCE},
    library::Library,
};

/// The first wait after a 429 in these tests, in milliseconds; the service is told to expect no more.
pub(crate) const RATE_LIMIT_MS: u64 = 50;

impl Home {
    /// What the service has.
    pub(crate) async fn library(&self) -> Library {
        Library(self.get("/sandbox/state").await)
    }

    /// Waits until the service has what is asked for.
    pub(crate) async fn until(&self, what: &str, has: impl Fn(&Library) -> bool) -> Library {
        let since = tokio::time::Instant::now();
        loop {
            let library = self.library().await;
            if has(&library) {
                return library;
            }
            assert!(since.elapsed() < PATIENCE, "{what}: never; {library:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends a script to the service.
    pub(crate) async fn script(&self, script: Value) {
        let url = format!("{}/sandbox/faults", self.sandbox.url());
        let answer = self.http.post(url).json(&script).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{}", answer.text().await.unwrap());
    }

    /// One rule of a script.
    pub(crate) async fn fault(&self, method: &str, times: Option<u64>, action: Value) {
        let rule = json!({"method": method, "times": times, "action": action});
        self.script(json!({"rules": [rule]})).await;
    }

    /// One command to the service.
    pub(crate) async fn command(&self, command: Value) {
        self.script(json!({"commands": [command]})).await;
    }

    /// Takes all faults back; the hurry stays.
    pub(crate) async fn no_faults(&self) {
        let url = format!("{}/sandbox/faults", self.sandbox.url());
        let answer = self.http.delete(url).send().await.unwrap();
        assert!(answer.status().is_success());
        let scale = RATE_LIMIT_MS as f64 / 30_000.0;
        self.script(json!({"settings": {"rate_limit_scale": scale}}))
            .await;
    }

    /// What has to be true at the end of every test: the service has exactly these files' bytes, each
    /// once; no rule was broken; every call is as the service documents it.
    pub(crate) async fn all_there(&self, files: &[PathBuf]) -> Library {
        let library = self.library().await;
        library.has_exactly(files);
        self.clean(&library).await;
        library
    }

    /// No rule was broken, and every call is as the service documents it.
    pub(crate) async fn clean(&self, library: &Library) {
        assert_eq!(library.broken_rules(), Vec::<String>::new());
        let mut records = self.get("/sandbox/requests").await;
        for record in records.as_array_mut().unwrap() {
            // What a script damaged is not the service's answer.
            if record["answer"].is_string() {
                record["answer"] = Value::Null;
            }
        }
        let faults = discovery::check_records(&records);
        assert_eq!(faults, Vec::<String>::new());
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.sandbox.url());
        let answer = self.http.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }
}
