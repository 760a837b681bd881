//! `POST /sandbox/faults`: reads a script and carries it out.

use serde_json::{Map, Value, json};

use crate::{
    clock::{SECOND, rfc3339},
    faults::{Rule, Settings},
    rule_log::RuleLog,
    state::State,
};

/// Carries out a whole script. If a part of it is wrong nothing is done, except by the commands before
/// the one that failed. The error says what is wrong.
pub(crate) fn run(state: &mut State, script: &Value) -> Result<Value, String> {
    let Value::Object(parts) = script else {
        return Err("a script is a JSON object".to_owned());
    };
    let is_command = parts.contains_key("command");
    for name in parts.keys() {
        let is_known = matches!(name.as_str(), "rules" | "settings" | "commands");
        if !is_known && !is_command {
            return Err(format!(
                "a script has no `{name}`; it has `rules`, `settings`, `commands` or `command`"
            ));
        }
    }
    let mut rules: Vec<Rule> = Vec::new();
    if let Some(value) = parts.get("rules") {
        rules = serde_json::from_value(value.clone())
            .map_err(|error| format!("in `rules`: {error}"))?;
        rules.iter().try_for_each(Rule::check)?;
    }
    match parts.get("settings") {
        Some(Value::Object(changes)) => state.settings = state.settings.changed(changes)?,
        Some(_) => return Err("`settings` is a JSON object".to_owned()),
        None => {}
    }
    state.rules.extend(rules);
    let commands = parts.get("commands").and_then(Value::as_array);
    for command in commands.into_iter().flatten() {
        let command = command.as_object().ok_or("a command is a JSON object")?;
        run_command(state, command)?;
    }
    if is_command {
        run_command(state, parts)?;
    }
    state.is_dirty = true;
    Ok(describe(state))
}

/// The rules that are left, the settings, and the time.
pub(crate) fn describe(state: &State) -> Value {
    json!({"rules": state.rules, "settings": state.settings, "now": rfc3339(state.now)})
}

/// Removes all rules, settings and scripted revocations. The effects of commands stay.
pub(crate) fn clear(state: &mut State) {
    state.rules.clear();
    state.settings = Settings::default();
    state.oauth.clear_faults();
}

fn run_command(state: &mut State, command: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| command.get(name).and_then(Value::as_str);
    match text("command").unwrap_or("") {
        "delete_album" => {
            let id = find_album(state, text("id"), text("title"))?;
            state.library.delete_album(&id);
        }
        "delete_item" => {
            let id = find_item(state, text("id").or(text("item")), text("filename"))?;
            state.library.delete_item(&id);
        }
        "remove_from_album" => {
            let album = find_album(state, text("id").or(text("album")), text("title"))?;
            let item = find_item(state, text("item"), text("filename"))?;
            let album = state.library.albums.get_mut(&album);
            if !album.is_some_and(|album| album.remove(&item)) {
                return Err("the item is not in the album".to_owned());
            }
        }
        "fail_video" => {
            let id = find_item(state, text("id").or(text("item")), text("filename"))?;
            if let Some(item) = state.library.items.get_mut(&id) {
                item.has_failed = true;
            }
        }
        "advance_clock_s" => {
            let mut values = ["seconds", "s", "n"]
                .iter()
                .filter_map(|name| command.get(*name));
            let seconds = values
                .next()
                .and_then(Value::as_i64)
                .ok_or("`advance_clock_s` needs a whole number of `seconds`")?;
            let millis = seconds.saturating_mul(SECOND);
            state.clock_shift = state.clock_shift.saturating_add(millis);
            state.now = state.now.saturating_add(millis);
        }
        "forget_stop" => state.quota.forget_stop(),
        "forget_dead_tokens" => state.oauth.forget_rejected(),
        "forget_log" => state.log = RuleLog::default(),
        name => return Err(format!("no command is called `{name}`")),
    }
    Ok(())
}

/// The id of the album with this id, or of the first one with this title.
fn find_album(state: &State, id: Option<&str>, title: Option<&str>) -> Result<String, String> {
    let mut albums = state.library.albums_in_order();
    let found = albums.find(|album| match id {
        Some(id) => album.id == id,
        None => Some(album.title.as_str()) == title,
    });
    let found = found.map(|album| album.id.clone());
    found.ok_or_else(|| "there is no such album".to_owned())
}

/// The id of the item with this id, or of the first one with this file name.
fn find_item(state: &State, id: Option<&str>, filename: Option<&str>) -> Result<String, String> {
    let mut items = state.library.items_in_order();
    let found = items.find(|item| match id {
        Some(id) => item.id == id,
        None => Some(item.filename.as_str()) == filename,
    });
    let found = found.map(|item| item.id.clone());
    found.ok_or_else(|| "there is no such media item".to_owned())
}
