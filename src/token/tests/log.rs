//! What an operator reads: each kind of trouble once, and its end.

use std::io::Write;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn count(&self, words: &[&str]) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

/// The lines of this test, as long as what is beside them is kept.
fn listening() -> (Lines, (tracing::subscriber::DefaultGuard, tracing::Dispatch)) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .finish();
    // Of one subscriber alone, whichever thread comes by a line for the first time settles for all that nobody listens, if nobody does
    // there; of two, both are asked.
    let another = tracing::Dispatch::new(tracing_subscriber::registry());
    let guard = tracing::subscriber::set_default(subscriber);
    // A test beside this one may have come by one of these lines before.
    tracing::callsite::rebuild_interest_cache();
    (lines, (guard, another))
}

/// A SIGHUP takes over the changed secret, and then has it tried again.
#[tokio::test(start_paused = true)]
async fn what_is_tried_anew_at_once_is_not_told_twice() {
    let (lines, _guard) = listening();
    let world = World::new(BROKEN);
    let handle = world.handle();
    handle.warm();
    pass(SECOND).await;
    handle.retry();
    pass(SECOND).await;
    assert!(world.issuer.count() >= 2);
    assert_eq!(lines.count(&["WARN"]), 1);
    pass(2 * SECOND).await;
    handle.retry();
    pass(SECOND).await;
    assert_eq!(lines.count(&["WARN"]), 2, "whoever has it tried again later is told what came of it");
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told_once_and_so_is_its_end() {
    let (lines, _guard) = listening();
    let world = World::new(BROKEN);
    let handle = world.handle();
    handle.warm();
    pass(5 * MINUTE).await;
    assert!(world.issuer.count() > 10);
    assert_eq!(lines.count(&["WARN"]), 1, "an outage of five minutes is one line");
    assert_eq!(lines.count(&["WARN", "tenant=acme", "status 500", "remedy="]), 1);
    assert_eq!(lines.count(&["DEBUG", "still no token"]), world.issuer.count() - 1);

    world.issuer.always(Reply::Fault(Fault::Timeout));
    pass(MINUTE).await;
    assert_eq!(lines.count(&["WARN"]), 2, "another kind of trouble is another line");

    world.issuer.always(Reply::Token(3600));
    pass(MINUTE).await;
    assert_eq!(lines.count(&["INFO", "got a token again", "tenant=acme"]), 1);
    let token = handle.current().unwrap();
    assert_eq!(lines.count(&[&value(&token)]) + lines.count(&["s3cret"]), 0);
}
