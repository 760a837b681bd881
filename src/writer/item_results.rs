//! What a result of `mediaItems.batchCreate` means for its item. Pure; decided by the code, never by the
//! text (fact sheet, sections 3.3 and 8.2).

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    clock,
    model::{backoff::Retry, ids::ItemId},
    photos_api::{
        self,
        wire::{BatchCreate, BatchCreated, MediaItem, NewMediaItem, NewMediaItemResult},
    },
    store::{ItemOutcome, Journalled, Outcome},
};

/// Codes of google.rpc that are handled differently from all others.
const INVALID_ARGUMENT: i32 = 3;
const ALREADY_EXISTS: i32 = 6;

/// A refusal of the bytes is believed the second time, after they were uploaded again.
const REFUSALS: u32 = 2;

/// The outcome of each item of the call. Results are matched by upload token: they may come in any order, and
/// some may be missing.
pub(super) fn outcomes(
    call: &Journalled,
    request: &BatchCreate,
    answer: &BatchCreated,
    retry: &Retry,
    now: Timestamp,
    chance: f64,
) -> Vec<ItemOutcome> {
    let by_token: HashMap<&str, &NewMediaItemResult> = answer
        .new_media_item_results
        .iter()
        .map(|result| (result.upload_token.reveal(), result))
        .collect();
    let single = call.items.len() == 1;
    call.items
        .iter()
        .zip(&request.new_media_items)
        .map(|((item, attempts), sent)| {
            let result = by_token.get(sent.simple_media_item.upload_token.reveal());
            // The one result of a call for one item is its result, whatever token it names.
            let lone = single
                .then(|| answer.new_media_item_results.first())
                .flatten();
            let again = clock::after(now, retry.after_server_error(attempts + 2, chance));
            let result = result.copied().or(lone);
            let is_first = *attempts == 0;
            outcome(*item, sent, result, (single, is_first), again, retry)
        })
        .collect()
}

fn outcome(
    item: ItemId,
    sent: &NewMediaItem,
    result: Option<&NewMediaItemResult>,
    (single, is_first): (bool, bool),
    again: Timestamp,
    retry: &Retry,
) -> ItemOutcome {
    let Some(result) = result else {
        let outcome = Outcome::MissingResult {
            not_before: (single && !is_first).then_some(again),
            blamed: retry.max_attempts,
        };
        return without_result(item, outcome, "the service left it out of its answer");
    };
    let (code, not_before) = (result.status.code, again);
    let sent_token = &sent.simple_media_item.upload_token;
    let (outcome, reason) = match (result.created(), code) {
        (Some(made), _) => {
            let made = Outcome::Made {
                media_item_id: made.id.clone(),
                product_url: Some(made.product_url.clone()).filter(|url| !url.is_empty()),
                description: described(sent, made),
            };
            (made, None)
        }
        (None, INVALID_ARGUMENT) => {
            let blamed = Some(REFUSALS.min(retry.max_attempts));
            let reason = "the service cannot make a photo or video of this file";
            (Outcome::Reupload { not_before, blamed }, Some(reason))
        }
        (None, ALREADY_EXISTS) if !single => (Outcome::Alone, None),
        (None, _) => {
            let blamed = Some(retry.max_attempts);
            let reason = "the service could not make it this time";
            (Outcome::Again { not_before, blamed }, Some(reason))
        }
    };
    ItemOutcome {
        item,
        outcome,
        code: (code != 0).then_some(code),
        // The service may repeat the token that it speaks of.
        message: (!result.status.message.is_empty())
            .then(|| photos_api::redact(&result.status.message, &[sent_token.reveal()])),
        reason: reason.map(str::to_owned),
    }
}

/// The description of a media item that was sent with one. A media item that an earlier call made, whose
/// answer was lost, keeps the description of that call. If the answer has none, it is what was sent.
fn described(sent: &NewMediaItem, made: &MediaItem) -> Option<String> {
    let kept = (!made.description.is_empty()).then_some(&made.description);
    let sent = sent.description.as_ref()?;
    Some(kept.unwrap_or(sent).clone())
}

/// The same outcome for all items of a refused call: none was created, and none is at fault.
pub(super) fn all(call: &Journalled, outcome: &Outcome, reason: &str) -> Vec<ItemOutcome> {
    call.items
        .iter()
        .map(|(item, _)| without_result(*item, outcome.clone(), reason))
        .collect()
}

