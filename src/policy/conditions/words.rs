//! Conditions in words, for `explain` and the matrix.

use std::fmt;

use crate::config::{Conditions, OtherParameters, QueryCondition};

/// Conditions in words, for `explain` and the matrix.
#[derive(Debug, Clone, Copy)]
pub struct Words<'c>(pub &'c Conditions);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, condition) in &self.0.query {
            write!(f, "{between}{name} {}", Asked(condition))?;
            between = "; ";
        }
        if self.0.others == OtherParameters::Forbidden {
            write!(f, "{between}no {}query parameter", if self.0.query.is_empty() { "" } else { "other " })?;
            between = "; ";
        }
        match self.0.body.as_deref() {
            None => Ok(()),
            Some([]) => write!(f, "{between}the body without any member"),
            Some(members) => write!(f, "{between}in the body only {}", members.join(", ")),
        }
    }
}

struct Asked<'c>(&'c QueryCondition);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueryCondition { required, forbidden, max, min, one_of } = self.0;
        let mut words = Vec::new();
        if *required {
            words.push("required".into());
        }
        if *forbidden {
            words.push("forbidden".into());
        }
        words.extend(min.map(|min| format!("at least {min}")));
        words.extend(max.map(|max| format!("at most {max}")));
        words.extend(one_of.as_ref().map(|values| format!("one of {values:?}")));
        f.write_str(&words.join(", "))
    }
}
