//! The file as it is written: every key, none of them checked beyond its type.
//!
//! Values keep their place in the file, so that what is wrong with one can be shown there. A key
//! that is absent is `None`: defaults are in [`super::settings`] alone.

use serde::Deserialize;
use toml::Spanned;

/// Text with its place.
pub(super) type Text = Option<Spanned<String>>;
/// A whole number with its place.
pub(super) type Number = Option<Spanned<u64>>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) state_dir: Text,
    #[serde(default)]
    pub(super) account: Account,
    #[serde(default)]
    pub(super) api: Api,
    #[serde(default)]
    pub(super) folder: Vec<Folder>,
    #[serde(default)]
    pub(super) upload: Upload,
    #[serde(default)]
    pub(super) batch: Batch,
    #[serde(default)]
    pub(super) quota: Quota,
    #[serde(default)]
    pub(super) watch: Watch,
    #[serde(default)]
    pub(super) retry: Retry,
    #[serde(default)]
    pub(super) verify: Verify,
    #[serde(default)]
    pub(super) dashboard: Dashboard,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    pub(super) client_secret_file: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) endpoint: Text,
    pub(super) auth_url: Text,
    pub(super) token_url: Text,
    pub(super) revoke_url: Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folder {
    pub(super) path: Spanned<String>,
    pub(super) album: Text,
    pub(super) order: Text,
    pub(super) timezone: Text,
    #[serde(default)]
    pub(super) include: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) exclude: Vec<Spanned<String>>,
    pub(super) recursive: Option<bool>,
    pub(super) follow_symlinks: Option<bool>,
    pub(super) on_edit: Text,
    pub(super) on_delete: Text,
    pub(super) description: Text,
    pub(super) after_upload: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    pub(super) parallel: Number,
    pub(super) bandwidth: Text,
    pub(super) resumable_above: Text,
    pub(super) chunk_size: Text,
    pub(super) ready_tokens: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) max_wait: Text,
    pub(super) max_wait_backfill: Text,
    pub(super) order_calls: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quota {
    pub(super) requests_per_day: Number,
    pub(super) count_uploads: Option<bool>,
    pub(super) writes_per_minute: Number,
    pub(super) reserve: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watch {
    pub(super) settle: Text,
    pub(super) rescan: Text,
    pub(super) poll: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    pub(super) server_error_base: Text,
    pub(super) rate_limit_base: Text,
    pub(super) max_attempts: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verify {
    pub(super) after: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dashboard {
    pub(super) listen: Text,
}
