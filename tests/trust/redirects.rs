//! Whoever answers with a redirect gets no second request, least of all one with a token.

use serde_json::json;

use super::{
    headline,
    support::{between::Between, home::Home, media::video},
};

/// What can be sent elsewhere: bytes, the beginning of a session, a session, the creation of items and of
/// an album, a question, and the sign-in.
const TARGETS: [&str; 5] = [
    "/v1/uploads",
    "upload_id=",
    ":batchCreate",
    "/v1/albums",
    "/token",
];

#[tokio::test]
async fn a_redirect_is_not_followed_and_told_with_its_remedy() {
    for (n, target) in TARGETS.into_iter().enumerate() {
        let status = [302, 307, 308][n % 3];
        let mut home = Home::with_folder("album = 'name:Rome'").await;
        home.set("upload.resumable_above", "'1kB'");
        let between = Between::before(Some(home.sandbox.address()));
        let elsewhere = Between::before(None);
        home.set("api.endpoint", &format!("'http://{}'", between.address));
        home.set(
            "api.token_url",
            &format!("'http://{}/token'", between.address),
        );
        let mut files = home.photos("photos", 2);
        files.push(home.taken("photos/v.mp4", 9, &video(1, 300_000)));
        let there = format!("http://{}/page?of=what-was-asked", elsewhere.address);
        between.redirects(target, status, &there);
        let daemon = home.daemon().await;
        home.until_status("it is noticed", |status| {
            status["account"]["state"] == "unreachable"
        })
        .await;
        let said = headline(&home).await;
        let place = format!("http://{}", elsewhere.address);
        assert!(
            said.contains(&format!(
                "the service cannot be reached (HTTP {status}): the answer is a redirect to {place}, which is not followed"
            )) && said.contains("\nhint: open any page in a browser here"),
            "{target}: {said}"
        );
        assert_eq!(elsewhere.heard(), Vec::<String>::new(), "{target}");
        between.redirects_nothing();
        super::all_there_by_daemon(&home, &files).await;
        assert_eq!(elsewhere.heard(), Vec::<String>::new(), "{target}");
        assert_eq!(home.status().await["failures"], json!([]));
        daemon.stop().await.expect(0);
    }
}

#[tokio::test]
async fn giving_the_access_back_is_not_redirected_either() {
    let mut home = Home::new().await;
    let between = Between::before(Some(home.sandbox.address()));
    let elsewhere = Between::before(None);
    home.set(
        "api.revoke_url",
        &format!("'http://{}/revoke'", between.address),
    );
    let there = format!("http://{}/", elsewhere.address);
    between.redirects("/revoke", 307, &there);
    let ran = home.run(&["logout"]).await;
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("which is not followed"), "{ran:?}");
    assert!(ran.stderr.contains("hint: "), "{ran:?}");
    assert_eq!(elsewhere.heard(), Vec::<String>::new());
    assert!(home.path("state/token.json").exists());
}
