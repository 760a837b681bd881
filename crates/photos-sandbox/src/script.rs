//! `POST /sandbox/faults`: reads a script and carries it out.

use serde_json::{Map, Value, json};

use super::{
    clock::{Clock, Millis, SECOND, rfc3339},
    faults::Rule,
    log::Log,
    world::World,
};

/// Carries out a whole script, or nothing of it but what its commands did before one failed; the
/// sentence says what is wrong.
pub(super) fn run(world: &mut World, clock: &Clock, script: &Value) -> Result<Value, String> {
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
    let rules = match parts.get("rules") {
        Some(rules) => {
            let rules: Vec<Rule> = serde_json::from_value(rules.clone())
                .map_err(|error| format!("in `rules`: {error}"))?;
            rules.iter().try_for_each(Rule::check)?;
            rules
        }
        None => Vec::new(),
    };
    let settings = match parts.get("settings") {
        Some(Value::Object(changes)) => Some(world.settings.changed(changes)?),
        Some(_) => return Err("`settings` is a JSON object".to_owned()),
        None => None,
    };
    world.rules.extend(rules);
    if let Some(settings) = settings {
        world.settings = settings;
    }
    for command in parts
        .get("commands")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Value::Object(command) = command else {
            return Err("a command is a JSON object".to_owned());
        };
        obey(world, clock, command)?;
    }
    if is_command {
        obey(world, clock, parts)?;
    }
    Ok(present(world, clock.now()))
}

/// The script as it stands.
pub(super) fn present(world: &World, now: Millis) -> Value {
    json!({"rules": world.rules, "settings": world.settings, "now": rfc3339(now)})
}

/// Takes all rules, settings and scripted deaths back. What commands did stays done.
pub(super) fn clear(world: &mut World) {
    world.rules.clear();
    world.settings = super::settings::Settings::default();
    world.oauth.heal();
}

fn obey(world: &mut World, clock: &Clock, command: &Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| command.get(name).and_then(Value::as_str);
    let name = text("command").unwrap_or("");
    match name {
        "delete_album" => {
            let id = album(world, text("id"), text("title"))?;
            world.library.delete_album(&id);
        }
        "delete_item" => {
            let id = item(world, text("id").or(text("item")), text("filename"))?;
            world.library.delete_item(&id);
        }
        "remove_from_album" => {
            let album = album(world, text("id").or(text("album")), text("title"))?;
            let item = item(world, text("item"), text("filename"))?;
            let album = world.library.albums.get_mut(&album);
            if !album.is_some_and(|album| album.remove(&item)) {
                return Err("the item is not in the album".to_owned());
            }
        }
        "fail_video" => {
            let id = item(world, text("id").or(text("item")), text("filename"))?;
            if let Some(item) = world.library.items.get_mut(&id) {
                item.has_failed = true;
            }
        }
        "advance_clock_s" => {
            let seconds = command
                .get("seconds")
                .or_else(|| command.get("s"))
                .or_else(|| command.get("n"))
                .and_then(Value::as_i64)
                .ok_or("`advance_clock_s` needs a whole number of `seconds`")?;
            clock.advance(seconds.saturating_mul(SECOND));
        }
        "forget_stop" => world.limits.forget_stop(),
        "forget_dead_tokens" => world.oauth.forget_told(),
        "forget_log" => world.log = Log::default(),
        _ => return Err(format!("no command is called `{name}`")),
    }
    Ok(())
}

fn album(world: &World, id: Option<&str>, title: Option<&str>) -> Result<String, String> {
    world
        .library
        .album_named(id, title)
        .map(str::to_owned)
        .ok_or_else(|| "there is no such album".to_owned())
}

/// The item with this id, or the first one with this file name.
fn item(world: &World, id: Option<&str>, filename: Option<&str>) -> Result<String, String> {
    let library = &world.library;
    let is_it = |candidate: &&String| match (id, filename) {
        (Some(id), _) => *candidate == id,
        (None, Some(name)) => library
            .items
            .get(*candidate)
            .is_some_and(|item| item.filename == name),
        (None, None) => false,
    };
    library
        .item_order
        .iter()
        .find(is_it)
        .cloned()
        .ok_or_else(|| "there is no such media item".to_owned())
}
