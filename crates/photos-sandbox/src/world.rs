//! The simulated account with its rules: everything that one lock guards.
//!
//! Methods that only touch memory run under the lock from their first check to their last change, so
//! that no request ever sees half of another.

use std::{collections::HashSet, time::Instant};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Blame, Refusal, Rpc},
    clock::{Millis, rfc3339},
    faults::{self, Effect, Rule},
    library::{Album, Entry, Library},
    limits::{Limits, Ticket},
    log::Log,
    oauth::{Bearer, Oauth},
    route::{Kind, Method},
    settings::Settings,
};

/// All of the state but the bytes.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) rules: Vec<Rule>,
    pub(super) library: Library,
    pub(super) oauth: Oauth,
    pub(super) limits: Limits,
    pub(super) log: Log,
    /// Where the sandbox itself is, for addresses that it hands out.
    pub(super) address: String,
}

/// A request on its way through the sandbox.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) method: Method,
    pub(super) arrival: Instant,
    pub(super) effect: Effect,
    /// For a write: that it is in flight, or that another one is.
    pub(super) ticket: Result<Option<Ticket>, Refusal>,
    /// Cancelled when the client has hung up.
    pub(super) gone: CancellationToken,
}

impl World {
    /// A request arrives: it is counted, met by the script, and, if a write, takes the lane.
    pub(super) fn visit(
        &mut self,
        method: Method,
        (now, arrival): (Millis, Instant),
        gone: &CancellationToken,
    ) -> Visit {
        self.log.called(method);
        let effect = faults::take(&mut self.rules, method);
        if effect.expire_tokens || effect.access_dies {
            self.oauth.access_dies();
        }
        if effect.refresh_dies {
            self.oauth.refresh_dies();
        }
        let names = effect.revoke_scopes.iter();
        self.oauth
            .withdrawn_scopes
            .extend(names.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned()));
        let ticket =
            self.limits
                .arrived(method, (now, arrival), gone, &self.settings, &mut self.log);
        Visit {
            method,
            arrival,
            effect,
            ticket,
            gone: gone.clone(),
        }
    }

    /// Who asks, whether they may, and whether there is quota left.
    pub(super) fn admit(
        &mut self,
        visit: &Visit,
        headers: &http::HeaderMap,
        now: Millis,
    ) -> Result<(), Refusal> {
        let method = visit.method;
        let bearer = self
            .oauth
            .bearer(headers, now, visit.arrival, &mut self.log);
        let is_upload = method.kind() == Kind::Upload;
        // The upload address tells no reasons: expired, and allowed too little, are one answer.
        let stranger = |blame| {
            if is_upload {
                Refusal::new(
                    Rpc::UNAUTHENTICATED,
                    blame,
                    "Authentication session is not defined.",
                )
            } else {
                Refusal::unauthenticated(blame)
            }
        };
        let scopes = match bearer {
            Bearer::Good(scopes) => scopes,
            Bearer::Missing => return Err(stranger(Blame::Rule("no_bearer"))),
            Bearer::Bad(token) => {
                self.oauth.told_dead(token);
                return Err(stranger(Blame::Circumstance("access_token")));
            }
        };
        if method.is_retired()
            && !(method == Method::SharedAlbumsLeave && self.settings.shared_leave_works)
        {
            return Err(Refusal::forbidden("retired_method"));
        }
        let needed = method.scopes();
        if !needed.is_empty()
            && !needed
                .iter()
                .any(|name| scopes.iter().any(|scope| scope == name))
        {
            return Err(if is_upload {
                stranger(Blame::Circumstance("scope"))
            } else {
                Refusal::scope_missing()
            });
        }
        if let Err(refusal) = &visit.ticket {
            return Err(refusal.clone());
        }
        self.limits.admit(method, now, &self.settings)
    }

    /// What `GET /sandbox/state` tells.
    pub(super) fn state(&self, now: Millis, bytes_received: u64) -> Value {
        let library = &self.library;
        let items: Vec<Value> = library
            .item_order
            .iter()
            .filter_map(|id| library.items.get(id))
            .map(|item| {
                json!({
                    "id": item.id,
                    "filename": item.filename,
                    "description": item.description,
                    "mime": item.media.mime,
                    "size": item.size,
                    "sha256": item.sha256,
                })
            })
            .collect();
        let albums: Vec<Value> = library
            .album_order
            .iter()
            .filter_map(|id| library.albums.get(id))
            .map(|album| {
                let enrichments = album.entries.iter().filter_map(|entry| match entry {
                    Entry::Enrichment { id, content } => {
                        Some(json!({"id": id, "content": content}))
                    }
                    Entry::Item(_) => None,
                });
                json!({
                    "id": album.id,
                    "title": album.title,
                    "items": album.item_ids().collect::<Vec<_>>(),
                    "enrichments": enrichments.collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({
            "items": items,
            "albums": albums,
            "calls": self.log.calls(),
            "broken_rules": self.log.broken_rules(),
            "refusals": self.log.refusals(),
            "bytes_received": bytes_received,
            "bytes_stored": library.stored_bytes,
            "quota_used": self.limits.used_today(now),
            "daily_stop": self.limits.daily_stop().filter(|(until, _)| now < *until)
                .map(|(until, ago)| json!({"until": rfc3339(until), "told_ms_ago": ago})),
            "requests": self.log.requests(),
            "now": rfc3339(now),
        })
    }

    /// Ids of all items that are in some album.
    pub(super) fn placed(&self) -> HashSet<&str> {
        self.library
            .albums
            .values()
            .flat_map(Album::item_ids)
            .collect()
    }
}
