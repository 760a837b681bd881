//! Whose rules decide: those of the folder that a file belongs to at the moment when it would go.

use crate::{below, configure, explained, home, kept_so_far, support::media::photo};

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

#[tokio::test]
async fn a_backfill_of_some_paths_lets_go_only_what_is_in_them() {
    let home = kept_so_far(&["photos/a", "photos/b", "photos/a", "photos/a"]).await;
    configure(
        &home,
        "[[folder]]\npath = 'photos'\nafter_upload = 'delete'\n",
    );
    let (one, folder) = (home.path("photos/a/p2.jpg"), home.path("photos/a"));
    let (one, folder) = (one.to_str().unwrap(), folder.to_str().unwrap());
    home.run(&["backfill", one]).await.expect(0);
    assert_eq!(below(&home, "photos"), ["a/p0.jpg", "a/p3.jpg", "b/p1.jpg"]);
    let said = home.run(&["backfill", "--dry-run", folder]).await.expect(0);
    assert!(said.stdout.contains("2  deleted from"), "{}", said.stdout);
    home.run(&["backfill", folder]).await.expect(0);
    assert_eq!(below(&home, "photos"), ["b/p1.jpg"]);
    // What rested goes with all the others.
    home.backfill().await;
    assert_eq!(below(&home, "photos"), Vec::<String>::new());
}

#[tokio::test]
async fn a_backfill_of_some_paths_does_not_wait_for_the_others() {
    let mut home = home("after_upload = 'delete'").await;
    home.set("verify.after", "'2h'");
    home.taken("photos/b/late.jpg", 1, &photo(1));
    home.run(&["backfill", "--no-wait"]).await.expect(5);
    home.taken("photos/a/now.jpg", 2, &photo(2));
    home.set("verify.after", "'0s'");
    let folder = home.path("photos/a");
    home.run(&["backfill", folder.to_str().unwrap()])
        .await
        .expect(0);
    assert_eq!(below(&home, "photos"), ["b/late.jpg"]);
}
