//! How Albumen ends: the numbers that scripts and the systemd unit go by.

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// 0: done. Also a daemon that was told to stop, and files that were refused with a reason.
    Done,
    /// 1: some items failed, or are missing in the library.
    SomeFailed,
    /// 2: usage, configuration, or an account that cannot be used (API or Photos disabled). The unit
    /// does not restart on it.
    Unusable,
    /// 3: a login is needed. Only commands that end say so: the daemon waits for it.
    LoginNeeded,
    /// 4: a second daemon, or a holder of the state folder that does not answer within 10 s. The
    /// unit does not restart on it.
    StateHeld,
    /// 5: ended with work left: `--no-wait` asked for it, or the folder of something in the queue is not
    /// there.
    WorkLeft,
    /// 70: an error inside Albumen (`EX_SOFTWARE` of BSD's sysexits).
    Internal,
    /// 130: interrupted; 128 and the number of SIGINT, as shells have it.
    Interrupted,
}

impl ExitCode {
    /// All of them, by number.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::SomeFailed,
        Self::Unusable,
        Self::LoginNeeded,
        Self::StateHeld,
        Self::WorkLeft,
        Self::Internal,
        Self::Interrupted,
    ];

    /// Which one wins where several apply: the first.
    const BY_WEIGHT: [Self; 8] = [
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
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::Unusable => 2,
            Self::LoginNeeded => 3,
            Self::StateHeld => 4,
            Self::WorkLeft => 5,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
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

    /// The one that counts where several apply; none is [`ExitCode::Done`].
    pub fn merge(codes: impl IntoIterator<Item = Self>) -> Self {
        let mut present = [false; Self::BY_WEIGHT.len()];
        for code in codes {
            for (heavier, known) in present.iter_mut().zip(Self::BY_WEIGHT) {
                *heavier |= known == code;
            }
        }
        let heaviest = present.iter().zip(Self::BY_WEIGHT).find(|(here, _)| **here);
        heaviest.map_or(Self::Done, |(_, code)| code)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// The paragraph of the help that lists them.
pub(super) fn table() -> String {
    let rows = ExitCode::ALL.map(|code| format!("\n  {:>3}  {}", code.number(), code.meaning()));
    format!("Exit codes:{}", rows.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_code_wins() {
        let order = [70, 2, 4, 130, 3, 5, 1, 0];
        let code_of = |number| ExitCode::ALL.into_iter().find(|it| it.number() == number);
        let order = order.map(|number| code_of(number).unwrap());
        for (index, graver) in order.into_iter().enumerate() {
            for lighter in order.into_iter().skip(index) {
                assert_eq!(ExitCode::merge([graver, lighter]), graver);
                assert_eq!(ExitCode::merge([lighter, graver]), graver);
            }
        }
        assert_eq!(ExitCode::merge(order), ExitCode::Internal);
        assert_eq!(ExitCode::merge([]), ExitCode::Done);
    }

    #[test]
    fn the_units_do_not_restart_what_a_restart_cannot_cure() {
        let [unusable, held] = [ExitCode::Unusable, ExitCode::StateHeld].map(ExitCode::number);
        let line = format!("\nRestartPreventExitStatus={unusable} {held}\n");
        for unit in [
            include_str!("../../systemd/system/albumen@.service"),
            include_str!("../../systemd/user/albumen.service"),
        ] {
            assert!(unit.contains(&line), "{unit}");
        }
    }
}
