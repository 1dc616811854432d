//! The nearest permit: when nothing allows an action, which permit came closest, and on which
//! points it failed.
//!
//! A permit is taken apart once, when its set is loaded: its principal constraint and each
//! conjunct of its conditions become a point that is asked alone. This runs only after a denial;
//! it never allows anything.

use cedar_policy::{Authorizer, Decision, Policy, PolicySet};
use serde_json::{Value, json};

use super::cedar::Question;
use super::{Nearest, Rule};

/// A permit, in points.
pub struct Points {
    rule: Rule,
    points: Vec<Point>,
}

struct Point {
    wanted: String,
    about_principal: bool,
    asked: PolicySet,
}

impl Points {
    /// Takes `policy` apart. `Err` says what could not be read.
    pub fn of(policy: &Policy, rule: Rule) -> Result<Self, String> {
        let tree = policy.to_json().map_err(|e| e.to_string())?;
        let mut points = Vec::new();
        let principal = tree.get("principal").cloned().unwrap_or(Value::Null);
        if principal.get("op").and_then(Value::as_str) != Some("All") {
            let wanted = who(&principal);
            points.push(Point::new(wanted, &principal, &[])?);
        }
        let conditions = tree.get("conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            let body = condition.get("body").cloned().unwrap_or(Value::Null);
            if condition.get("kind").and_then(Value::as_str) == Some("unless") {
                points.push(Point::condition("unless", body)?);
                continue;
            }
            for conjunct in conjuncts(body) {
                points.push(Point::condition("when", conjunct)?);
            }
        }
        Ok(Self { rule, points })
    }

    /// The points on which this permit fails.
    fn unmet(&self, authorizer: &Authorizer, question: &Question) -> Vec<&Point> {
        self.points
            .iter()
            .filter(|point| {
                let answer =
                    authorizer.is_authorized(&question.request, &point.asked, &question.entities);
                answer.decision() == Decision::Deny
            })
            .collect()
    }
}

/// The permit with the fewest unmet points. Where several are as near: one whose role the principal
/// has, since a condition is easier to meet than a role; then the first by id.
pub fn nearest(
    permits: &[Points],
    authorizer: &Authorizer,
    question: &Question,
) -> Option<Nearest> {
    permits
        .iter()
        .map(|permit| (permit, permit.unmet(authorizer, question)))
        .min_by_key(|(permit, unmet)| {
            let wrong_principal = unmet.iter().any(|point| point.about_principal);
            (unmet.len(), wrong_principal, &permit.rule.id)
        })
        .map(|(permit, unmet)| Nearest {
            rule: permit.rule.clone(),
            wanted: unmet.iter().map(|point| point.wanted.clone()).collect(),
        })
}

impl Point {
    fn new(wanted: String, principal: &Value, conditions: &[Value]) -> Result<Self, String> {
        let policy = alone(principal, conditions)?;
        let asked = PolicySet::from_policies([policy]).map_err(|e| e.to_string())?;
        Ok(Self {
            wanted,
            about_principal: conditions.is_empty(),
            asked,
        })
    }

    fn condition(kind: &str, body: Value) -> Result<Self, String> {
        let condition = json!({ "kind": kind, "body": body });
        let anyone = json!({ "op": "All" });
        let policy = alone(&anyone, std::slice::from_ref(&condition))?;
        let text = policy.to_cedar().unwrap_or_default();
        let inner = text
            .split_once('{')
            .and_then(|(_, rest)| rest.rsplit_once('}'))
            .map_or("", |(inner, _)| inner.trim());
        let inner = inner.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = match kind {
            "unless" => format!("not `{inner}`"),
            _ => format!("`{inner}`"),
        };
        Self::new(wanted, &anyone, &[condition])
    }
}

fn alone(principal: &Value, conditions: &[Value]) -> Result<Policy, String> {
    let tree = json!({
        "effect": "permit",
        "principal": principal,
        "action": { "op": "All" },
        "resource": { "op": "All" },
        "conditions": conditions,
    });
    Policy::from_json(None, tree).map_err(|e| e.to_string())
}

/// `a && b && c` in its parts.
fn conjuncts(body: Value) -> Vec<Value> {
    match body.get("&&") {
        Some(both) => ["left", "right"]
            .into_iter()
            .filter_map(|side| both.get(side).cloned())
            .flat_map(conjuncts)
            .collect(),
        None => vec![body],
    }
}

/// A principal constraint in words.
fn who(constraint: &Value) -> String {
    let role = constraint
        .get("entity")
        .or_else(|| constraint.get("in").and_then(|inner| inner.get("entity")))
        .and_then(|entity| entity.get("id"))
        .and_then(Value::as_str);
    if let Some(role) = role {
        return format!("the role `{role}`");
    }
    match constraint.get("entity_type").and_then(Value::as_str) {
        Some("Person") => "a person's session".to_owned(),
        Some("Client") => "an app's credential".to_owned(),
        Some("Job") => "a job of the server".to_owned(),
        _ => "another principal".to_owned(),
    }
}
