//! `claviger status --watch`: the same every two seconds, in a screen of its own that is given back at the end. A frame is drawn over
//! the one before, so that nothing flickers.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::Instant,
};

use super::{
    document::Document,
    paint::{Paint, Tone, is_terminal},
    question::Question,
    render,
};

const PERIOD: Duration = Duration::from_secs(2);

/// The other screen, no cursor, and no line longer than the screen.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// All of a frame at once, where the terminal can; from the top left.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const REST_OF_LINE: &str = "\x1b[K";
const END: &str = "\x1b[J\x1b[?2026l";

pub(super) fn run(question: Question, as_json: bool) -> ExitCode {
    match super::super::runtime() {
        Ok(runtime) => runtime.block_on(async {
            match watch(question, as_json).await {
                Ok(()) => ExitCode::SUCCESS,
                // Whoever read it has seen enough.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
                Err(error) => super::super::fail(&error.to_string()),
            }
        }),
        Err(error) => super::super::fail(&format!("cannot start: {error}")),
    }
}

/// Gives the screen back, however the watch ends.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        write(ENTER)?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _: io::Result<()> = write(LEAVE);
    }
}

async fn watch(question: Question, as_json: bool) -> io::Result<()> {
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (mut hup, mut resized) = (signal(SignalKind::hangup())?, signal(SignalKind::window_change())?);
    let in_screen = is_terminal() && !as_json;
    let _screen = if in_screen { Some(Screen::enter()?) } else { None };
    let mut last = None;
    loop {
        let next = Instant::now() + PERIOD;
        let asked = ask(question.clone());
        tokio::pin!(asked);
        let mut answer = None;
        loop {
            tokio::select! {
                _ = int.recv() => return Ok(()),
                _ = term.recv() => return Ok(()),
                _ = hup.recv() => return Ok(()),
                _ = resized.recv(), if in_screen => show(last.as_ref(), in_screen, as_json)?,
                result = &mut asked, if answer.is_none() => {
                    answer = Some(());
                    last = Some(result);
                    show(last.as_ref(), in_screen, as_json)?;
                }
                () = tokio::time::sleep_until(next), if answer.is_some() => break,
            }
        }
    }
}

/// On a thread of its own, so that Ctrl-C is heard meanwhile.
async fn ask(question: Question) -> Result<Document, String> {
    let (to, answer) = oneshot::channel();
    let asking = move || drop(to.send(question.ask()));
    if let Err(error) = thread::Builder::new().name("ask".into()).spawn(asking) {
        return Err(error.to_string());
    }
    answer.await.unwrap_or_else(|_| Err("nobody was asked".into()))
}

fn show(answer: Option<&Result<Document, String>>, in_screen: bool, as_json: bool) -> io::Result<()> {
    let Some(answer) = answer else { return Ok(()) };
    let paint = Paint::of_stdout();
    match answer {
        Ok(document) if as_json => write(&document.json_line()),
        Err(why) if as_json => {
            tell!("claviger: {why}");
            Ok(())
        }
        Ok(document) if in_screen => write(&frame(render::lines(document, &paint), &paint)),
        Err(why) if in_screen => {
            let lines = vec![paint.text(Tone::Error, "no answer"), String::new(), why.clone()];
            write(&frame(lines, &paint))
        }
        Ok(document) => write(&format!("{}\n", render::text(document, &paint))),
        Err(why) => write(&format!("claviger: {why}\n\n")),
    }
}

/// What fits on the screen, drawn over what is there.
pub(super) fn frame(mut lines: Vec<String>, paint: &Paint) -> String {
    let room = paint.height.unwrap_or(usize::MAX).saturating_sub(1).max(2);
    if lines.len() > room {
        let more = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(paint.text(
            Tone::Soft,
            &format!("{more} more lines: make the window taller, or name one with --tenant"),
        ));
    }
    let hint = paint.text(Tone::Soft, "every two seconds; Ctrl-C ends");
    let drawn = lines.iter().chain([&hint]).map(|line| format!("{line}{REST_OF_LINE}"));
    format!("{BEGIN}{}{END}", drawn.collect::<Vec<_>>().join("\r\n"))
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
