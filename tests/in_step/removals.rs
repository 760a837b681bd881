//! What is held, refused, lost or asked for by hand when photos leave their album.

use std::fs;

use serde_json::json;

use crate::{
    REMOVE, ends, in_step, made, photos_made,
    support::{
        home::{Home, names},
        media::photo,
    },
};

#[tokio::test]
async fn a_folder_that_vanishes_at_once_is_held_until_a_person_says_so() {
    let (home, daemon) = in_step().await;
    photos_made(&home, "photos/Crete", 120).await;
    let kept = home.taken("photos/Rome/r.jpg", 500, &photo(500));
    made(&home, 121).await;
    fs::remove_dir_all(home.path("photos/Crete")).unwrap();
    let status = home
        .until_status("they are held", |status| {
            status["placements"]["held"] == 120
        })
        .await;
    assert_eq!(status["placements"]["leaving"], 0);
    assert_eq!(home.library().await.calls(REMOVE), 0);
    let told = home.run(&["status"]).await.expect(0).stdout;
    assert!(
        told.contains(
            "held: 120 files gone from disk at once; their photos stay in their albums until you say so\n\
             hint: `albumen album remove --held` shows them, and with --yes takes them out; if the files come back, there is nothing to do\n"
        ),
        "{told}"
    );
    let ran = home.run(&["album", "remove", "--held"]).await.expect(0);
    assert!(
        ran.stdout.starts_with("out of \"Crete\": ")
            && ran
                .stdout
                .contains("and 100 more\n120 photos would leave, in 3 requests.")
            && ran.stdout.ends_with("hint: the same with --yes does it\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(home.status().await["placements"]["held"], 120);
    assert_eq!(home.library().await.calls(REMOVE), 0, "it was only shown");
    let ran = home.run(&["album", "remove", "--held", "--yes"]);
    let ran = ran.await.expect(0);
    assert_eq!(
        ran.stdout,
        "120 photos have left the album; in the library they stay\n"
    );
    let library = home.library().await;
    assert_eq!(library.names_in("Crete").len(), 0);
    assert_eq!(library.names_in("Rome"), names(&[kept]));
    assert_eq!(library.calls(REMOVE), 3);
    assert_eq!(library.n_items(), 121);
    ends(&home, daemon).await;
}

#[tokio::test]
async fn a_refused_removal_is_halved_until_the_culprit_is_alone_and_named() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 8).await;
    let id = home.library().await.0["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["filename"] == "p0003.jpg")
        .unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let refusal = json!({"answer": {"status": 400, "body": {"error": {"code": 400,
        "message": "Request contains an invalid media item id.", "status": "INVALID_ARGUMENT"}}},
        "only_with": id});
    home.fault(REMOVE, None, refusal).await;
    for file in &files[..6] {
        fs::remove_file(file).unwrap();
    }
    home.until("all but one have left", |library| {
        library.names_in("Crete") == ["p0003.jpg", "p0006.jpg", "p0007.jpg"]
    })
    .await;
    home.until_status("the culprit is known", |status| {
        status["placements"]["refused"] == 1
    })
    .await;
    let explained = home
        .run(&["explain".as_ref(), files[3].as_os_str()])
        .await
        .expect(0);
    assert!(
        explained
            .stdout
            .contains("the service would not take it out of the album"),
        "{}",
        explained.stdout
    );
    ends(&home, daemon).await;
}

#[tokio::test]
async fn what_a_person_took_out_before_is_no_culprit() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 4).await;
    home.command(
        json!({"command": "remove_from_album", "title": "Crete", "filename": "p0001.jpg"}),
    )
    .await;
    fs::remove_file(&files[0]).unwrap();
    fs::remove_file(&files[1]).unwrap();
    home.until("the other has left", |library| {
        library.names_in("Crete") == ["p0002.jpg", "p0003.jpg"]
    })
    .await;
    let status = home
        .until_status("both are gone", |status| status["placements"]["gone"] == 2)
        .await;
    assert_eq!(status["placements"]["refused"], 0);
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_done_once() {
    let (home, daemon) = in_step().await;
    let files = photos_made(&home, "photos/Crete", 4).await;
    home.fault(REMOVE, Some(1), json!("cut_after")).await;
    fs::remove_file(&files[0]).unwrap();
    home.until_status("it has left", |status| {
        status["placements"]["gone"] == 1 && status["placements"]["leaving"] == 0
    })
    .await;
    let library = home.library().await;
    assert_eq!(library.names_in("Crete"), names(&files[1..]));
    assert_eq!(
        library.calls(REMOVE),
        2,
        "once more, and then the album was read"
    );
    daemon.stop().await.expect(0);
}

#[tokio::test]
async fn photos_are_taken_out_of_an_album_by_hand_after_the_plan_was_shown() {
    let home = Home::with_folder("album = 'folder'").await;
    let files = home.photos("photos/Crete", 5);
    home.backfill().await;
    let two = [files[1].as_os_str(), files[3].as_os_str()];
    let plan = [
        "album".as_ref(),
        "remove".as_ref(),
        "Crete".as_ref(),
        two[0],
        two[1],
    ];
    let planned = home.run(&plan).await.expect(0);
    let stays =
        "They stay in your Google Photos library: the service lets no program delete a photo.";
    assert_eq!(
        planned.stdout,
        format!(
            "out of \"Crete\": {}\nout of \"Crete\": {}\n2 photos would leave, in 1 request. {stays}\n\
             hint: the same with --yes does it\n",
            files[1].display(),
            files[3].display()
        )
    );
    assert_eq!(home.library().await.calls(REMOVE), 0);
    let done = home
        .run(&[&plan[..], &["--yes".as_ref()]].concat())
        .await
        .expect(0);
    assert_eq!(
        done.stdout,
        "2 photos have left the album; in the library they stay\n"
    );
    let library = home.library().await;
    assert_eq!(
        library.names_in("Crete"),
        ["p0000.jpg", "p0002.jpg", "p0004.jpg"]
    );
    assert_eq!(library.calls(REMOVE), 1);
    // What was taken out by hand is not put back by the next look.
    home.backfill().await;
    assert_eq!(home.library().await.names_in("Crete").len(), 3);
    let unknown = home
        .run(&["album", "remove", "Rome", "x.jpg", "--yes"])
        .await
        .expect(2);
    assert_eq!(
        unknown.stderr,
        "error: no album \"Rome\" is known here\n\
         hint: `albumen albums` lists those that Albumen made; others it cannot change\n"
    );
    home.clean(&home.library().await).await;
}
