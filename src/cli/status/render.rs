//! The document as text: problems, then tables of tenants, callers and what expires.

mod table;

use self::table::Table;
use super::{
    document::{Document, Node},
    paint::{Paint, Tone},
};

/// Steps of a graph of one line.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How soon what expires is worth a colour: 14 days.
const SOON: u64 = 14 * 24 * 60 * 60;

pub(super) fn text(document: &Document, paint: &Paint) -> String {
    lines(document, paint).into_iter().map(|line| line + "\n").collect()
}

pub(super) fn lines(document: &Document, paint: &Paint) -> Vec<String> {
    let root = document.root();
    let mut lines = head(document, paint);
    for problem in root.at("problems").list() {
        lines.push(String::new());
        lines.extend(of_problem(problem, paint));
    }
    match root.at("problems_elsewhere").number() {
        0 if root.at("problems").list().len() > 0 => {}
        0 => lines.extend([String::new(), "Nothing is wrong.".to_owned()]),
        other => lines.extend([
            String::new(),
            format!("{} of other tenants: leave --tenant out.", counted(other, "problem")),
        ]),
    }
    for table in [tenants(root), accounts(root), callers(root, paint.has_unicode), expiring(root)] {
        if table.rows.len() > 1 {
            lines.push(String::new());
            lines.extend(table.lines(paint));
        }
    }
    lines
}

fn head(document: &Document, paint: &Paint) -> Vec<String> {
    let root = document.root();
    let state = root.at("state").text();
    let tone = if root.at("ready").is(true) { Tone::Good } else { Tone::Warning };
    let some = |member: &str, what: &str, tone| match root.at(member).number() {
        0 => None,
        number => Some(paint.text(tone, &counted(number, what))),
    };
    let first = [
        Some(format!("{} {}", paint.text(Tone::Strong, "Claviger"), root.at("version").text())),
        Some(document.address.clone()),
        Some(paint.text(tone, &state)),
        some("errors", "error", Tone::Error),
        some("warnings", "warning", Tone::Warning),
    ];
    let configuration = root.at("configuration");
    let up = root.at("uptime_seconds").number();
    // Of a date in whole seconds, which may be up to one more.
    let in_force = configuration.at("in_force_since").seconds_ago().unwrap_or_default().min(up);
    let second = format!(
        "up {}, {}; configuration {} in force for {}",
        length(up),
        counted(root.at("connections").number(), "connection"),
        configuration.at("digest").text(),
        length(in_force),
    );
    let first = first.into_iter().flatten().collect::<Vec<_>>().join("  ");
    let second = paint.text(Tone::Soft, &second);
    let third = redis(root.at("redis")).map(|third| paint.text(Tone::Soft, &third));
    [first, second].into_iter().chain(third).collect()
}

/// Why it is not connected is among the problems.
fn redis(redis: Node<'_>) -> Option<String> {
    let shares = redis.at("shares").list().map(|what| what.text().replace('_', " ")).collect::<Vec<_>>();
    let shares = if shares.is_empty() { "nothing".to_owned() } else { shares.join(", ") };
    let replicas = redis.at("replicas");
    let by = replicas.is_there().then(|| format!(" by {}", counted(replicas.number(), "replica")));
    let by = by.unwrap_or_default();
    let odd = if redis.at("other_token_keys").is(true) { ", not all with the same token_key" } else { "" };
    let (server, prefix) = (redis.at("server").text(), redis.at("prefix").text());
    redis.is_there().then(|| match redis.at("connected").is(true) {
        true => format!("{server}, prefix {prefix}: {shares} shared{by}{odd}"),
        false => format!("Redis is away; not shared meanwhile: {shares}"),
    })
}

fn of_problem(problem: Node<'_>, paint: &Paint) -> Vec<String> {
    let severity = problem.at("severity").text();
    let ago = problem.at("at").seconds_ago().map(|ago| format!("{} ago", length(ago)));
    let first = format!(
        "{:<9}{}  {}",
        severity,
        problem.at("about").text(),
        paint.text(Tone::Soft, &ago.unwrap_or_default())
    );
    let first = first.replacen(&severity, &paint.text(tone(&severity), &severity), 1);
    let mut lines = vec![first.trim_end().to_owned()];
    lines.extend(wrapped(&capital(&problem.at("what").text()), paint, Tone::Plain));
    // Of some what is wrong says what to write.
    let remedy = problem.at("remedy").text();
    if !remedy.is_empty() {
        lines.extend(wrapped(&remedy, paint, Tone::Soft));
    }
    lines
}

