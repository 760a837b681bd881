//! Scripted faults and settings: which requests they apply to, and what they do to them.
//!
//! The documentation of the crate describes the language.

use std::collections::BTreeMap;

use http::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    discovery::Method,
    errors::{self, Blame, Refusal, Response},
};

/// Media items that an album can hold (fact sheet, section 5.2).
pub(crate) const ALBUM_CAPACITY: usize = 20_000;

/// Settings of the simulated service, by the names that a script uses. The defaults follow the
/// documentation; each setting covers a question that is open or a trouble that users have seen (fact
/// sheet, section 10).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a word of the script"
)]
pub(crate) struct Settings {
    /// Milliseconds that a request waits before it is carried out, by method; `*` is any other.
    pub(crate) latency_ms: BTreeMap<String, u64>,
    /// Requests per quota day; null is no limit.
    pub(crate) daily_limit: Option<u64>,
    /// Whether uploads count toward the day; sources disagree (section 7.2).
    pub(crate) uploads_count: bool,
    /// Mutating calls per minute; null is no limit. 30 have been seen.
    pub(crate) writes_per_minute: Option<u64>,
    /// Milliseconds in the minute of `writes_per_minute`, for tests that cannot wait for a real one.
    pub(crate) minute_ms: i64,
    /// Bytes that the account can hold; null is no limit.
    pub(crate) storage_limit_bytes: Option<u64>,
    /// Whether a second batchCreate with a token is refused.
    pub(crate) single_use_tokens: bool,
    /// Lifetime of an access token, in seconds.
    pub(crate) token_lifetime_s: i64,
    /// Lifetime of an upload token, in seconds.
    pub(crate) upload_token_lifetime_s: i64,
    /// Lifetime of an upload session, in seconds.
    pub(crate) session_lifetime_s: i64,
    /// Whether a query of a finished session returns its token again.
    pub(crate) final_query_returns_token: bool,
    /// HTTP status for a chunk at the wrong offset: 409, 400, 412 or 416.
    pub(crate) offset_mismatch_status: u16,
    /// All chunks but the last must be multiples of this many bytes.
    pub(crate) granularity: u64,
    /// Media items that an album can hold. A client can know only the documented number.
    pub(crate) album_limit: usize,
    /// Seconds for which a new album is unknown to all other methods.
    pub(crate) album_visible_after_s: i64,
    /// Seconds for which a new media item is unknown to all other methods.
    pub(crate) items_visible_after_s: i64,
    /// Lists have short and empty pages, and repeat an entry at the start of a page.
    pub(crate) list_oddities: bool,
    /// Seconds for which a video is processed.
    pub(crate) video_processing_s: i64,
    /// Seconds for which all writes are refused after two were in flight together.
    pub(crate) sticky_concurrent_s: i64,
    /// Whether errors carry `errors` and `details`.
    pub(crate) error_details: bool,
    /// The message in the status of a created item: "Success", or "OK" as in 2019.
    pub(crate) success_message: String,
    /// Whether the status of a created item has its code 0.
    pub(crate) explicit_code_0: bool,
    /// Whether `sharedAlbums.leave` still works.
    pub(crate) shared_leave_works: bool,
    /// Multiplies the 30 s that a client has to wait after a 429.
    pub(crate) rate_limit_scale: f64,
    /// Switches the limits per day and minute and the one on concurrent writes off.
    pub(crate) lifted: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latency_ms: BTreeMap::new(),
            daily_limit: Some(10_000),
            uploads_count: true,
            writes_per_minute: None,
            minute_ms: 60_000,
            storage_limit_bytes: None,
            single_use_tokens: false,
            token_lifetime_s: 3599,
            upload_token_lifetime_s: 24 * 3600,
            session_lifetime_s: 7 * 24 * 3600,
            final_query_returns_token: true,
            offset_mismatch_status: 409,
            granularity: 262_144,
            album_limit: ALBUM_CAPACITY,
            album_visible_after_s: 0,
            items_visible_after_s: 0,
            list_oddities: false,
            video_processing_s: 0,
            sticky_concurrent_s: 0,
            error_details: true,
            success_message: "Success".to_owned(),
            explicit_code_0: false,
            shared_leave_works: false,
            rate_limit_scale: 1.0,
            lifted: false,
        }
    }
}

