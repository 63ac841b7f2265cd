//! `completions` and `man`.

use clap::CommandFactory;

use super::arguments::Arguments;
use super::exit::Exit;
use super::{UsageError, output};

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "clearml-alerts", &mut script);
    output::write(|out| out.write_all(&script))?;
    Ok(Exit::Done)
}

/// Prints the manual page of the program, or of the command that these words name.
pub(super) fn page(words: &[String]) -> anyhow::Result<Exit> {
    let mut program = Arguments::command();
    // Only a built command knows its whole name.
    program.build();
    let mut command = &program;
    for word in words {
        let unknown = || UsageError(format!("there is no command `{word}`: `clearml-alerts --help` lists them"));
        command = command.find_subcommand(word).ok_or_else(unknown)?;
    }
    let name = command.get_display_name().unwrap_or("clearml-alerts").to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut page)?;
    output::write(|out| out.write_all(&page))?;
    Ok(Exit::Done)
}