fn tenants(root: Node<'_>) -> Table {
    let mut table =
        Table::new(&["TENANT", "STATE", "TOKEN ENDS IN", "UPSTREAM, 5 MIN", ">IN FLIGHT", ">BURST LEFT"]);
    let mut all = root.at("tenants").members();
    let rank = |state: &str| ["error", "warning", "ok"].iter().position(|known| *known == state);
    all.sort_by_key(|(_, tenant)| rank(&tenant.at("state").text()));
    let mut batch_waits = false;
    for (name, tenant) in all {
        let (state, token, upstream) = (tenant.at("state").text(), tenant.at("token"), tenant.at("upstream"));
        let (ends, ends_tone) = match () {
            () if token.at("usable").is(true) => {
                (length(token.at("usable_for_seconds").number()), Tone::Plain)
            }
            () if token.at("last_error").is_there() => ("none".to_owned(), Tone::Error),
            () => ("not asked for yet".to_owned(), Tone::Soft),
        };
        let (fares, fares_tone) = fares(upstream);
        let quota = tenant.at("quota");
        let left = match quota.is_there() {
            true => format!("{} / {}", quota.at("remaining").number(), quota.at("burst").number()),
            false => "none set".to_owned(),
        };
        let waiting =
            ["interactive", "normal", "batch"].map(|class| (class, quota.at("waiting").at(class).number()));
        let waiting: Vec<_> = waiting.into_iter().filter(|(_, many)| *many > 0).collect();
        let shown: Vec<_> =
            waiting.iter().map(|(class, many)| format!("{} {class}", number(*many))).collect();
        let left = if waiting.is_empty() { left } else { format!("{left}; {} wait", shown.join(", ")) };
        batch_waits |=
            quota.at("remaining").number() > 0 && waiting.iter().any(|(class, _)| *class == "batch");
        table.row([
            (name, tone(&state)),
            (state.clone(), tone(&state)),
            (ends, ends_tone),
            (fares, fares_tone),
            in_flight(tenant),
            (left, Tone::Plain),
        ]);
    }
    if batch_waits {
        let why = "batch requests wait for the pace of the quota's share: the burst that is left is reserved for more urgent ones";
        table.notes.push(why.to_owned());
    }
    let (shown, matching) = (table.rows.len() as u64 - 1, root.at("tenants_matching").number());
    if shown < matching {
        table.notes.push(format!(
            "{shown} of {} tenants, those with problems first; --tenant and --limit show others",
            number(matching)
        ));
    }
    table
}

/// Requests under way, of as many as are sent at one time now, and those that wait for that.
fn in_flight(tenant: Node<'_>) -> (String, Tone) {
    let (max, limit) = (tenant.at("max_in_flight").number(), tenant.at("in_flight_limit"));
    let waiting: u64 = tenant.at("waiting").members().iter().map(|(_, class)| class.number()).sum();
    let mut shown = format!("{} / {max}", tenant.at("in_flight").number());
    let mut tone = Tone::Plain;
    if limit.is_there() && limit.number() < max {
        shown = format!("{} / {} of {max}", tenant.at("in_flight").number(), limit.number());
        tone = Tone::Warning;
    }
    (if waiting == 0 { shown } else { format!("{shown}, {} wait", number(waiting)) }, tone)
}

/// What became of tries in the last minutes, or that nothing is tried.
fn fares(upstream: Node<'_>) -> (String, Tone) {
    let circuit = upstream.at("circuit");
    if circuit.at("state").is("half_open") {
        return ("stopped, one is tried next".to_owned(), Tone::Error);
    }
    if circuit.at("state").is("open") {
        let next = length(circuit.at("next_try_in_seconds").number().max(1));
        return (format!("stopped, tried again in {next}"), Tone::Error);
    }
    let tries = match upstream.at("tries").number() {
        1 => "1 try".to_owned(),
        tries => format!("{} tries", number(tries)),
    };
    match upstream.at("failed_share").share() {
        None => ("nothing sent".to_owned(), Tone::Soft),
        Some(0.0) => (format!("{tries}, none failed"), Tone::Plain),
        Some(share) => {
            let tone = match share {
                share if share >= 0.5 => Tone::Error,
                share if share >= 0.05 => Tone::Warning,
                _ => Tone::Plain,
            };
            let digits = usize::from(share < 0.1);
            (format!("{:.digits$} % of {tries} failed", share * 100.0), tone)
        }
    }
}