impl Settings {
    /// These settings with `changes` made; the error says what is wrong with them.
    pub(crate) fn changed(&self, changes: &Map<String, Value>) -> Result<Self, String> {
        let mut all = json!(self);
        for (name, value) in changes {
            all[name] = value.clone();
        }
        let new: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        if new.granularity == 0 {
            return Err("`granularity` must be at least 1".to_owned());
        }
        if !(400..500).contains(&new.offset_mismatch_status) {
            return Err("`offset_mismatch_status` must be a 4xx status".to_owned());
        }
        if !new.rate_limit_scale.is_finite() || new.rate_limit_scale < 0.0 {
            return Err("`rate_limit_scale` must be a number from 0 on".to_owned());
        }
        Ok(new)
    }

    pub(crate) fn latency_ms(&self, method: &Method) -> u64 {
        let named = self.latency_ms.get(method.name);
        named
            .or_else(|| self.latency_ms.get("*"))
            .copied()
            .unwrap_or(0)
    }
}

/// One rule of a script.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    method: Names,
    /// How many matching requests are still let through untouched.
    #[serde(default)]
    skip: u64,
    /// How many matching requests it still applies to; null is no end.
    #[serde(default = "once")]
    times: Option<u64>,
    /// A word, or an object with the fields of [`Effect`].
    action: Value,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn once() -> Option<u64> {
    Some(1)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

/// What happens to a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a word of the script"
)]
pub(crate) struct Effect {
    pub(crate) answer: Option<WrittenAnswer>,
    pub(crate) canned: Option<String>,
    /// Carry the request out although a scripted response is sent or none at all.
    pub(crate) commit: Option<bool>,
    /// Responses, cuts and hanging apply only to calls with this text in their body; in their query if
    /// they have no body; for uploads in the content type that they declare.
    pub(crate) only_with: Option<String>,
    pub(crate) cut_before: bool,
    pub(crate) cut_after: bool,
    pub(crate) cut_body_after: Option<u64>,
    pub(crate) delay_ms: Option<u64>,
    pub(crate) hang: bool,
    pub(crate) item_codes: BTreeMap<String, ItemCode>,
    pub(crate) drop_results: Vec<usize>,
    pub(crate) shuffle_results: bool,
    pub(crate) status_207: bool,
    pub(crate) expire_tokens: bool,
    pub(crate) access_dies: bool,
    pub(crate) refresh_dies: bool,
    pub(crate) deny_consent: bool,
    pub(crate) revoke_scopes: Vec<String>,
}

/// A response that the script contains.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenAnswer {
    status: u16,
    /// Text is sent as it is, anything else as JSON.
    #[serde(default)]
    body: Value,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// The status that one new media item gets.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum ItemCode {
    Code(u8),
    Status { code: u8, message: String },
}

impl Rule {
    /// The action on a request for `method`, if the rule applies to it; uses the rule up by one.
    fn take(&mut self, method: &Method) -> Option<Map<String, Value>> {
        if !self.names(method) || self.times == Some(0) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        self.fields()
    }

    fn names(&self, method: &Method) -> bool {
        let names = match &self.method {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        };
        names.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => method.name.starts_with(start),
            None => method.name == name,
        })
    }

    /// The fields of the action. A word is short for an object with one field.
    fn fields(&self) -> Option<Map<String, Value>> {
        match &self.action {
            Value::Object(fields) => Some(fields.clone()),
            Value::String(word) if errors::is_canned(word) => Some(Map::from_iter([(
                "canned".to_owned(),
                word.as_str().into(),
            )])),
            Value::String(word) => Some(Map::from_iter([(word.clone(), true.into())])),
            _ => None,
        }
    }

    /// What is wrong with the rule.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fields = self
            .fields()
            .ok_or("an action is a word or a JSON object")?;
        let effect: Result<Effect, _> = serde_json::from_value(fields.into());
        match (&self.action, effect) {
            (Value::String(word), Err(_)) => Err(format!("no action is called `{word}`")),
            (_, Err(error)) => Err(format!("in `rules`: {error}")),
            (_, Ok(effect)) => match effect.canned.filter(|word| !errors::is_canned(word)) {
                Some(word) => Err(format!("no canned answer is called `{word}`")),
                None => Ok(()),
            },
        }
    }
}

