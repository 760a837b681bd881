//! Whose rules decide: those of the folder that a file belongs to at the moment when it would go.

use std::fs;

use crate::{
    below, explained, home,
    support::{home::Home, media::photo},
};

/// Other folders in the configuration of a home.
fn configure(home: &Home, folders: &str) {
    let text = fs::read_to_string(home.path("config.toml")).unwrap();
    let head = text.find("[[folder]]").unwrap();
    fs::write(
        home.path("config.toml"),
        format!("{}{folders}", &text[..head]),
    )
    .unwrap();
}

/// Months ago, with no word of `after_upload`.
async fn kept_so_far(folders: &[&str]) -> Home {
    let home = home("").await;
    for (n, folder) in (0..).zip(folders) {
        home.taken(format!("{folder}/p{n}.jpg"), n, &photo(n));
    }
    let daemon = home.daemon().await;
    home.until_status("verified", |status| {
        status["items"]["verified"] == folders.len()
    })
    .await;
    daemon.stop().await.expect(0);
    home
}

#[tokio::test]
async fn what_a_new_configuration_leaves_out_or_keeps_stays() {
    for is_daemon in [true, false] {
        let home = kept_so_far(&["photos", "photos/Raw", "photos/Family", "photos/Deep/er"]).await;
        configure(
            &home,
            "[[folder]]\npath = 'photos'\nafter_upload = 'delete'\nexclude = ['Raw/', 'p3*']\n\
             [[folder]]\npath = 'photos/Family'\nafter_upload = 'keep'\n",
        );
        if is_daemon {
            let daemon = home.daemon().await;
            home.until_status("deleted", |status| status["after_upload"]["done"] == 1)
                .await;
            home.until_status("looked at", |status| status["after_upload"]["waiting"] == 0)
                .await;
            daemon.stop().await.expect(0);
        } else {
            home.backfill().await;
            let said = explained(&home, &home.path("photos/Raw/p1.jpg")).await;
            let reason = "The file stays where it is: the rules of its folder leave it out.";
            assert!(said.contains(reason), "{said}");
        }
        assert_eq!(
            below(&home, "photos"),
            ["Deep/er/p3.jpg", "Family/p2.jpg", "Raw/p1.jpg"],
            "daemon: {is_daemon}"
        );
    }
}
