//! Which headers cross the gateway, and which do not.
//!
//! Both messages are framed anew from a body that was read whole, so framing headers of one side
//! never reach the other (RFC 9110 §7.6.1, RFC 9112 §6). Not here: looking for data in them.

use std::collections::BTreeSet;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::snapshot::BaseUrl;

/// Never forwarded, in neither direction: framing, connection and proxy matters.
const HOP_BY_HOP: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Never forwarded to a connector: the app's own credential, who it is, what would change the
/// meaning of the call after it was decided on, and what the gateway sets itself. `range` would
/// let a value be fetched in pieces too small to recognise.
const NOT_UP: [&str; 24] = [
    "authorization",
    "cookie",
    "host",
    "forwarded",
    "via",
    "from",
    "origin",
    "referer",
    "range",
    "if-range",
    "accept-encoding",
    "content-encoding",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-real-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
];

/// Never handed to an app: the connector's session, challenges for a secret that the app must not
/// have, and what describes a body that was decoded on the way.
const NOT_DOWN: [&str; 13] = [
    "set-cookie",
    "set-cookie2",
    "www-authenticate",
    "authentication-info",
    "proxy-authentication-info",
    "content-encoding",
    "content-range",
    "accept-ranges",
    "location",
    "content-location",
    "alt-svc",
    "strict-transport-security",
    "server",
];

/// The headers of an app's request that go on to the connector.
pub(crate) fn upward(headers: &HeaderMap, injected: Option<&HeaderName>) -> HeaderMap {
    let mut out = kept(headers, &NOT_UP);
    if let Some(name) = injected {
        // The place of the connector's secret belongs to the gateway alone.
        out.remove(name);
    }
    out
}

/// The headers of a connector's answer that go on to the app. `Location` stays when it leads
/// below the connector's own base, and then names the way through the gateway.
pub(crate) fn downward(headers: &HeaderMap, connector: &str, base: &BaseUrl) -> HeaderMap {
    let mut out = kept(headers, &NOT_DOWN);
    let location = headers
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|location| base.below(location))
        .and_then(|below| HeaderValue::from_str(&format!("/c/{connector}{below}")).ok());
    if let Some(location) = location {
        out.insert(header::LOCATION, location);
    }
    out
}

fn kept(headers: &HeaderMap, dropped: &[&str]) -> HeaderMap {
    let named = connection_names(headers);
    let mut out = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        if HOP_BY_HOP.contains(&text) || dropped.contains(&text) || named.contains(text) {
            continue;
        }
        out.append(name.clone(), value.clone());
    }
    out
}

/// Headers that `Connection` names belong to the connection too (RFC 9110 §7.6.1).
fn connection_names(headers: &HeaderMap) -> BTreeSet<String> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// All values of one header in lowercase, as one list.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> String {
    let all: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    all.join(", ").to_ascii_lowercase()
}

/// Headers as lines of text, for inspection.
pub(crate) fn as_text(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(HeaderName::as_str).collect()
    }

    #[test]
    fn the_apps_credential_and_framing_never_reach_the_connector() {
        let request = map(&[
            ("authorization", "Bearer a"),
            ("cookie", "a=b"),
            ("host", "x"),
            ("connection", "x-a, close"),
            ("x-a", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "1"),
            ("range", "bytes=0-1"),
            ("x-http-method-override", "DELETE"),
            ("x-api-key", "mine"),
            ("accept", "text/csv"),
        ]);
        let key = HeaderName::from_static("x-api-key");
        assert_eq!(names(&upward(&request, Some(&key))), ["accept"]);
    }

    #[test]
    fn cookies_and_foreign_locations_never_reach_the_app() {
        let base = BaseUrl::parse("https://api.example.com/v2").unwrap();
        let answer = |location: &str| {
            let answer = map(&[
                ("set-cookie", "a=b"),
                ("location", location),
                ("etag", "1"),
                ("www-authenticate", "Basic"),
            ]);
            downward(&answer, "crm", &base)
        };
        assert_eq!(names(&answer("https://evil.example/v2/a")), ["etag"]);
        assert_eq!(
            answer("https://api.example.com/v2/a?b=1")
                .get("location")
                .unwrap(),
            "/c/crm/a?b=1"
        );
    }
}
