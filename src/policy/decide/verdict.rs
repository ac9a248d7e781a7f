//! The answer to "may this pass", with what it takes to explain it: to an operator by `claviger explain`, to the
//! audit log by the rule, to metrics by a word of a closed set.

use std::{fmt, sync::Arc};

use crate::{
    catalog::Operation,
    policy::{conditions::Words, source::RuleSource, tables::RuleIndex},
};

/// What the rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'r> {
    /// By this rule.
    Allowed(&'r Arc<RuleSource>),
    /// By any of these rules whose conditions the request meets.
    Conditional(Candidates<'r>),
    /// By this rule, whatever others allow.
    Denied(&'r Arc<RuleSource>),
    /// No rule is about the operation.
    NoRule,
    /// No rule names the operation; this one would allow it if it were not sensitive.
    SensitiveNotNamed(Option<&'r Arc<RuleSource>>),
    /// An OpenAPI document.
    Withheld,
    /// Neither the catalog nor a template of an `allow` list knows the method and path.
    Unknown,
}

/// Rules that allow an operation under their conditions; never none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates<'r> {
    sources: &'r [Arc<RuleSource>],
    whole: &'r [RuleIndex],
    in_part: &'r [RuleIndex],
}

impl<'r> Candidates<'r> {
    /// Those about the operation and those about a part of its paths.
    pub(in crate::policy) fn new(
        sources: &'r [Arc<RuleSource>],
        whole: &'r [RuleIndex],
        in_part: &'r [RuleIndex],
    ) -> Self {
        Self { sources, whole, in_part }
    }

    /// In the order in which they are written.
    pub fn rules(self) -> impl Iterator<Item = &'r Arc<RuleSource>> {
        let others = self.in_part.iter().filter(move |rule| !self.whole.contains(rule));
        self.whole.iter().chain(others).map(move |rule| &self.sources[rule.place()])
    }
}

impl<'r> Verdict<'r> {
    /// Whether the request may pass, whatever its query and body.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// Whether some request may pass: any, or one that meets conditions.
    pub fn may_be_allowed(self) -> bool {
        matches!(self, Self::Allowed(_) | Self::Conditional(_))
    }

    /// The rule that the verdict is about.
    pub fn rule(self) -> Option<&'r Arc<RuleSource>> {
        match self {
            Self::Conditional(candidates) => candidates.rules().next(),
            Self::Allowed(rule) | Self::Denied(rule) => Some(rule),
            Self::SensitiveNotNamed(rule) => rule,
            Self::NoRule | Self::Withheld | Self::Unknown => None,
        }
    }

    /// One word, for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Allowed(_) => "allowed",
            Self::Conditional(_) => "conditional",
            Self::Denied(_) => "denied",
            Self::NoRule => "no_rule",
            Self::SensitiveNotNamed(_) => "sensitive_not_named",
            Self::Withheld => "withheld",
            Self::Unknown => "operation_unknown",
        }
    }

    /// The verdict in words, about `operation`, for those who wrote the rules (it quotes them). `place` is where the
    /// caller's rules are, such as `policies.billing.allow`.
    pub fn explain(self, operation: Option<&'r Operation>, place: &'r str) -> Explanation<'r> {
        Explanation { verdict: self, operation, place }
    }
}

/// A verdict in words.
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'r> {
    verdict: Verdict<'r>,
    operation: Option<&'r Operation>,
    place: &'r str,
}

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place;
        let name = self.operation.map_or("an operation newer than the catalog", |operation| operation.id);
        match self.verdict {
            Verdict::Allowed(rule) => write!(f, "{name}: allowed by {rule}"),
            Verdict::Conditional(candidates) => {
                write!(f, "{name}: allowed under conditions")?;
                for rule in candidates.rules() {
                    write!(f, "\n  by {rule}")?;
                    if let Some(conditions) = &rule.rule.conditions {
                        write!(f, ":\n    {}", Words(conditions))?;
                    }
                }
                Ok(())
            }
            Verdict::Denied(rule) => write!(f, "{name}: denied by {rule}"),
            Verdict::NoRule => write!(f, "{name}: no rule allows it; to allow it, add {name:?} to {place}"),
            Verdict::SensitiveNotNamed(rule) => {
                let risks = self.operation.map_or([].as_slice(), |operation| &operation.risks);
                let risks: Vec<_> = risks.iter().map(|risk| risk.describe()).collect();
                write!(
                    f,
                    "{name}: sensitive ({}), so only a rule that names it allows it: ",
                    risks.join(", ")
                )?;
                write!(f, "add {name:?} to {place}")?;
                rule.map_or(Ok(()), |rule| write!(f, "; it is not allowed by {rule}"))
            }
            Verdict::Withheld => {
                write!(
                    f,
                    "an OpenAPI document: Logto's own are never forwarded, because it rebuilds them for seconds each time; \
                     GET /api/swagger.json is answered by Claviger, with what the caller may do"
                )
            }
            Verdict::Unknown => f.write_str(
                "no operation of the catalog and no template of an allow list has this method and path; \
                 for an operation newer than the catalog write a rule such as \"GET /api/new-things/{id}\"",
            ),
        }
    }
}
