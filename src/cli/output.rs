//! Results on standard output. A pipe that closes is not an error; colours only on a terminal that wants them.

use std::io::{self, IsTerminal, Write};

/// Whether results go to a terminal.
fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Writes results. `Ok(false)` when the reader has gone: the command is done then.
pub(super) fn write(results: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    super::progress::clear();
    let mut out = io::BufWriter::new(io::stdout().lock());
    match results(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // The buffer is dropped with what the reader did not want.
            let (_, _) = out.into_parts();
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Writes one text as it is.
pub(super) fn text(text: &str) -> io::Result<bool> {
    write(|out| out.write_all(text.as_bytes()))
}

/// The terminal's width; `None` where results go to a pipe or a file, which get whole values.
pub(super) fn width() -> Option<u16> {
    is_terminal().then(|| comfy_table::Table::new().width().unwrap_or(80))
}
