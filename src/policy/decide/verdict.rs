//! The answer to "may this pass", with what it takes to explain it: by the rule to the audit log and to an operator who
//! asks `claviger explain`, to metrics by a word of a closed set.

use std::sync::Arc;

use crate::policy::{source::RuleSource, tables::RuleIndex};

/// What the rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'r> {
    /// By this rule.
    Allowed(&'r Arc<RuleSource>),
    /// By any of these rules whose conditions the request meets.
    Conditional(Candidates<'r>),
    /// By a rule, whatever others allow.
    Denied {
        /// The rule.
        by: &'r Arc<RuleSource>,
        /// Whether another rule allows it, if only under conditions.
        is_allowed: bool,
    },
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
            Self::Allowed(rule) | Self::Denied { by: rule, .. } => Some(rule),
            Self::SensitiveNotNamed(rule) => rule,
            Self::NoRule | Self::Withheld | Self::Unknown => None,
        }
    }

    /// One word, for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Allowed(_) => "allowed",
            Self::Conditional(_) => "conditional",
            Self::Denied { .. } => "denied",
            Self::NoRule => "no_rule",
            Self::SensitiveNotNamed(_) => "sensitive_not_named",
            Self::Withheld => "withheld",
            Self::Unknown => "operation_unknown",
        }
    }
}
