//! The kinds of mutating call, and the one policy for what follows when a call was not carried out. Pure.

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum CallKind {
    /// mediaItems.batchCreate
    CreateItems,
    /// albums.create
    CreateAlbum,
    /// albums.batchAddMediaItems
    AddItems,
    /// albums.batchRemoveMediaItems
    RemoveItems,
    /// mediaItems.patch
    DescribeItem,
}

/// Why a call was not carried out, by whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No answer came, or one that cannot be read. The call may have been carried out.
    NoAnswer,
    /// The service failed (5xx). The call may have been carried out.
    Server,
    /// An upload token of the call has expired.
    Token,
    /// Something that the call carries was refused: an item, the position, or the album.
    Request,
    /// The album is unknown, or not ours.
    Album,
    /// The album is full.
    AlbumFull,
    /// The storage of the account is full.
    Storage,
    /// A rate limit, the sign-in or the network: the same call may pass later.
    Moment,
}

/// What follows when a call was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The journal keeps the call without an answer, and it is repeated word for word before any other.
    Replay,
    /// The call is recorded as refused. What it carried goes into other calls.
    GiveUp,
}

/// How calls of one kind are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPolicy {
    /// How often a call is sent that gets no answer or a server error. Nothing else is sent meanwhile.
    pub max_sends: u32,
    /// Equal bytes have the same effect once more, so the call may be repeated word for word. A second
    /// `albums.create` would make a second album: there the service's list of albums decides.
    pub is_idempotent: bool,
    /// Once a call was sent more than once, an earlier send may have had an effect that only a
    /// repetition shows. Then it is repeated even after a refusal that will pass.
    pub replay_after_pause: bool,
}

/// Sends of a call without an answer, before it is given up.
const MAX_SENDS: u32 = 6;

/// The same for a part of a call that is bisected, and for calls of one item: others had to wait for it
/// before.
const MAX_SENDS_OF_PART: u32 = 2;

impl CallKind {
    /// The policy for calls of this kind. `is_part` says whether the call is a part of a refused one, or
    /// carries one item that was refused together with others.
    pub fn policy(self, is_part: bool) -> CallPolicy {
        let is_part = is_part || self == Self::DescribeItem;
        CallPolicy {
            max_sends: if is_part {
                MAX_SENDS_OF_PART
            } else {
                MAX_SENDS
            },
            is_idempotent: self != Self::CreateAlbum,
            replay_after_pause: self == Self::CreateItems,
        }
    }
}

impl Fault {
    /// Whether the call may have been carried out all the same.
    pub fn outcome_is_unknown(self) -> bool {
        matches!(self, Self::NoAnswer | Self::Server)
    }
}

impl CallPolicy {
    /// What follows when a call failed that was sent `sends` times.
    pub fn settle(self, fault: Fault, sends: u32) -> Next {
        let replay = match fault {
            // How often an unanswered call was sent is checked before it is repeated.
            Fault::NoAnswer => self.is_idempotent,
            Fault::Server => self.is_idempotent && sends < self.max_sends,
            Fault::Moment => self.replay_after_pause && sends > 1,
            Fault::Token | Fault::Request | Fault::Album | Fault::AlbumFull | Fault::Storage => {
                false
            }
        };
        if replay { Next::Replay } else { Next::GiveUp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_an_answer_is_repeated_unless_it_would_make_a_second_album() {
        for kind in [
            CallKind::CreateItems,
            CallKind::AddItems,
            CallKind::RemoveItems,
        ] {
            assert_eq!(kind.policy(false).settle(Fault::NoAnswer, 9), Next::Replay);
        }
        let album = CallKind::CreateAlbum.policy(false);
        assert_eq!(album.settle(Fault::NoAnswer, 1), Next::GiveUp);
        assert_eq!(album.settle(Fault::Server, 1), Next::GiveUp);
    }

    #[test]
    fn server_errors_are_repeated_six_times_and_twice_for_a_part() {
        let sends = |policy: CallPolicy| {
            (1..100).find(|sends| policy.settle(Fault::Server, *sends) == Next::GiveUp)
        };
        assert_eq!(sends(CallKind::CreateItems.policy(false)), Some(6));
        assert_eq!(sends(CallKind::CreateItems.policy(true)), Some(2));
        assert_eq!(sends(CallKind::DescribeItem.policy(false)), Some(2));
    }

    #[test]
    fn only_a_repeated_creation_outlasts_a_pause() {
        let create = CallKind::CreateItems.policy(false);
        assert_eq!(create.settle(Fault::Moment, 1), Next::GiveUp);
        assert_eq!(create.settle(Fault::Moment, 2), Next::Replay);
        assert_eq!(
            CallKind::AddItems.policy(false).settle(Fault::Moment, 2),
            Next::GiveUp
        );
    }
}
