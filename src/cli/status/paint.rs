//! Colours, where a terminal wants them, and how wide a line may be.

use std::{
    env,
    io::{self, IsTerminal as _},
};

/// Whether standard output is one.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How text is shown.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    pub(super) is_coloured: bool,
    /// Whether blocks and dots can be shown.
    pub(super) has_unicode: bool,
    /// Columns; `None`: no end.
    pub(super) width: Option<usize>,
    /// Lines.
    pub(super) height: Option<usize>,
}

/// A colour with a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Strong,
    Soft,
    Good,
    Warning,
    Error,
}

impl Paint {
    /// As standard output takes it. <https://no-color.org>
    pub(super) fn of_stdout() -> Self {
        if !is_terminal() {
            return Self { is_coloured: false, has_unicode: false, width: None, height: None };
        }
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
        let is_utf8 = |locale: String| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        };
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let given = |cells: u16| Some(usize::from(cells)).filter(|cells| *cells > 0);
        Self {
            is_coloured: !is_set("NO_COLOR") && !is_dumb,
            has_unicode: locale.is_some_and(is_utf8),
            width: size.as_ref().and_then(|size| given(size.ws_col)),
            height: size.as_ref().and_then(|size| given(size.ws_row)),
        }
    }

    pub(super) fn text(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            _ if !self.is_coloured || text.is_empty() => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Soft => "2",
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Error => "1;31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    #[cfg(test)]
    pub(super) fn plain(width: Option<usize>) -> Self {
        Self { is_coloured: false, has_unicode: true, width, height: None }
    }

    #[cfg(test)]
    pub(super) fn coloured() -> Self {
        Self { is_coloured: true, ..Self::plain(None) }
    }
}
