//! Query parameters that are known by name: what nobody knows is refused, not ignored.
//!
//! A search whose only condition is misspelled would otherwise find everything, and an export of
//! it would take everything out. One table says what is read and what the OpenAPI document lists.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use burgess_core::charter::nearest_name;

use super::problem::Problem;

/// One parameter of a query.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Other names for it: those of the event's own fields.
    pub aliases: &'static [&'static str],
    /// Its JSON type.
    pub kind: &'static str,
    /// What it does, for the OpenAPI document.
    pub about: &'static str,
}

impl Parameter {
    /// A text without other names.
    pub const fn text(name: &'static str, about: &'static str) -> Self {
        Self::named(name, &[], about)
    }

    /// A text with other names.
    pub const fn named(
        name: &'static str,
        aliases: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Self {
            name,
            aliases,
            kind: "string",
            about,
        }
    }

    /// A whole number.
    pub const fn number(name: &'static str, about: &'static str) -> Self {
        Self {
            kind: "integer",
            ..Self::text(name, about)
        }
    }
}

/// What a query says, by the parameters' own names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<&'static str, String>);

impl Given {
    /// Takes the text of a parameter.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes a whole number; a field that a form left empty is none.
    pub fn number<N: std::str::FromStr>(&mut self, name: &str) -> Result<Option<N>, Problem> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let parsed = text.parse().map(Some);
        parsed.map_err(|_| wrong(format!("`{text}` is not a whole number for `{name}`")))
    }
}

/// Reads a query of which `known` is all that may be in it.
pub fn read(query: &str, known: &[Parameter]) -> Result<Given, Problem> {
    let mut given = Given::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let parameter = known
            .iter()
            .find(|it| it.name == name || it.aliases.contains(&&*name))
            .ok_or_else(|| unknown(&name, known))?;
        if given.0.insert(parameter.name, value.into_owned()).is_some() {
            let twice = format!("`{}` is asked for twice: give it once", parameter.name);
            return Err(wrong(twice));
        }
    }
    Ok(given)
}

/// The call itself is wrong, before anything that it asks for is looked at.
fn wrong(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "INPUT_INVALID", detail)
}

fn unknown(name: &str, known: &[Parameter]) -> Problem {
    /// Characters of an unknown name that are said back at most.
    const SHOWN: usize = 40;
    let names: Vec<&str> = known.iter().map(|it| it.name).collect();
    let mut spellings = names.clone();
    spellings.extend(known.iter().flat_map(|it| it.aliases));
    let near = nearest_name(name, &spellings);
    let near = near.map(|near| format!(", did you mean `{near}`?"));
    let shown: String = name.chars().take(SHOWN).collect();
    let all = if names.is_empty() {
        "there is none here".to_owned()
    } else {
        format!("known are {}", names.join(", "))
    };
    wrong(format!(
        "`{shown}` is not a parameter of this query{} {all}",
        near.unwrap_or_else(|| ":".to_owned())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Parameter; 3] = [
        Parameter::named("app", &["app_id"], "the app"),
        Parameter::text("outcome", "how it ended"),
        Parameter::number("limit", "rows"),
    ];

    fn refused(query: &str) -> String {
        let problem = read(query, &KNOWN).unwrap_err();
        assert_eq!(
            (problem.status, problem.code),
            (StatusCode::BAD_REQUEST, "INPUT_INVALID")
        );
        problem.detail
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_and_all_known_ones() {
        let said = refused("app=x&outcom=blocked");
        assert!(said.contains("did you mean `outcome`?"), "{said}");
        assert!(said.contains("known are app, outcome, limit"), "{said}");
        // An empty field of a wrong name narrows as little as it says.
        assert!(refused("zzz=").starts_with("`zzz` is not a parameter"));
        assert!(refused("ap_id=x").contains("did you mean `app_id`?"));
    }

    #[test]
    fn a_field_of_the_event_is_another_name_and_nothing_is_asked_twice() {
        let mut given = read("app_id=desk+booking&limit=5", &KNOWN).unwrap();
        assert_eq!(given.text("app").as_deref(), Some("desk booking"));
        assert_eq!(given.number("limit").unwrap(), Some(5u32));
        assert!(refused("app=x&app_id=y").contains("`app` is asked for twice"));
        let mut given = read("limit=many", &KNOWN).unwrap();
        let problem = given.number::<u32>("limit").unwrap_err();
        assert!(problem.detail.contains("`many` is not a whole number"));
    }
}
