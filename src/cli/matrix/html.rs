//! The matrix as one page for a browser and a printer: nothing to load and no script, in light and dark, and every text in
//! it escaped.

use super::numbered::{Marked, Numbered, used};
use crate::{
    config::Issue,
    policy::{
        conditions::Words,
        matrix::{Column, Mark},
    },
};

const STYLE: &str = include_str!("style.css");

pub(super) fn page(columns: &[Column<'_>]) -> String {
    let numbered = Numbered::new(columns);
    let granted: usize = columns.iter().map(|column| column.granted().count()).sum();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Policy matrix</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>Policy matrix</h1>\n<p>{}, {}, {}</p>\n{LEGEND}</header>\n\
         <main>\n{}{}{}</main>\n</body>\n</html>\n",
        count(columns.len(), "caller"),
        count(granted, "granted operation"),
        count(numbered.rules.len(), "rule"),
        table(columns, &numbered),
        rules(&numbered),
        callers(columns, &numbered),
    )
}

const LEGEND: &str = "<dl class=\"legend\">\
    <div><dt><span class=\"yes\">yes</span> <a>N</a></dt><dd>allowed by rule N</dd></div>\
    <div><dt><span class=\"if\">if</span> <a>N</a></dt><dd>allowed where the conditions of rule N are met</dd></div>\
    <div><dt><span class=\"part\">part</span> <a>N</a></dt><dd>allowed on some of its paths only: those of rule N</dd></div>\
    <div><dt><span class=\"no\">–</span></dt><dd>denied</dd></div>\
    <div><dt><s><a>N</a></s></dt><dd>except on the paths that rule N denies</dd></div>\
    <div><dt><b class=\"tag sensitive\">sensitive</b></dt><dd>granted by a rule with its name, never by a tag or *</dd></div>\
    <div><dt><b class=\"tag masked\">masked</b></dt><dd>the answer holds secrets, which are masked</dd></div>\
    <div><dt><b class=\"tag sensitive\">unmasked</b></dt><dd>this caller’s <code>reveal</code> shows them</dd></div>\
    </dl>\n";

