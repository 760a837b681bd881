//! The power fails: what was not synced is gone (`docs/durability.md`).

use serde_json::json;

use super::support::{
    disk::Shim,
    home::{Home, names},
};

/// Kills a backfill at the `skip`th call of a method, drops what was not synced, and goes on.
async fn cut_at(method: &str, skip: u64, action: serde_json::Value) {
    let mut home = Home::with_folder("album = 'folder'").await;
    home.until_noon().await;
    let Some(shim) = Shim::under(&mut home) else {
        return;
    };
    // Three batches.
    let files = home.photos("photos", 110);
    let rule = json!({"method": method, "skip": skip, "times": null, "action": action});
    home.script(json!({"rules": [rule]})).await;
    let running = home.start(&["backfill", "-v"]);
    home.until(method, |library| library.calls(method) > skip)
        .await;
    running.kill();
    shim.cut_power(&home);
    home.no_faults().await;
    let sent = home.library().await;
    let writes = sent.calls("albums.create") + sent.calls("mediaItems.batchCreate");
    let counted = home.status().await["quota"]["requests"].as_u64().unwrap();
    assert!(counted >= writes, "{counted} counted, {writes} writes sent");
    home.backfill().await;
    let library = home.all_there(&files).await;
    assert_eq!(library.titles(), ["photos"], "{method} {skip}");
    assert_eq!(library.names_in("photos"), names(&files), "{method} {skip}");
}

#[tokio::test]
async fn while_an_album_is_made() {
    cut_at("albums.create", 0, "hang".into()).await;
    cut_at("albums.create", 0, "cut_after".into()).await;
}

#[tokio::test]
async fn while_items_are_made() {
    for skip in 0..3 {
        cut_at("mediaItems.batchCreate", skip, "hang".into()).await;
        cut_at("mediaItems.batchCreate", skip, "cut_after".into()).await;
    }
}

#[tokio::test]
async fn while_bytes_go_up() {
    for skip in [0, 40, 90] {
        cut_at("uploads.raw", skip, "hang".into()).await;
    }
}