/// Accounts at Logto Cloud.
fn accounts(root: Node<'_>) -> Table {
    let mut table = Table::new(&["ACCOUNT", "STATE", "UPSTREAM, 5 MIN", ">IN FLIGHT"]);
    for (name, account) in root.at("accounts").members() {
        let state = account.at("state").text();
        let flight =
            format!("{} / {}", account.at("in_flight").number(), account.at("max_in_flight").number());
        let of_state = tone(&state);
        table.row([
            (name, of_state),
            (state, of_state),
            fares(account.at("upstream")),
            (flight, Tone::Plain),
        ]);
    }
    table
}

fn callers(root: Node<'_>, with_graph: bool) -> Table {
    let graph = if with_graph { "5 MIN" } else { "" };
    let mut table =
        Table::new(&["CALLER", "LAST REQUEST", graph, ">REQUESTS", ">DENIED", ">LIMITED", ">FAILED"]);
    let traffic = root.at("traffic");
    let unauthenticated = traffic.at("unauthenticated");
    let named = traffic.at("callers").list().map(|caller| (caller.at("caller").text(), caller));
    let strangers = Some(("(unauthenticated)".to_owned(), unauthenticated));
    for (name, caller) in named.chain(strangers.filter(|(_, it)| it.at("last_request").is_there())) {
        let last = caller.at("last_request").seconds_ago();
        let amount = |member: &str, tone| match caller.at(member).number() {
            0 => ("0".to_owned(), Tone::Soft),
            some => (number(some), tone),
        };
        table.row([
            (name, Tone::Plain),
            last.map_or(("none yet".to_owned(), Tone::Soft), |ago| {
                (format!("{} ago", length(ago)), Tone::Plain)
            }),
            (if with_graph { blocks(caller.at("requests_by_slot")) } else { String::new() }, Tone::Soft),
            amount("requests", Tone::Plain),
            amount("denied", Tone::Warning),
            amount("limited", Tone::Warning),
            amount("failed", Tone::Error),
        ]);
    }
    let (shown, all) =
        (traffic.at("callers").list().len() as u64, root.at("configuration").at("callers").number());
    if shown < all {
        table.notes.push(format!("{shown} of {} callers, those that are denied most first", number(all)));
    }
    table
}

fn expiring(root: Node<'_>) -> Table {
    let mut table = Table::new(&["EXPIRES IN", "WHAT"]);
    for one in root.at("expiring").list() {
        let left = one.at("at").seconds_left().unwrap_or_default();
        let is_soon = left < SOON && one.at("kind").is("certificate");
        let tone = if is_soon { Tone::Warning } else { Tone::Plain };
        table.row([(length(left), tone), (one.at("what").text(), Tone::Plain)]);
    }
    table
}

fn tone(state: &str) -> Tone {
    match state {
        "error" => Tone::Error,
        "warning" => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// Indented, and broken between words where the terminal ends.
fn wrapped(text: &str, paint: &Paint, tone: Tone) -> Vec<String> {
    const INDENT: &str = "         ";
    let width = paint.width.map_or(usize::MAX, |width| width.saturating_sub(INDENT.len()).max(20));
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(line) if last == 0 => line.push_str(word),
            Some(line) if last + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{INDENT}{}", paint.text(tone, line))).collect()
}

/// The two largest units.
pub(super) fn length(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {} h", hours % 24),
        () if hours > 0 => format!("{hours} h {} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {} s", seconds % 60),
        () => format!("{seconds} s"),
    }
}

/// With a comma at each thousand.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn counted(number: u64, what: &str) -> String {
    super::super::count(usize::try_from(number).unwrap_or(usize::MAX), what)
}

fn blocks(counts: Node<'_>) -> String {
    let counts: Vec<_> = counts.list().map(Node::number).collect();
    let top = counts.iter().max().copied().unwrap_or_default().max(1);
    let steps = BLOCKS.len() as u64;
    let block = |count: &u64| match count {
        0 => ' ',
        count => {
            BLOCKS[usize::try_from((count * steps).div_ceil(top) - 1).unwrap_or(0).min(BLOCKS.len() - 1)]
        }
    };
    counts.iter().map(block).collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
