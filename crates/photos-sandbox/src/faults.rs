//! Scripted faults: which requests they meet, and what they do to them.
//!
//! The language is described in the module documentation of [`super`].

use std::collections::BTreeMap;

use http::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{answer::Answer, canned::Canned, route::Method, settings::Settings};

/// One rule of a script.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    method: Names,
    /// How many matches pass untouched before the rule takes effect; counts down.
    #[serde(default)]
    skip: u64,
    /// How many matches it still applies to; null is for ever; counts down.
    #[serde(default = "once")]
    times: Option<u64>,
    action: Action,
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

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Action {
    /// Short for an effect with this canned answer, or with this switch on.
    Word(String),
    Effect(Box<Effect>),
}

/// What happens to a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a word of the script"
)]
pub(super) struct Effect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<Scripted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) canned: Option<Canned>,
    /// Do what the request asks before the scripted answer, or the hanging.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<bool>,
    /// Answers, cuts and hanging are only for calls with this text in their body, or in their query if
    /// they have none; of uploads, in the type that they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) only_with: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) cut_before: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) cut_after: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cut_body_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) hang: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) item_codes: BTreeMap<String, ItemCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) drop_results: Vec<usize>,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) shuffle_results: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) status_207: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) expire_tokens: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) access_dies: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) refresh_dies: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) deny_consent: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) revoke_scopes: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// An answer written out in the script.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scripted {
    status: u16,
    /// Text goes out as it is, anything else as JSON.
    #[serde(default)]
    body: Value,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// The outcome that one new media item gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ItemCode {
    Code(u8),
    Status { code: u8, message: String },
}

impl ItemCode {
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Code(code) | Self::Status { code, .. } => *code,
        }
    }

    pub(super) fn message(&self) -> &str {
        match self {
            // One text goes with all codes (fact sheet, section 3.3).
            Self::Code(_) => "Failed: There was an error while trying to create this media item.",
            Self::Status { message, .. } => message,
        }
    }
}

impl Rule {
    /// The effect on a request for `method`, if it is met; uses the rule up by one.
    fn take(&mut self, method: Method) -> Option<Effect> {
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
        match &self.action {
            Action::Effect(effect) => Some((**effect).clone()),
            // Checked when the script came in.
            Action::Word(word) => Effect::of_word(word),
        }
    }

    fn names(&self, method: Method) -> bool {
        let names = match &self.method {
            Names::One(name) => std::slice::from_ref(name),
            Names::Several(names) => names,
        };
        names.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => method.name().starts_with(start),
            None => method.name() == name,
        })
    }

    /// What is wrong with the rule, in words.
    pub(super) fn check(&self) -> Result<(), String> {
        match &self.action {
            Action::Word(word) if Effect::of_word(word).is_none() => {
                Err(format!("no action is called `{word}`"))
            }
            _ => Ok(()),
        }
    }
}

/// The effects of all rules that meet a request for `method`, as one.
pub(super) fn take(rules: &mut [Rule], method: Method) -> Effect {
    let mut all = Effect::default();
    for rule in rules {
        if let Some(effect) = rule.take(method) {
            all.add(effect);
        }
    }
    all
}

impl Effect {
    fn of_word(word: &str) -> Option<Self> {
        if let Ok(canned) = serde_json::from_value(Value::from(word)) {
            return Some(Self {
                canned: Some(canned),
                ..Self::default()
            });
        }
        let switch = serde_json::json!({ word: true });
        serde_json::from_value(switch).ok()
    }

    /// Joins two effects; of two answers the first stands.
    fn add(&mut self, other: Self) {
        self.answer = self.answer.take().or(other.answer);
        self.canned = self.canned.or(other.canned);
        self.commit = self.commit.or(other.commit);
        self.only_with = self.only_with.take().or(other.only_with);
        self.cut_before |= other.cut_before;
        self.cut_after |= other.cut_after;
        self.cut_body_after = self.cut_body_after.or(other.cut_body_after);
        self.delay_ms = match (self.delay_ms, other.delay_ms) {
            (None, None) => None,
            (first, second) => Some(first.unwrap_or(0).saturating_add(second.unwrap_or(0))),
        };
        self.hang |= other.hang;
        self.item_codes.extend(other.item_codes);
        self.drop_results.extend(other.drop_results);
        self.shuffle_results |= other.shuffle_results;
        self.status_207 |= other.status_207;
        self.expire_tokens |= other.expire_tokens;
        self.access_dies |= other.access_dies;
        self.refresh_dies |= other.refresh_dies;
        self.deny_consent |= other.deny_consent;
        self.revoke_scopes.extend(other.revoke_scopes);
    }

    /// Whether the request is one that the effect is for: `only_with` can narrow that down.
    pub(super) fn meets(&self, asked: &[u8]) -> bool {
        self.only_with.as_ref().is_none_or(|text| {
            asked
                .windows(text.len().max(1))
                .any(|part| part == text.as_bytes())
        })
    }

    /// The answer that stands in for the real one, and whether the request is done all the same.
    ///
    /// A success that is damaged on its way means that the work was done; an error, that it was not,
    /// unless the script says otherwise.
    pub(super) fn stand_in(
        &self,
        method: Method,
        asked: &[u8],
        settings: &Settings,
    ) -> Option<(Answer, bool)> {
        if !self.meets(asked) {
            return None;
        }
        if let Some(scripted) = &self.answer {
            return Some((scripted.answer(), self.commit.unwrap_or(false)));
        }
        let canned = self.canned?;
        let is_damage = matches!(canned, Canned::Garbage | Canned::Empty);
        Some((
            canned.answer(method, settings),
            self.commit.unwrap_or(is_damage),
        ))
    }

    /// The code that the script gives to the new media item at `index` named `file_name`.
    pub(super) fn item_code(&self, index: usize, file_name: &str) -> Option<&ItemCode> {
        self.item_codes
            .get(&index.to_string())
            .or_else(|| self.item_codes.get(file_name))
            .or_else(|| self.item_codes.get("*"))
    }
}

impl Scripted {
    fn answer(&self) -> Answer {
        let mut answer = match &self.body {
            Value::Null => Answer::empty(self.status),
            Value::String(text) => {
                Answer::text(self.status, "text/plain; charset=UTF-8", text.clone())
            }
            json => Answer::json(json).with_status(self.status),
        };
        for (name, value) in &self.headers {
            if let Ok(name) = HeaderName::try_from(name.as_str()) {
                answer.headers.retain(|(known, _)| *known != name);
                answer = answer.with(name, value);
            }
        }
        answer
    }
}
