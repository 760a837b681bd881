//! The exit codes of the process: scripts and the systemd unit act on these numbers.

use strum::{FromRepr, VariantArray};

/// How the process, or a command that another process executed, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, FromRepr, VariantArray)]
#[repr(u8)]
pub enum ExitCode {
    /// Done. Also for a daemon that was stopped, and if files were refused by a rule.
    Done = 0,
    /// Some items failed or are missing in the library.
    SomeFailed = 1,
    /// Usage, configuration, or an account that cannot be used (API or Photos disabled). The systemd unit
    /// does not restart on it.
    Unusable = 2,
    /// A login is needed. Only one-shot commands end with it: the daemon waits for the login.
    LoginNeeded = 3,
    /// A second daemon, or the process that holds the state folder does not answer within 10 s. The systemd
    /// unit does not restart on it.
    StateHeld = 4,
    /// Ended with work left: because of `--no-wait`, or because the folder of a queued file is missing.
    WorkLeft = 5,
    /// An error inside Albumen (`EX_SOFTWARE` of BSD's sysexits).
    Internal = 70,
    /// Interrupted: 128 plus the number of SIGINT, as shells report it.
    Interrupted = 130,
}

impl ExitCode {
    /// All of them, by number.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Which one wins if several apply: the first.
    const BY_PRECEDENCE: [Self; 8] = [
        Self::Internal,
        Self::Unusable,
        Self::StateHeld,
        Self::Interrupted,
        Self::LoginNeeded,
        Self::WorkLeft,
        Self::SomeFailed,
        Self::Done,
    ];

    /// The number that the parent process gets.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// What it means, for the help.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::SomeFailed => "some items failed or are missing",
            Self::Unusable => "usage, configuration, or an account that cannot be used",
            Self::LoginNeeded => "a login is needed: `albumen login`",
            Self::StateHeld => "a second daemon, or the running one does not answer",
            Self::WorkLeft => "ended with work left (--no-wait, or a folder that is not there)",
            Self::Internal => "an error inside Albumen",
            Self::Interrupted => "interrupted",
        }
    }

    /// The one that wins if several apply; [`ExitCode::Done`] if there is none.
    pub fn merge(codes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |code: &Self| Self::BY_PRECEDENCE.iter().position(|it| it == code);
        codes.into_iter().min_by_key(rank).unwrap_or(Self::Done)
    }

    /// The paragraph of the help that lists them.
    pub fn table() -> String {
        let row = |code: &Self| format!("\n  {:>3}  {}", code.number(), code.meaning());
        format!(
            "Exit codes:{}",
            Self::ALL.iter().map(row).collect::<String>()
        )
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_with_the_highest_precedence_wins() {
        let order = [70, 2, 4, 130, 3, 5, 1, 0].map(|number| ExitCode::from_repr(number).unwrap());
        for (index, winner) in order.into_iter().enumerate() {
            for other in order.into_iter().skip(index) {
                assert_eq!(ExitCode::merge([winner, other]), winner);
                assert_eq!(ExitCode::merge([other, winner]), winner);
            }
        }
        assert_eq!(ExitCode::merge(order), ExitCode::Internal);
        assert_eq!(ExitCode::merge([]), ExitCode::Done);
    }

    #[test]
    fn the_units_do_not_restart_after_the_codes_that_a_restart_cannot_fix() {
        let [unusable, held] = [ExitCode::Unusable, ExitCode::StateHeld].map(ExitCode::number);
        let line = format!("\nRestartPreventExitStatus={unusable} {held}\n");
        for unit in [
            include_str!("../systemd/system/albumen@.service"),
            include_str!("../systemd/user/albumen.service"),
        ] {
            assert!(unit.contains(&line), "{unit}");
        }
    }
}
