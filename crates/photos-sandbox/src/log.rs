//! What the sandbox remembers of the requests that it got: counts, broken rules, refusals, and the
//! last requests themselves, so that a test can ask what a client really did.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::{
    answer::{Blame, Refusal},
    clock::{Millis, rfc3339},
    route::Method,
};

/// Lines kept of broken rules and of refusals, each; a client that breaks more has said enough.
const MAX_NOTES: usize = 10_000;

/// Requests listed in the state.
const MAX_REQUESTS: usize = 1000;

/// JSON calls kept with their bodies.
const MAX_RECORDS: usize = 5000;

/// Bytes of the bodies of JSON calls kept; a full batchCreate and its answer are some 60 kB.
const MAX_RECORDED_BYTES: usize = 64 << 20;

/// One JSON call with its answer.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) method: Method,
    pub(super) http: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) answer: String,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Log {
    calls: BTreeMap<Method, u64>,
    broken_rules: VecDeque<(&'static str, String)>,
    refusals: VecDeque<(&'static str, String)>,
    requests: VecDeque<Value>,
    records: VecDeque<Record>,
    recorded_bytes: usize,
}

impl Log {
    pub(super) fn called(&mut self, method: Method) {
        *self.calls.entry(method).or_default() += 1;
    }

    /// A rule was broken that the client could have known.
    pub(super) fn broken(&mut self, rule: &'static str, detail: impl Into<String>) {
        note(&mut self.broken_rules, rule, detail.into());
    }

    pub(super) fn refused(&mut self, method: Option<Method>, refusal: &Refusal) {
        let detail = format!(
            "{}: {}",
            method.map_or("no method", Method::name),
            refusal.message
        );
        match refusal.blame {
            Blame::Rule(rule) => note(&mut self.broken_rules, rule, detail),
            Blame::Circumstance(what) => note(&mut self.refusals, what, detail),
        }
    }

    /// One item of a batch was refused.
    pub(super) fn refused_item(&mut self, what: &'static str, detail: String) {
        note(&mut self.refusals, what, detail);
    }

    pub(super) fn answered(
        &mut self,
        now: Millis,
        method: Option<Method>,
        path: &str,
        status: u16,
    ) {
        if self.requests.len() == MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(json!({
            "method": method.map(Method::name),
            "path": path,
            "at": rfc3339(now),
            "at_ms": now,
            "status": status,
        }));
    }

    pub(super) fn record(&mut self, record: Record) {
        self.recorded_bytes += record.size();
        self.records.push_back(record);
        while self.records.len() > MAX_RECORDS || self.recorded_bytes > MAX_RECORDED_BYTES {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.recorded_bytes -= oldest.size();
        }
    }

    pub(super) fn calls(&self) -> Value {
        self.calls
            .iter()
            .map(|(method, count)| (method.name().to_owned(), json!(count)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    pub(super) fn broken_rules(&self) -> Value {
        let line = |(rule, detail): &(&str, String)| json!({"rule": rule, "detail": detail});
        self.broken_rules.iter().map(line).collect()
    }

    pub(super) fn refusals(&self) -> Value {
        let line = |(what, detail): &(&str, String)| json!({"what": what, "detail": detail});
        self.refusals.iter().map(line).collect()
    }

    pub(super) fn requests(&self) -> Value {
        self.requests.iter().cloned().collect()
    }

    pub(super) fn records(&self) -> Value {
        self.records.iter().map(Record::to_json).collect()
    }
}

fn note(notes: &mut VecDeque<(&'static str, String)>, word: &'static str, detail: String) {
    if notes.len() < MAX_NOTES {
        notes.push_back((word, detail));
    }
}

impl Record {
    fn size(&self) -> usize {
        self.request.len() + self.answer.len()
    }

    fn to_json(&self) -> Value {
        let headers: serde_json::Map<_, _> = self
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        json!({
            "method": self.method.name(),
            "http": self.http,
            "path": self.path,
            "query": self.query,
            "headers": headers,
            "request": parsed(&self.request),
            "status": self.status,
            "answer": parsed(&self.answer),
        })
    }
}

/// A body as JSON; what is none is shown as text.
fn parsed(body: &str) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(body).unwrap_or_else(|_| Value::from(body))
}

/// The headers of a request, without what lets its bearer in.
pub(super) fn harmless(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| *name != header::AUTHORIZATION && *name != header::COOKIE)
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}
