//! One line of a catalog file, column by column: everything in it is right by itself, or said to be wrong.

use std::borrow::Cow;

use super::problem::{FileProblem, UNREVIEWED, problem};
use crate::catalog::{
    added::Extra,
    kept,
    operation::{Operation, Paging, Requirement, Risk, Verb},
    parameters::Parameters,
    parse::FREE_NAME,
    secrets::Secrets,
    template::Template,
};

const COLUMNS: &str = "Separate by one tab each: method, path, operationId, tag, risks, paging and access; then, where \
                       it has some, query parameters, members of the body and places of secrets; \"-\" for none.";

/// The longest column.
const LONGEST: usize = 4096;

/// The longest operationId or tag: they are labels of metrics.
const LONGEST_NAME: usize = 64;

/// What metrics and logs have in the place of an operationId where there is none.
const TAKEN: [&str; 3] = ["token", "openapi", "other"];

/// A line that is right by itself.
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) operation: Operation,
    pub(super) extra: Extra,
}

type Wrong = (String, String);

impl Line {
    pub(super) fn parse(number: usize, text: &str) -> Result<Self, Vec<FileProblem>> {
        let columns: Vec<&str> = text.split('\t').collect();
        if !(7..=10).contains(&columns.len()) {
            let found = match columns.len() {
                1 => "1 column".to_owned(),
                count => format!("{count} columns"),
            };
            return Err(vec![problem(number, format!("{found} instead of 7 to 10"), COLUMNS)]);
        }
        if let Some(column) = columns.iter().find(|column| column.len() > LONGEST || unprintable(column)) {
            let what = if column.len() > LONGEST {
                "is longer than 4096 bytes"
            } else {
                "holds spaces or unprintable characters"
            };
            return Err(vec![problem(number, format!("a column {what}"), COLUMNS)]);
        }
        let further = |at: usize| columns.get(at).copied().unwrap_or("-");
        let mut problems = Vec::new();
        let mut note = |(what, remedy): Wrong| problems.push(problem(number, what, remedy));
        let verb = verb(columns[0]).map_err(&mut note).ok();
        let template = template(columns[1]).map_err(&mut note).ok();
        let id = operation_id(columns[2]).map_err(&mut note).ok();
        let tag = tag(columns[3]).map_err(&mut note).ok();
        let risks = risks(columns[4]).map_err(&mut note).ok();
        let paging = paging(columns[5]).map_err(&mut note).ok();
        let requirement = access(columns[6]).map_err(&mut note).ok();
        let query = names("query parameter", further(7)).map_err(&mut note).ok();
        let members = names("member of the body", further(8)).map_err(&mut note).ok();
        let secrets = secrets(risks.as_deref(), further(9)).map_err(&mut note).ok();
        let parsed = (|| {
            let (template, has_free_name) = template?;
            let operation = Operation {
                verb: verb?,
                template,
                has_free_name,
                id: id?,
                tag: tag?,
                risks: risks?,
                paging: paging?,
                requirement: requirement?,
            };
            let extra =
                Extra { parameters: Parameters { query: query?, members: members? }, secrets: secrets? };
            Some(Self { number, operation, extra })
        })();
        let parsed = parsed.filter(|line| match line.disagreement() {
            None => true,
            Some((what, remedy)) => {
                problems.push(problem(number, what, remedy));
                false
            }
        });
        parsed.filter(|_| problems.is_empty()).ok_or(problems)
    }

    /// Two columns that cannot both be right.
    fn disagreement(&self) -> Option<Wrong> {
        let paged = ["page", "page_size"].iter().all(|name| self.extra.parameters.takes(name));
        if self.operation.paging.is_some() && !paged {
            let what = "its answer comes in pages, and page and page_size are not among its query parameters";
            return wrong::<()>(what, "Add page,page_size to the eighth column, or write - for the paging.")
                .err();
        }
        if self.operation.verb.reads() && self.extra.parameters.members().next().is_some() {
            return wrong::<()>("what only reads has no body", "Write - in the ninth column.").err();
        }
        None
    }
}

fn wrong<T>(what: impl Into<String>, remedy: impl Into<String>) -> Result<T, Wrong> {
    Err((what.into(), remedy.into()))
}

fn unprintable(column: &str) -> bool {
    column.is_empty() || column.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn keep(text: &str) -> Result<&'static str, Wrong> {
    kept::text(text).or_else(|kept::Full| {
        wrong(
            "this process has read more different catalog files than it can keep the names of",
            "Restart Claviger: the file itself may be right.",
        )
    })
}

