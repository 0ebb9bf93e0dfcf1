//! Label selectors, compiled once and then matched often. Owns their rules; knows nothing of what they select.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::facts::Labelled;

/// A valid label selector. One without requirements matches everything. Two that demand the same are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Selector {
    requirements: BTreeSet<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Requirement {
    key: String,
    demand: Demand,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Demand {
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

/// Why a label selector cannot be used. Nothing is changed by it; its author has to correct the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The same expression is there twice.
    #[error("duplicate definition of match expressions {0:?}")]
    DuplicateExpression(String),
    /// A value is listed twice in one expression.
    #[error("duplicate definition of match expression value in label selector {0:?}")]
    DuplicateValue(String),
    /// The operator is none of the four.
    #[error("{0:?} is not a valid label selector operator: use one of In, NotIn, Exists, DoesNotExist")]
    Operator(String),
    /// `In` or `NotIn` without values.
    #[error("for operators In and NotIn the values of {0:?} must not be empty")]
    NoValues(String),
    /// `Exists` or `DoesNotExist` with values.
    #[error("for operators Exists and DoesNotExist the values of {0:?} must be empty")]
    Values(String),
    /// No label can have such a key.
    #[error("{0:?} is not a valid label key")]
    Key(String),
    /// No label can have such a value.
    #[error("{0:?} is not a valid label value")]
    Value(String),
}

/// Why a list of label selectors cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorListError {
    /// Two entries demand the same.
    #[error("duplicate definition of {field} {selector:?}")]
    Duplicate {
        /// The list.
        field: &'static str,
        /// The entry, as text.
        selector: String,
    },
    /// An entry is no valid selector.
    #[error(transparent)]
    Invalid(#[from] SelectorError),
}

impl Selector {
    /// Compiles what a user wrote.
    ///
    /// # Errors
    /// See [`SelectorError`].
    pub fn compile(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let mut requirements = BTreeSet::new();
        for (key, value) in selector.match_labels.iter().flatten() {
            let demand = Demand::In(BTreeSet::from([checked_value(value)?]));
            requirements.insert(Requirement {
                key: checked_key(key)?,
                demand,
            });
        }
        let mut expressions = BTreeSet::new();
        for expression in selector.match_expressions.iter().flatten() {
            let requirement = compile_expression(expression)?;
            if !expressions.insert(requirement.clone()) {
                return Err(SelectorError::DuplicateExpression(requirement.to_string()));
            }
            requirements.insert(requirement);
        }
        Ok(Self { requirements })
    }

    /// Compiles the list called `field`, sorted.
    ///
    /// # Errors
    /// See [`SelectorListError`].
    pub fn compile_list(
        field: &'static str,
        selectors: &[LabelSelector],
    ) -> Result<Vec<Self>, SelectorListError> {
        let mut compiled = BTreeSet::new();
        for selector in selectors {
            let selector = Self::compile(selector)?;
            if compiled.contains(&selector) {
                let selector = selector.to_string();
                return Err(SelectorListError::Duplicate { field, selector });
            }
            compiled.insert(selector);
        }
        Ok(compiled.into_iter().collect())
    }

    /// Whether an object with these labels is selected.
    pub fn matches(&self, labels: &impl Labelled) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.label(&requirement.key);
            match &requirement.demand {
                Demand::In(values) => value.is_some_and(|value| values.contains(value)),
                Demand::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Demand::Exists => value.is_some(),
                Demand::DoesNotExist => value.is_none(),
            }
        })
    }
}

/// Selectors are alternatives, and none of them means no restriction.
pub(super) fn one_of(selectors: &[Selector], labels: &impl Labelled) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels))
}

fn compile_expression(expression: &LabelSelectorRequirement) -> Result<Requirement, SelectorError> {
    let key = checked_key(&expression.key)?;
    let mut values = BTreeSet::new();
    for value in expression.values.iter().flatten() {
        if !values.insert(checked_value(value)?) {
            return Err(SelectorError::DuplicateValue(value.clone()));
        }
    }
    let demand = match (expression.operator.as_str(), values.is_empty()) {
        ("In" | "NotIn", true) => return Err(SelectorError::NoValues(key)),
        ("Exists" | "DoesNotExist", false) => return Err(SelectorError::Values(key)),
        ("In", false) => Demand::In(values),
        ("NotIn", false) => Demand::NotIn(values),
        ("Exists", true) => Demand::Exists,
        ("DoesNotExist", true) => Demand::DoesNotExist,
        (other, _) => return Err(SelectorError::Operator(other.to_owned())),
    };
    Ok(Requirement { key, demand })
}

