//! `completions` and `man`.

use clap::CommandFactory;

use super::arguments::Arguments;
use super::exit::Exit;
use super::output;

/// Prints a shell's completions.
pub(super) fn completions(shell: clap_complete::Shell) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "clearml-alerts", &mut script);
    output::write(|out| out.write_all(&script))?;
    Ok(Exit::Done)
}

/// Prints the manual page.
pub(super) fn page() -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
    output::write(|out| out.write_all(&page))?;
    Ok(Exit::Done)
}