fn table(columns: &[Column<'_>], numbered: &Numbered<'_>) -> String {
    let names = columns.iter().map(|column| {
        let name = Escaped(column.caller.name.as_str()).to_string();
        format!("<th scope=\"col\"><a href=\"#caller-{name}\">{name}</a></th>")
    });
    let mut html = format!(
        "<table>\n<thead><tr>\
         <th scope=\"col\">Operation</th>{}</tr></thead>\n",
        names.collect::<String>()
    );
    let mut tag = "";
    for (operation, cells) in used(columns) {
        if operation.tag != tag {
            tag = operation.tag;
            let (span, shown) = (columns.len() + 1, Escaped(tag));
            html.push_str(&format!(
                "<tbody><tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{span}\"><span>{shown}</span></th></tr>\n"
            ));
        }
        let sign = match operation {
            operation if operation.is_sensitive() => " <span class=\"tag sensitive\">sensitive</span>",
            operation if operation.is_safe_when_masked() => " <span class=\"tag masked\">masked</span>",
            _ => "",
        };
        html.push_str(&format!(
            "<tr><th scope=\"row\"><span class=\"name\">{}</span>{sign}<br><code><b>{}</b> {}</code></th>{}</tr>\n",
            Escaped(operation.id),
            operation.verb.as_str(),
            Escaped(operation.template.as_str()),
            cells.iter().map(|it| td(&numbered.cell(it), numbered)).collect::<String>(),
        ));
    }
    html.push_str("</table>\n");
    html
}

fn td(marked: &Marked, numbered: &Numbered<'_>) -> String {
    let (class, word) = match marked.mark {
        Mark::Yes => ("yes", "yes"),
        Mark::Conditions => ("if", "if"),
        Mark::Part => ("part", "part"),
        Mark::No => ("no", "–"),
    };
    let link = |number: &usize| {
        let rule = numbered.rules.get(number.wrapping_sub(1)).map(ToString::to_string).unwrap_or_default();
        format!("<a href=\"#rule-{number}\" title=\"{}\">{number}</a>", Escaped(&rule))
    };
    let allowed_by = marked.allowed_by.iter().map(link);
    let but_not = marked.but_not.iter().map(|number| format!("<s>{}</s>", link(number)));
    let numbers = allowed_by.chain(but_not).collect::<Vec<_>>().join(" ");
    let unmasked = if marked.unmasked { "<br><b class=\"tag sensitive\">unmasked</b>" } else { "" };
    format!("<td class=\"{class}\"><span>{word}</span> {numbers}{unmasked}</td>")
}

fn rules(numbered: &Numbered<'_>) -> String {
    let rule = |(number, rule): (usize, &&crate::policy::decide::RuleSource)| {
        let conditions = rule.rule.conditions.as_ref().map(|conditions| {
            format!("<br><span class=\"conditions\">{}</span>", Escaped(&Words(conditions).to_string()))
        });
        let effect = match rule.effect {
            crate::policy::rules::Effect::Allow => "allow",
            crate::policy::rules::Effect::Deny => "deny",
        };
        format!(
            "<li id=\"rule-{number}\"><span class=\"effect {effect}\">{effect}</span> <code>{}</code> of policy {} \
             <span class=\"origin\">{}</span>{}</li>\n",
            Escaped(&rule.rule.text),
            Escaped(rule.policy.as_str()),
            Escaped(&rule.rule.origin.to_string()),
            conditions.unwrap_or_default(),
        )
    };
    let rules: String = (1..).zip(&numbered.rules).map(rule).collect();
    format!("<section>\n<h2>Rules</h2>\n<ol>\n{rules}</ol>\n</section>\n")
}

fn callers(columns: &[Column<'_>], numbered: &Numbered<'_>) -> String {
    let caller = |column: &Column<'_>| {
        let caller = column.caller;
        let mut facts = vec![
            ("Authenticated by", column.identified_by().join(", ")),
            ("Tenants", column.places().join(", ")),
        ];
        facts.push((
            "Policies",
            caller.policies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        ));
        facts.extend(caller.scopes.as_ref().map(|scopes| ("Scopes", scopes.join(" "))));
        facts.extend(caller.organization_id.clone().map(|organization| ("Organization", organization)));
        if caller.issue == Issue::Upstream {
            facts.push(("Token broker", "hands out the tenant's own token. With it the caller may do anything at Logto itself, whatever this table says".into()));
        }
        facts.extend(column.brings.iter().map(|brings| ("Broad rule", brings.to_string())));
        let revealed: Vec<&str> = caller.reveal.iter().map(|rule| rule.text.as_str()).collect();
        if !revealed.is_empty() {
            facts.push(("Answers unmasked", revealed.join(", ")));
        }
        facts.extend(column.denies.iter().map(|taken| ("Denied", format!("{} {taken}", taken.source))));
        let beyond = numbered.beyond(column);
        if !beyond.is_empty() {
            let rules = super::numbered::listed(&beyond);
            facts.push(("Beyond the catalog", format!("paths that it does not know, by rule {rules}")));
        }
        let facts = facts
            .iter()
            .filter(|(_, fact)| !fact.is_empty())
            .map(|(name, fact)| format!("<dt>{name}</dt><dd>{}</dd>\n", Escaped(fact)));
        let name = Escaped(caller.name.as_str());
        format!(
            "<article id=\"caller-{name}\">\n<h3>{name}</h3>\n<dl>\n{}</dl>\n</article>\n",
            facts.collect::<String>()
        )
    };
    let callers: String = columns.iter().map(caller).collect();
    format!("<section>\n<h2>Callers</h2>\n{callers}</section>\n")
}

fn count(number: usize, what: &str) -> String {
    crate::cli::count(number, what)
}

/// A text in which nothing is markup, between tags as in quotes.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => std::fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        let said = Escaped("<script>alert('x')</script> & \"quoted\"").to_string();
        assert_eq!(said, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quoted&quot;");
    }
}
