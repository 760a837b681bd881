//! What the sandbox remembers of requests: counts, broken rules, refusals, and the last requests.

use std::collections::{BTreeMap, VecDeque};

use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use crate::{
    clock::{Millis, rfc3339},
    discovery::Method,
    errors::{Blame, Refusal},
};

/// Entries kept of broken rules and of refusals, each.
const MAX_NOTES: usize = 10_000;

/// Requests listed in the state.
const MAX_REQUESTS: usize = 1000;

/// JSON calls kept with their bodies.
const MAX_RECORDS: usize = 5000;

/// Bytes of bodies kept. A full batchCreate and its response have some 60 kB.
const MAX_RECORDED_BYTES: usize = 64 << 20;

/// One JSON call with its response.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) method: &'static str,
    pub(crate) http: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Value,
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) answer: String,
}

#[derive(Debug, Default)]
pub(crate) struct RuleLog {
    calls: BTreeMap<&'static str, u64>,
    broken_rules: VecDeque<Value>,
    refusals: VecDeque<Value>,
    requests: VecDeque<Value>,
    records: VecDeque<Record>,
    recorded_bytes: usize,
}

impl RuleLog {
    pub(crate) fn count_call(&mut self, method: &Method) {
        *self.calls.entry(method.name).or_default() += 1;
    }

    /// Notes a rule that was broken and that the client could have known.
    pub(crate) fn broken(&mut self, rule: &'static str, detail: impl Into<String>) {
        if self.broken_rules.len() < MAX_NOTES {
            let note = json!({"rule": rule, "detail": detail.into()});
            self.broken_rules.push_back(note);
        }
    }

    /// Notes that a request or one item of a batch was refused, and the client could not have known.
    pub(crate) fn refused(&mut self, what: &'static str, detail: impl Into<String>) {
        if self.refusals.len() < MAX_NOTES {
            let note = json!({"what": what, "detail": detail.into()});
            self.refusals.push_back(note);
        }
    }

    pub(crate) fn refused_request(&mut self, method: &Method, refusal: &Refusal) {
        let detail = format!("{}: {}", method.name, refusal.message);
        match refusal.blame {
            Blame::Rule(rule) => self.broken(rule, detail),
            Blame::Circumstance(what) => self.refused(what, detail),
        }
    }

    pub(crate) fn answered(&mut self, now: Millis, method: Option<&str>, path: &str, status: u16) {
        if self.requests.len() == MAX_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(json!({
            "method": method,
            "path": path,
            "at": rfc3339(now),
            "at_ms": now,
            "status": status,
        }));
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.recorded_bytes += record.size();
        self.records.push_back(record);
        while self.records.len() > MAX_RECORDS || self.recorded_bytes > MAX_RECORDED_BYTES {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.recorded_bytes -= oldest.size();
        }
    }

    /// Adds what `GET /sandbox/state` shows of this.
    pub(crate) fn describe(&self, state: &mut Value) {
        state["calls"] = json!(self.calls);
        state["broken_rules"] = json!(self.broken_rules);
        state["refusals"] = json!(self.refusals);
        state["requests"] = json!(self.requests);
    }

    pub(crate) fn records(&self) -> Value {
        self.records.iter().map(Record::to_json).collect()
    }
}

impl Record {
    fn size(&self) -> usize {
        self.request.len() + self.answer.len()
    }

    fn to_json(&self) -> Value {
        json!({
            "method": self.method,
            "http": self.http,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "request": parsed(&self.request),
            "status": self.status,
            "answer": parsed(&self.answer),
        })
    }
}

/// A body as JSON; as text if it is none.
fn parsed(body: &str) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(body).unwrap_or_else(|_| body.into())
}

/// The headers of a request without credentials.
pub(crate) fn without_credentials(headers: &HeaderMap) -> Value {
    let kept = headers
        .iter()
        .filter(|(name, _)| ![header::AUTHORIZATION, header::COOKIE].contains(name));
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let pairs = kept.map(|(name, value)| (name.to_string(), Value::from(text(value))));
    pairs.collect::<Map<_, _>>().into()
}
