//! Hosts and environment references out of URLs, templates and expressions.
//!
//! Not here: which fields of a platform hold URLs.

/// What a URL field says about where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A host, with its port when that is not the scheme's own.
    Host(String),
    /// An environment variable says which.
    Env(String),
    /// Only known when it runs.
    Dynamic,
    /// No host: a relative path, or nothing.
    Nowhere,
}

/// Beginnings of what is computed when an app runs: n8n (`{{`), Power Automate (`@{`, `@x(`), scripts (`${`).
const EXPRESSIONS: [&str; 3] = ["{{", "@{", "${"];

/// Reads a URL, a template or an expression.
pub(crate) fn target(text: &str) -> Target {
    let text = text.trim();
    let text = text.strip_prefix('=').unwrap_or(text).trim_start();
    if let Some((scheme, rest)) = text.split_once("://")
        && scheme.len() <= 12
        && !scheme.is_empty()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return authority(scheme, rest);
    }
    let computed = text.starts_with('@') || EXPRESSIONS.iter().any(|mark| text.contains(mark));
    if !computed {
        return Target::Nowhere;
    }
    if let Some(name) = env_names(text).into_iter().next() {
        return Target::Env(name);
    }
    // An expression around a literal, as `={{ 'https://a.example/' + $json.id }}`.
    match literal_urls(text).into_iter().next() {
        Some(host) => Target::Host(host),
        None => Target::Dynamic,
    }
}

fn authority(scheme: &str, rest: &str) -> Target {
    let whole = rest;
    let end = rest
        .find(['/', '?', '#', '\\', '"', '\'', '<', '>', ' ', '\n'])
        .unwrap_or(rest.len());
    let head = rest.get(..end).unwrap_or(rest);
    if EXPRESSIONS.iter().any(|mark| head.contains(mark)) {
        return match env_names(whole).into_iter().next() {
            Some(name) => Target::Env(name),
            None => Target::Dynamic,
        };
    }
    // What stands before `@` is a name and a password, not the host.
    let host = head.rsplit('@').next().unwrap_or(head).to_lowercase();
    let host = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => host.strip_suffix(":80").unwrap_or(&host).to_owned(),
        "https" | "wss" => host.strip_suffix(":443").unwrap_or(&host).to_owned(),
        _ => host,
    };
    if is_host(&host) {
        Target::Host(host)
    } else {
        Target::Nowhere
    }
}

/// Whether the text can stand as a host with or without a port.
fn is_host(text: &str) -> bool {
    let name = text.rsplit_once(':').map_or(text, |(name, port)| {
        if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            text
        }
    });
    let bracketed = name.starts_with('[') && name.ends_with(']');
    !name.is_empty()
        && name.len() <= 253
        && (bracketed
            || name
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
}

/// Every host in the absolute http and websocket URLs of a text.
pub(crate) fn literal_urls(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for scheme in ["https", "http", "wss", "ws"] {
        let mark = format!("{scheme}://");
        for (at, _) in text.match_indices(&mark) {
            let before = text.get(..at).and_then(|t| t.chars().next_back());
            if before.is_some_and(char::is_alphanumeric) {
                continue;
            }
            let rest = text
                .get(at.saturating_add(mark.len())..)
                .unwrap_or_default();
            if let Target::Host(host) = authority(scheme, rest)
                && !out.contains(&host)
            {
                out.push(host);
            }
        }
    }
    out
}

/// Names of environment variables in a text: `$env.NAME`, `$env["NAME"]`,
/// `process.env.NAME`, `os.environ["NAME"]`, `os.getenv("NAME")`.
pub(crate) fn env_names(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for mark in ["$env", "process.env", "os.environ", "os.getenv"] {
        for (at, _) in text.match_indices(mark) {
            let rest = text
                .get(at.saturating_add(mark.len())..)
                .unwrap_or_default();
            let rest = rest.strip_prefix(".get").unwrap_or(rest);
            let name: String = rest
                .trim_start_matches(['.', '[', '(', '"', '\'', '`', ' ', '?'])
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let joined = rest.starts_with(['.', '[', '(', '?']);
            if joined && !name.is_empty() && !out.contains(&name) {
                out.push(name);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Target {
        Target::Host(text.to_owned())
    }

    #[test]
    fn a_url_gives_its_host_without_the_schemes_own_port_and_without_a_password() {
        assert_eq!(
            target("https://API.Example.com:443/v1?x=https://b.example"),
            host("api.example.com")
        );
        assert_eq!(
            target("http://localhost:1880/hello"),
            host("localhost:1880")
        );
        assert_eq!(
            target("https://name:secret@api.example/x"),
            host("api.example")
        );
        assert_eq!(
            target("=https://api.example/{{ $json.id }}"),
            host("api.example")
        );
        assert_eq!(
            target("={{ 'https://api.example/' + $json.id }}"),
            host("api.example")
        );
        assert_eq!(
            target("https://user@evil.example@good.example/"),
            host("good.example")
        );
    }

    #[test]
    fn a_host_from_the_environment_is_named_and_any_other_is_dynamic() {
        assert_eq!(
            target("{{ $env.BASE_URL }}"),
            Target::Env("BASE_URL".into())
        );
        assert_eq!(
            target("=https://{{ $env[\"HOST\"] }}/a"),
            Target::Env("HOST".into())
        );
        assert_eq!(target("={{ $json.url }}"), Target::Dynamic);
        assert_eq!(target("@variables('Next Link')"), Target::Dynamic);
        assert_eq!(target("/v1/things"), Target::Nowhere);
        assert_eq!(target(""), Target::Nowhere);
    }

    #[test]
    fn environment_names_are_found_in_each_way_of_writing_them() {
        let text = "$env.A + $env['B'] + process.env.C + os.environ['D'] + os.getenv(\"E\") + $environment";
        assert_eq!(env_names(text), ["A", "B", "C", "D", "E"]);
    }
}