fn without_result(item: ItemId, outcome: Outcome, reason: &str) -> ItemOutcome {
    ItemOutcome {
        item,
        outcome,
        code: None,
        message: None,
        reason: Some(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        model::ids::{AlbumRow, CallId},
        store::CallKind,
    };

    const RETRY: Retry = Retry {
        server_error_base: Duration::from_secs(1),
        rate_limit_base: Duration::from_secs(30),
        max_attempts: 8,
    };

    /// What becomes of items whose tokens are t0, t1, … after this answer.
    fn decided(n: usize, answer: &str) -> Vec<Outcome> {
        decided_after(0, n, answer)
    }

    /// The same for items with so many attempts before.
    fn decided_after(attempts: u32, n: usize, answer: &str) -> Vec<Outcome> {
        let items: Vec<_> = (0..n)
            .map(|i| serde_json::json!({"simpleMediaItem": {"uploadToken": format!("t{i}"), "fileName": "a.jpg"}}))
            .collect();
        let request = serde_json::json!({"newMediaItems": items}).to_string();
        let call = Journalled {
            id: CallId(1),
            kind: CallKind::CreateItems,
            album: AlbumRow(0),
            path: String::new(),
            body: request.clone(),
            sent_at: Timestamp::UNIX_EPOCH,
            sends: 1,
            items: (0..n as i64).map(|i| (ItemId(i), attempts)).collect(),
        };
        let request = serde_json::from_str(&request).unwrap();
        let answer = serde_json::from_str(answer).unwrap();
        outcomes(&call, &request, &answer, &RETRY, Timestamp::UNIX_EPOCH, 1.0)
            .into_iter()
            .map(|outcome| outcome.outcome)
            .collect()
    }

    fn made(id: &str) -> Outcome {
        Outcome::Made {
            media_item_id: crate::model::ids::MediaItemId::new(id),
            product_url: None,
            description: None,
        }
    }

    fn again() -> Outcome {
        Outcome::Again {
            not_before: "1970-01-01T00:00:04Z".parse().unwrap(),
            blamed: Some(8),
        }
    }

    #[test]
    fn results_are_told_apart_by_token_and_not_by_place() {
        let answer = r#"{"newMediaItemResults": [
            {"uploadToken": "t1", "status": {"message": "Success"}, "mediaItem": {"id": "m1"}},
            {"uploadToken": "t0", "status": {"code": 0}, "mediaItem": {"id": "m0"}}]}"#;
        assert_eq!(decided(2, answer), [made("m0"), made("m1")]);
    }

    #[test]
    fn a_missing_result_is_asked_for_at_once_and_then_tried_again() {
        let answer = r#"{"newMediaItemResults": [
            {"uploadToken": "t1", "status": {}, "mediaItem": {"id": "m1"}}]}"#;
        let untold = Outcome::MissingResult {
            not_before: None,
            blamed: 8,
        };
        assert_eq!(decided(2, answer), [untold.clone(), made("m1")]);
        let empty = r#"{"newMediaItemResults": []}"#;
        assert_eq!(decided(1, empty), std::slice::from_ref(&untold));
        let of_several = decided_after(1, 2, answer).remove(0);
        assert_eq!(of_several, untold, "it has not been alone yet");
        let later = decided_after(1, 1, empty);
        let is_later = |outcome: &Outcome| {
            matches!(
                outcome,
                Outcome::MissingResult {
                    not_before: Some(_),
                    blamed: 8
                }
            )
        };
        assert!(later.iter().all(is_later), "{later:?}");
    }

    #[test]
    fn the_code_decides_and_the_text_does_not() {
        let text = "Failed: There was an error while trying to create this media item.";
        let with = |code: i32| {
            format!(
                r#"{{"newMediaItemResults": [
                {{"uploadToken": "t0", "status": {{"code": {code}, "message": "{text}"}}}},
                {{"uploadToken": "t1", "status": {{}}, "mediaItem": {{"id": "m1"}}}}]}}"#
            )
        };
        let first = |code| decided(2, &with(code)).remove(0);
        assert!(matches!(
            first(3),
            Outcome::Reupload {
                blamed: Some(2),
                ..
            }
        ));
        assert_eq!(first(6), Outcome::Alone);
        for code in [4, 8, 10, 13, 14] {
            assert_eq!(first(code), again(), "code {code}");
        }
        assert_eq!(first(0), again(), "a success without a media item is none");
    }
}
