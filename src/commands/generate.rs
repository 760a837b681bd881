//! `albumen completions` and `albumen man`, generated from the definition of the command line.

use std::io;

use clap_complete::Shell;
use clap_mangen::Man;

use crate::{cli::definition, exit_code::ExitCode, ui::output};

/// Prints the completions of a shell.
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    clap_complete::generate(shell, &mut definition(), "albumen", &mut page);
    output::print(&String::from_utf8(page)?)?;
    Ok(ExitCode::Done)
}

/// Prints the manual page of `albumen`, with a section for each command.
pub(crate) fn man() -> anyhow::Result<ExitCode> {
    output::print(&String::from_utf8(manual()?)?)?;
    Ok(ExitCode::Done)
}

fn manual() -> io::Result<Vec<u8>> {
    let mut definition = definition();
    definition.build();
    let page = Man::new(definition.clone());
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    text.extend_from_slice(b".SH COMMANDS\n");
    for command in definition.get_subcommands() {
        section(command, &mut text)?;
    }
    page.render_extra_section(&mut text)?;
    page.render_version_section(&mut text)?;
    Ok(text)
}

/// The section of a command, or of its subcommands: usage, description, own options.
fn section(command: &clap::Command, text: &mut Vec<u8>) -> io::Result<()> {
    if command.is_hide_set() || command.get_name() == "help" {
        return Ok(());
    }
    let mut subcommands = command.get_subcommands().peekable();
    if subcommands.peek().is_some() {
        return subcommands.try_for_each(|command| section(command, text));
    }
    // The options of every command are in the section OPTIONS.
    let own = command.clone().mut_args(|argument| {
        let is_global = argument.is_global_set() || argument.get_id() == "help";
        argument.hide(is_global)
    });
    let page = Man::new(own);
    let mut body = Vec::new();
    page.render_synopsis_section(&mut body)?;
    page.render_description_section(&mut body)?;
    page.render_options_section(&mut body)?;
    let name = command.get_bin_name().unwrap_or(command.get_name());
    text.extend_from_slice(format!(".SS \"{name}\"\n").as_bytes());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        // `clap_mangen` renders a page of its own: its headings become paragraphs here.
        if line.starts_with(b".SH") {
            text.extend_from_slice(b".PP\n");
        } else if !line.starts_with(b".ie") && !line.starts_with(b".el") {
            text.extend_from_slice(line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_command_with_its_flags_and_the_exit_codes() {
        let text = String::from_utf8(manual().unwrap()).unwrap();
        for needle in [
            ".SS \"albumen backfill\"",
            ".SS \"albumen album remove\"",
            "\\-\\-dry\\-run",
            "Exit codes",
        ] {
            assert!(text.contains(needle), "{needle}\n{text}");
        }
        let global = text.matches("\\-\\-log\\-format").count();
        assert!(global <= 2, "{global}");
    }
}