/// The effects of all rules that apply to a request for `method`, as one.
pub(crate) fn take(rules: &mut [Rule], method: &Method) -> Effect {
    let mut all = Map::new();
    for rule in rules {
        for (name, value) in rule.take(method).into_iter().flatten() {
            match (all.get_mut(&name), value) {
                (None | Some(Value::Null), value) => {
                    all.insert(name, value);
                }
                (Some(Value::Array(all)), Value::Array(more)) => all.extend(more),
                (Some(Value::Object(all)), Value::Object(more)) if name == "item_codes" => {
                    all.extend(more);
                }
                (Some(Value::Bool(all)), Value::Bool(more)) if name != "commit" => *all |= more,
                (Some(all), value) if name == "delay_ms" => {
                    let millis = |value: &Value| value.as_u64().unwrap_or(0);
                    *all = millis(all).saturating_add(millis(&value)).into();
                }
                // Of two responses the first is sent.
                _ => {}
            }
        }
    }
    // The rules were checked when they came in.
    serde_json::from_value(all.into()).unwrap_or_default()
}

impl Effect {
    /// Whether the effect applies to this request: `only_with` can restrict it.
    pub(crate) fn applies_to(&self, content: &[u8]) -> bool {
        self.only_with.as_ref().is_none_or(|text| {
            let mut parts = content.windows(text.len().max(1));
            parts.any(|part| part == text.as_bytes())
        })
    }

    /// The response that is sent instead of the real one, and whether the request is carried out.
    ///
    /// A success that is damaged on its way means that the work was done. An error means that it was not,
    /// unless the script says otherwise.
    pub(crate) fn replacement(
        &self,
        method: &Method,
        content: &[u8],
        settings: &Settings,
    ) -> Option<(Response, bool)> {
        if !self.applies_to(content) {
            return None;
        }
        if let Some(written) = &self.answer {
            return Some((written.response(), self.commit.unwrap_or(false)));
        }
        let word = self.canned.as_deref()?;
        let response = errors::canned_text(word, method.is_upload()).unwrap_or_else(|| {
            let refusal = match word {
                "daily_429" => Refusal::quota(word, "", settings.daily_limit.unwrap_or(10_000)),
                "minute_429" | "quota_403" => {
                    Refusal::quota(word, "", settings.writes_per_minute.unwrap_or(30))
                }
                _ => Refusal::canned(word, Blame::Circumstance("script")),
            };
            refusal.response(method.is_upload(), settings.error_details)
        });
        Some((response, self.commit.unwrap_or(errors::is_damage(word))))
    }

    /// Code and message that the script gives to the new media item at `index` named `file_name`.
    pub(crate) fn item_code(&self, index: usize, file_name: &str) -> Option<(u8, String)> {
        // One text goes with all codes (fact sheet, section 3.3).
        const FAILED: &str = "Failed: There was an error while trying to create this media item.";
        let index = index.to_string();
        let names = [index.as_str(), file_name, "*"];
        let found = names.iter().find_map(|name| self.item_codes.get(*name))?;
        Some(match found {
            ItemCode::Code(code) => (*code, FAILED.to_owned()),
            ItemCode::Status { code, message } => (*code, message.clone()),
        })
    }
}

impl WrittenAnswer {
    fn response(&self) -> Response {
        let mut response = match &self.body {
            Value::Null => Response::empty(self.status),
            Value::String(text) => {
                Response::text(self.status, "text/plain; charset=UTF-8", text.clone())
            }
            json => Response::json(json).with_status(self.status),
        };
        for (name, value) in &self.headers {
            if let Ok(name) = HeaderName::try_from(name.as_str()) {
                response.headers.retain(|(known, _)| *known != name);
                response = response.with(name, value);
            }
        }
        response
    }
}
