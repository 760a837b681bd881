//! Requests and answers held against the service's own discovery document.

use std::sync::LazyLock;

use serde_json::{Map, Value};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!(
        "../../crates/photos-sandbox/photoslibrary-v1.json"
    ))
    .unwrap()
});

/// What is wrong with one JSON call, in words; nothing if it is as documented.
///
/// `method` is its name as in `mediaItems.batchCreate`, `query` the raw query string; an answer is
/// only checked if there is one, so pass `None` for errors.
pub(crate) fn check_against_discovery(
    method: &str,
    path: &str,
    query: &str,
    request: Option<&Value>,
    answer: Option<&Value>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(found) = find(method) else {
        return vec![format!("{method} is in no discovery document")];
    };
    check_path(found, path, &mut faults);
    check_query(found, query, &mut faults);
    match (found["request"]["$ref"].as_str(), request) {
        (Some(schema), Some(body)) => check(schema, body, "request", &mut faults),
        (Some(schema), None) => {
            let is_empty = DOCUMENT["schemas"][schema]["properties"].is_null();
            if !is_empty {
                faults.push(format!("request: {schema} is missing"));
            }
        }
        (None, Some(body)) => {
            faults.push(format!("request: there is no body, but {body} was sent"));
        }
        (None, None) => {}
    }
    if let (Some(schema), Some(body)) = (found["response"]["$ref"].as_str(), answer) {
        check(schema, body, "answer", &mut faults);
    }
    faults
}

/// All that is wrong with what `GET /sandbox/requests` lists.
pub(crate) fn check_records(records: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for record in records.as_array().unwrap() {
        let text = |name: &str| record[name].as_str().unwrap_or("");
        let present = |name: &str| Some(&record[name]).filter(|value| !value.is_null());
        let is_success = record["status"].as_u64().is_some_and(|status| status < 300);
        let found = check_against_discovery(
            text("method"),
            text("path"),
            text("query"),
            present("request"),
            present("answer").filter(|_| is_success),
        );
        let verb = find(text("method")).and_then(|method| method["httpMethod"].as_str());
        if verb != Some(text("http")) {
            faults.push(format!("{}: sent by {}", text("method"), text("http")));
        }
        faults.extend(
            found
                .into_iter()
                .map(|fault| format!("{}: {fault}", text("method"))),
        );
    }
    faults
}

fn find(method: &str) -> Option<&'static Value> {
    let mut level = &*DOCUMENT;
    let mut parts = method.split('.').peekable();
    while let Some(part) = parts.next() {
        level = if parts.peek().is_some() {
            &level["resources"][part]
        } else {
            &level["methods"][part]
        };
    }
    Some(level).filter(|level| !level.is_null())
}

/// The path of a method has its parameter in it as `{+name}`.
fn check_path(method: &Value, path: &str, faults: &mut Vec<String>) {
    let pattern = format!("/{}", method["path"].as_str().unwrap());
    let fits = match (pattern.find('{'), pattern.find('}')) {
        (Some(start), Some(end)) => {
            let (before, after) = (&pattern[..start], &pattern[end + 1..]);
            path.strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|id| !id.is_empty() && !id.contains('/'))
        }
        _ => path == pattern,
    };
    if !fits {
        faults.push(format!("path: {path} is not {pattern}"));
    }
}

fn check_query(method: &Value, query: &str, faults: &mut Vec<String>) {
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let own = &method["parameters"][&*name];
        let common = &DOCUMENT["parameters"][&*name];
        let parameter = if own.is_null() { common } else { own };
        if parameter.is_null() {
            faults.push(format!("query: there is no parameter {name}"));
            continue;
        }
        let is_right = match parameter["type"].as_str() {
            Some("integer") => value.parse::<i32>().is_ok(),
            Some("boolean") => matches!(&*value, "true" | "false"),
            _ => true,
        };
        if !is_right {
            faults.push(format!("query: {name}={value} is of the wrong type"));
        }
    }
}

fn check(schema: &str, value: &Value, place: &str, faults: &mut Vec<String>) {
    let properties = &DOCUMENT["schemas"][schema]["properties"];
    let Value::Object(fields) = value else {
        faults.push(format!("{place}: {schema} is an object, not {value}"));
        return;
    };
    let nothing = Map::new();
    let known = properties.as_object().unwrap_or(&nothing);
    for (name, value) in fields {
        let place = format!("{place}.{name}");
        match known.get(name) {
            Some(property) => check_property(property, value, &place, faults),
            None => faults.push(format!("{place}: {schema} has no such field")),
        }
    }
}

fn check_property(property: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    if let Some(schema) = property["$ref"].as_str() {
        return check(schema, value, place, faults);
    }
    let kind = property["type"].as_str().unwrap_or("");
    let is_right = match kind {
        "string" => value
            .as_str()
            .is_some_and(|text| fits_format(property, text)),
        "boolean" => value.is_boolean(),
        "integer" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        "number" => value.is_number(),
        "array" => {
            let Value::Array(values) = value else {
                faults.push(format!("{place}: a list, not {value}"));
                return;
            };
            for (index, value) in values.iter().enumerate() {
                check_property(
                    &property["items"],
                    value,
                    &format!("{place}[{index}]"),
                    faults,
                );
            }
            true
        }
        "object" => value.is_object(),
        _ => true,
    };
    if !is_right {
        faults.push(format!(
            "{place}: {value} is no {kind} {}",
            property["format"]
        ));
    }
}

fn fits_format(property: &Value, text: &str) -> bool {
    if let Some(choices) = property["enum"].as_array() {
        return choices.iter().any(|choice| choice == text);
    }
    match property["format"].as_str() {
        Some("int64") => text.parse::<i64>().is_ok(),
        Some("google-datetime") => text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok(),
        Some("google-duration") => text
            .strip_suffix('s')
            .is_some_and(|seconds| seconds.parse::<f64>().is_ok()),
        _ => true,
    }
}
