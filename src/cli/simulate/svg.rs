//! A run as a picture: what was sent of the quota, how long was waited, what was refused. No script, no font, no colour that needs
//! the other to be told apart; a few kilobytes.

use std::fmt::Write as _;

use crate::simulate::{Fate, Outcome, SIGN_IN, Seen};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 44.0;
const TOP: f64 = 56.0;
/// Points of a line: more are not seen.
const MOST_POINTS: usize = 180;
const COLOURS: [&str; 6] = ["#0b6e99", "#d9730d", "#448361", "#9065b0", "#c14c8a", "#787774"];
/// In the place of one load.
const ALL: usize = usize::MAX;
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
pub(super) fn draw(outcome: &Outcome) -> String {
    let scenario = &outcome.scenario;
    let parts = Parts::of(scenario.duration.as_secs_f64());
    let loads = scenario.loads.iter().enumerate().map(|(index, load)| (index, load.name.as_str()));
    // Sign-in is beside the loads, and the last.
    let who: Vec<_> = loads.chain((scenario.sign_in > 0.0).then_some((SIGN_IN, "sign-in"))).collect();
    let height = TOP + 3.0 * (PANEL + GAP) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    legend(&mut svg, &who);
    let sent: Vec<_> = who.iter().map(|(load, _)| parts.rates(outcome, *load, Fate::Sent)).collect();
    answered(&mut svg, outcome, &parts, &sent);
    let waits: Vec<_> = who.iter().map(|(load, _)| parts.waits(outcome, *load)).collect();
    panel_of(&mut svg, &parts, ("longest wait, in seconds", 1), &waits);
    let refused = |load| {
        let [here, there] =
            [Fate::Refused, Fate::RefusedUpstream].map(|fate| parts.rates(outcome, load, fate));
        here.iter().zip(there).map(|(here, there)| here + there).collect()
    };
    let refused: Vec<_> = who.iter().map(|(load, _)| refused(*load)).collect();
    panel_of(&mut svg, &parts, ("refused, per second", 2), &refused);
    svg + "</svg>\n"
}

#[expect(clippy::cast_precision_loss, reason = "a few letters")]
fn legend(svg: &mut String, who: &[(usize, &str)]) {
    let names = who.iter().enumerate().map(|(place, (_, name))| (place, *name));
    let mut x = LEFT;
    for (place, name) in [(ALL, "all but sign-in")].into_iter().chain(names) {
        let (name, after) = (escaped(name), x + 23.0);
        let line = format!("<path d=\"M{x:.0} 18h18\" {}/>", stroke(place));
        let _ = writeln!(svg, "{line}<text x=\"{after:.0}\" y=\"22\">{name}</text>");
        x += 46.0 + 7.0 * name.chars().count() as f64;
    }
}

/// The first panel, with the levels that there are.
fn answered(svg: &mut String, outcome: &Outcome, parts: &Parts, sent: &[Vec<f64>]) {
    let (quota, loads) = (outcome.scenario.quota, &sent[..outcome.scenario.loads.len()]);
    let together = (0..parts.count).map(|part| loads.iter().map(|values| values[part]).sum());
    let together: Vec<f64> = together.collect();
    let most =
        sent.iter().flatten().chain(&together).fold(quota.per_second(), |most, value| most.max(*value));
    let title = "answered by the tenant, per second (dotted: what it allows, and the share)";
    let panel = Panel { title, top: TOP, most };
    panel.frame(svg, parts);
    for level in [quota.per_second(), quota.per_second() * quota.share] {
        let (y, right) = (panel.y(level), WIDTH - RIGHT);
        let _ =
            writeln!(svg, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#000\" stroke-dasharray=\"1 3\"/>");
    }
    sent.iter().enumerate().for_each(|(place, values)| panel.line(svg, values, place));
    panel.line(svg, &together, ALL);
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
    if place == ALL {
        return "fill=\"none\" stroke=\"#000\"".to_owned();
    }
    let colour = COLOURS[place % COLOURS.len()];
    let dashes = DASHES[place / COLOURS.len() % DASHES.len()];
    format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" stroke-dasharray=\"{dashes}\"")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
