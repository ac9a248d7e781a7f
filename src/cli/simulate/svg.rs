//! A run as a picture: what was sent of the quota, how long was waited, what was refused. No script, no font, no colour that needs
//! the other to be told apart; a few kilobytes.

use std::fmt::Write as _;

use crate::simulate::{Fate, Outcome, SIGN_IN, Seen};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 44.0;
const TOP: f64 = 40.0;
/// Points of a line: more are not seen.
const MOST_POINTS: usize = 180;
const COLOURS: [&str; 6] = ["#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774"];
const DASHES: [&str; 3] = ["", "5 3", "2 2"];

/// Time in equal parts.
struct Parts {
    count: usize,
    seconds: f64,
}

/// One picture of three below each other.
struct Panel<'t> {
    title: &'t str,
    top: f64,
    most: f64,
}

/// The picture.
#[expect(clippy::cast_precision_loss, reason = "a few at most")]
pub(super) fn draw(outcome: &Outcome) -> String {
    let scenario = &outcome.scenario;
    let parts = Parts::of(scenario.duration.as_secs_f64());
    let who: Vec<(usize, &str)> = scenario
        .loads
        .iter()
        .enumerate()
        .map(|(index, load)| (index, load.name.as_str()))
        .chain((scenario.sign_in > 0.0).then_some((SIGN_IN, "sign-in")))
        .collect();
    let height = TOP + 3.0 * (PANEL + GAP) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut x = LEFT;
    for (place, (_, name)) in who.iter().enumerate() {
        let name = escaped(name);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.0} 18h18\" {}/><text x=\"{:.0}\" y=\"22\">{name}</text>",
            stroke(place),
            x + 23.0
        );
        x += 46.0 + 7.0 * name.chars().count() as f64;
    }
    let quota = scenario.quota;
    let (allowed, share) = (quota.per_second(), quota.per_second() * quota.share);
    let sent: Vec<_> = who.iter().map(|(load, _)| parts.rates(outcome, *load, Fate::Sent)).collect();
    let most = sent.iter().flatten().fold(allowed, |most, value| most.max(*value));
    let panel = Panel {
        title: "answered by the tenant, per second (dotted: what it allows, and the share)",
        top: TOP,
        most,
    };
    panel.frame(&mut svg, &parts);
    for level in [allowed, share] {
        let y = panel.y(level);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#000\" stroke-dasharray=\"1 3\"/>",
            WIDTH - RIGHT
        );
    }
    sent.iter().enumerate().for_each(|(place, values)| panel.line(&mut svg, values, place));
    let waits: Vec<_> = who.iter().map(|(load, _)| parts.waits(outcome, *load)).collect();
    panel_of(&mut svg, &parts, ("longest wait, in seconds", 1), &waits);
    let refused: Vec<_> = who
        .iter()
        .map(|(load, _)| {
            let (here, there) = (
                parts.rates(outcome, *load, Fate::Refused),
                parts.rates(outcome, *load, Fate::RefusedUpstream),
            );
            here.iter().zip(there).map(|(here, there)| here + there).collect()
        })
        .collect();
    panel_of(&mut svg, &parts, ("refused, per second", 2), &refused);
    svg + "</svg>\n"
}

#[expect(clippy::cast_precision_loss, reason = "one of three")]
fn panel_of(svg: &mut String, parts: &Parts, (title, place): (&str, usize), lines: &[Vec<f64>]) {
    let most = lines.iter().flatten().fold(0.1_f64, |most, value| most.max(*value));
    let panel = Panel { title, top: TOP + place as f64 * (PANEL + GAP), most };
    panel.frame(svg, parts);
    lines.iter().enumerate().for_each(|(place, values)| panel.line(svg, values, place));
}

impl Parts {
    /// Of a second or more.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few hundred"
    )]
    fn of(seconds: f64) -> Self {
        let count = (seconds.ceil() as usize).clamp(1, MOST_POINTS);
        Self { count, seconds: seconds / count as f64 }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred")]
    fn part(&self, seen: &Seen) -> usize {
        ((seen.at.as_secs_f64() / self.seconds) as usize).min(self.count - 1)
    }

    fn rates(&self, outcome: &Outcome, load: usize, fate: Fate) -> Vec<f64> {
        let mut rates = vec![0.0; self.count];
        for seen in outcome.seen.iter().filter(|seen| seen.load == load && seen.fate == fate) {
            rates[self.part(seen)] += 1.0 / self.seconds;
        }
        rates
    }

    fn waits(&self, outcome: &Outcome, load: usize) -> Vec<f64> {
        let mut waits = vec![0.0_f64; self.count];
        for seen in outcome.seen.iter().filter(|seen| seen.load == load && seen.fate == Fate::Sent) {
            let longest = &mut waits[self.part(seen)];
            *longest = longest.max(seen.wait.as_secs_f64());
        }
        waits
    }
}

impl Panel<'_> {
    fn y(&self, value: f64) -> f64 {
        self.top + PANEL - value / self.most * PANEL
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    fn frame(&self, svg: &mut String, parts: &Parts) {
        let (right, bottom) = (WIDTH - RIGHT, self.top + PANEL);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {}V{bottom}H{right}\" fill=\"none\" stroke=\"#787774\"/>",
            self.top
        );
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            LEFT + 6.0,
            self.top - 4.0,
            self.title
        );
        for value in [0.0, self.most] {
            let y = self.y(value) + 4.0;
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{y:.0}\" text-anchor=\"end\">{value:.1}</text>",
                LEFT - 6.0
            );
        }
        let whole = parts.seconds * parts.count as f64;
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\">0 s</text><text x=\"{right}\" y=\"{}\" text-anchor=\"end\">{whole:.0} s</text>",
            bottom + 16.0,
            bottom + 16.0
        );
    }

    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    fn line(&self, svg: &mut String, values: &[f64], place: usize) {
        if values.iter().all(|value| *value <= 0.0) {
            return;
        }
        let step = (WIDTH - LEFT - RIGHT) / values.len() as f64;
        let points = values
            .iter()
            .enumerate()
            .map(|(part, value)| format!("{:.0},{:.0}", LEFT + step * (part as f64 + 0.5), self.y(*value)));
        let points: Vec<_> = points.collect();
        let _ = writeln!(svg, "<polyline points=\"{}\" {}/>", points.join(" "), stroke(place));
    }
}

fn stroke(place: usize) -> String {
    let colour = COLOURS[place % COLOURS.len()];
    let dashes = DASHES[place / COLOURS.len() % DASHES.len()];
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" stroke-dasharray=\"{dashes}\"")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