fn verb(text: &str) -> Result<Verb, Wrong> {
    match (Verb::parse(text), text) {
        (Some(verb), _) => Ok(verb),
        (None, "HEAD") => wrong("HEAD is asked as GET", "Write GET."),
        _ => wrong(format!("{text:?} is not a method"), "Write GET, POST, PUT, PATCH or DELETE."),
    }
}

fn template(text: &str) -> Result<(Template, bool), Wrong> {
    let (path, has_free_name) = match text.strip_suffix(FREE_NAME) {
        Some(rest) => (Cow::Owned(format!("{rest}}}")), true),
        None => (Cow::Borrowed(text), false),
    };
    let form = "Write the path as Logto documents it, such as /api/users/{userId}.";
    match Template::parse(&path) {
        Ok(template) if template.has_tail() => wrong(format!("{text:?} is many paths"), form),
        Ok(template) => Ok((template, has_free_name)),
        Err(error) => wrong(format!("{text:?} is not a path template: {error}"), form),
    }
}

fn operation_id(text: &str) -> Result<&'static str, Wrong> {
    let named = text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !named {
        let remedy = "Write Logto's, such as ListUsers: a letter and then letters and digits, at most 64.";
        return wrong(format!("{text:?} is not an operationId"), remedy);
    }
    if TAKEN.contains(&text) {
        return wrong(format!("{text:?} means something else in metrics"), "Write Logto's operationId.");
    }
    keep(text)
}

fn tag(text: &str) -> Result<&'static str, Wrong> {
    let kebab = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let named = text.len() <= LONGEST_NAME
        && text.bytes().all(kebab)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-');
    if named {
        return keep(text);
    }
    let remedy = "Write Logto's first tag in lower case, with - between words, such as audit-logs.";
    wrong(format!("{text:?} is not a tag"), remedy)
}

fn risks(text: &str) -> Result<Box<[Risk]>, Wrong> {
    if text == UNREVIEWED {
        let remedy = format!("Write those that it has, separated by commas, or - for none: {}.", all_risks());
        return wrong("nobody has judged the risks of this operation yet", remedy);
    }
    if text == "-" {
        return Ok([].into());
    }
    let mut risks = Vec::new();
    for word in text.split(',') {
        let Some(risk) = Risk::parse(word) else {
            let remedy = format!("There are, separated by commas: {}; or - for none.", all_risks());
            return wrong(format!("{word:?} is not a risk"), remedy);
        };
        if !risks.contains(&risk) {
            risks.push(risk);
        }
    }
    Ok(risks.into())
}

fn all_risks() -> String {
    Risk::ALL.map(|risk| format!("{risk} ({})", risk.describe())).join(", ")
}

fn paging(text: &str) -> Result<Option<Paging>, Wrong> {
    match text {
        "-" => Ok(None),
        "always" => Ok(Some(Paging::Always)),
        "optional" => Ok(Some(Paging::Optional)),
        _ => wrong(format!("{text:?} is not a kind of paging"), "Write always, optional or -."),
    }
}

fn access(text: &str) -> Result<Requirement, Wrong> {
    match text {
        "token" => Ok(Requirement::Token),
        "public" => Ok(Requirement::Public),
        "withheld" => Ok(Requirement::Withheld),
        _ => wrong(format!("{text:?} is not a kind of access"), "Write token, public or withheld."),
    }
}

fn names(what: &str, text: &str) -> Result<&'static str, Wrong> {
    if text == "-" {
        return Ok("");
    }
    if text.split(',').any(|name| name.is_empty() || name.contains(['"', '\\'])) {
        return wrong(
            format!("{text:?} is not a list of names, each a {what}"),
            "Separate them by commas, without spaces; - for none.",
        );
    }
    keep(text)
}

/// The places of secrets: there are some exactly where the risk says so, because nothing else would mask them.
fn secrets(risks: Option<&[Risk]>, text: &str) -> Result<Option<&'static Secrets>, Wrong> {
    let form = "Write where they stand in the tenth column, such as /secret or /config/password,/value.";
    let Some(risks) = risks else { return Ok(None) };
    match (risks.contains(&Risk::Secrets), text) {
        (false, "-") => Ok(None),
        (true, "-") => wrong("its answer holds secrets, and nothing says at which places", form),
        (false, _) => wrong(
            "it has places of secrets, and not the risk `secrets`",
            "Add secrets to the fifth column, or write - in the tenth.",
        ),
        (true, places) => match kept::secrets(places) {
            Ok(Ok(secrets)) => Ok(Some(secrets)),
            Ok(Err(what)) => wrong(format!("{places:?} are no places of secrets: {what}"), form),
            Err(kept::Full) => keep(places).map(|_| None),
        },
    }
}