/// A qualified name: an optional DNS prefix and a slash, then at most 63 letters, digits, `-`, `_` and `.` with a letter
/// or digit at both ends.
fn checked_key(key: &str) -> Result<String, SelectorError> {
    let (prefix, name) = key
        .rsplit_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(|prefix| {
        let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        !prefix.is_empty() && prefix.len() <= 253 && prefix.chars().all(dns)
    });
    if prefix_ok && !name.is_empty() && is_label_text(name) {
        Ok(key.to_owned())
    } else {
        Err(SelectorError::Key(key.to_owned()))
    }
}

fn checked_value(value: &str) -> Result<String, SelectorError> {
    if is_label_text(value) {
        Ok(value.to_owned())
    } else {
        Err(SelectorError::Value(value.to_owned()))
    }
}

fn is_label_text(text: &str) -> bool {
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63 && text.chars().all(inner) && end(text.chars().next()) && end(text.chars().last())
}

/// Kubernetes' text form: `app=web,tier in (a,b),!legacy`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.requirements.iter().map(ToString::to_string).collect();
        f.write_str(&parts.join(","))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
        match &self.demand {
            Demand::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Demand::In(values) => write!(f, "{key} in ({})", list(values)),
            Demand::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Demand::Exists => write!(f, "{key}"),
            Demand::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn compile(selector: Value) -> Result<Selector, SelectorError> {
        Selector::compile(&serde_json::from_value(selector).unwrap())
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
        json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] })
    }

    #[test]
    fn each_operator_matches_as_the_api_says() {
        // (selector, labels without the key, key with value a, key with value b)
        let table = [
            (json!({}), [true, true, true]),
            (json!({ "matchLabels": { "k": "a" } }), [false, true, false]),
            (expression("k", "In", &["a", "c"]), [false, true, false]),
            (expression("k", "NotIn", &["a", "c"]), [true, false, true]),
            (expression("k", "Exists", &[]), [false, true, true]),
            (expression("k", "DoesNotExist", &[]), [true, false, false]),
        ];
        let labels = [None, Some("a"), Some("b")].map(|value| {
            value
                .map(|v| ("k".to_owned(), v.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>()
        });
        for (selector, expected) in table {
            let compiled = compile(selector.clone()).unwrap();
            assert_eq!(
                [0, 1, 2].map(|i| compiled.matches(&labels[i])),
                expected,
                "{selector}"
            );
        }
    }

    #[test]
    fn bad_selectors_are_refused_with_the_reason() {
        for (selector, message) in [
            (
                expression("k", "Like", &["a"]),
                "\"Like\" is not a valid label selector operator",
            ),
            (expression("k", "In", &[]), "must not be empty"),
            (expression("k", "Exists", &["a"]), "must be empty"),
            (
                expression("a b", "Exists", &[]),
                "\"a b\" is not a valid label key",
            ),
            (expression("/x", "Exists", &[]), "\"/x\" is not a valid label key"),
            (expression("k", "In", &["-"]), "\"-\" is not a valid label value"),
            (
                expression("k", "In", &["a", "a"]),
                "duplicate definition of match expression value in label selector \"a\"",
            ),
            (
                json!({ "matchExpressions": [{ "key": "k", "operator": "Exists" }, { "key": "k", "operator": "Exists" }] }),
                "duplicate definition of match expressions \"k\"",
            ),
        ] {
            let error = compile(selector.clone()).unwrap_err().to_string();
            assert!(error.contains(message), "{selector}: {error}");
        }
    }

    #[test]
    fn two_entries_that_demand_the_same_are_a_duplicate_whatever_their_order() {
        let list: Vec<LabelSelector> = [
            expression("k", "In", &["a", "b"]),
            expression("k", "In", &["b", "a"]),
        ]
        .map(|selector| serde_json::from_value(selector).unwrap())
        .into();
        let error = Selector::compile_list("serviceSelectors", &list).unwrap_err();
        assert_eq!(
            error.to_string(),
            "duplicate definition of serviceSelectors \"k in (a,b)\""
        );
    }
}
