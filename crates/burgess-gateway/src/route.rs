//! The address of a call: `/c/{connector}/{path}?{query}`, read strictly.
//!
//! A path that two programs could read differently is refused, not repaired: what was decided on
//! must be what the connector sees. Not here: whether the call is allowed.

use http::{Method, Uri};

use crate::limits::TARGET_BYTES_MAX;

/// Where a call wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The connector's id.
    pub connector: String,
    /// The path below it, percent-encoded as it came, beginning with `/`.
    pub path: String,
    /// The query, as it came.
    pub query: Option<String>,
}

/// The request is not a call to a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// `CONNECT`.
    #[error("the egress proxy is not offered here: call a declared connector under /c/")]
    Connect,
    /// A whole URL as target, as sent to a proxy.
    #[error("the egress proxy is not offered here: send the path alone, as /c/crm/contacts")]
    AbsoluteForm,
    /// Not below `/c/`.
    #[error("there is nothing here: calls go to /c/ and the connector's id, as /c/crm/contacts")]
    NotFound,
    /// No connector could have that id.
    #[error("that is not a connector's id: use a-z, 0-9, - and _, as in /c/crm/contacts")]
    Connector,
    /// `.` or `..`, plain or encoded, or an empty segment.
    #[error("the path has a segment that is empty, `.` or `..`: write the path out")]
    Traversal,
    /// Characters that programs read differently.
    #[error(
        "the path holds an encoded slash, a backslash, a control character or a broken percent sign: write it plainly"
    )]
    Ambiguous,
    /// Too long.
    #[error("the target is longer than 8000 bytes: send long values in the body")]
    TooLong,
    /// `TRACE` and the like.
    #[error(
        "this method cannot go through the gateway: use GET, HEAD, OPTIONS, POST, PUT, PATCH or DELETE"
    )]
    Method,
}

impl RouteError {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connect | Self::AbsoluteForm => "EGRESS_NOT_OFFERED",
            Self::NotFound => "ROUTE_NOT_FOUND",
            Self::Connector | Self::Traversal | Self::Ambiguous => "ROUTE_REFUSED",
            Self::TooLong => "ROUTE_TOO_LONG",
            Self::Method => "METHOD_REFUSED",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> http::StatusCode {
        match self {
            Self::Connect | Self::Method => http::StatusCode::METHOD_NOT_ALLOWED,
            Self::AbsoluteForm => http::StatusCode::FORBIDDEN,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::Connector | Self::Traversal | Self::Ambiguous => http::StatusCode::BAD_REQUEST,
            Self::TooLong => http::StatusCode::URI_TOO_LONG,
        }
    }
}

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

impl Route {
    /// Reads method and target of a request.
    pub fn parse(method: &Method, uri: &Uri) -> Result<Self, RouteError> {
        if method == Method::CONNECT {
            return Err(RouteError::Connect);
        }
        if uri.scheme().is_some() || uri.authority().is_some() {
            return Err(RouteError::AbsoluteForm);
        }
        if !METHODS.contains(method) {
            return Err(RouteError::Method);
        }
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        if target.len() > TARGET_BYTES_MAX {
            return Err(RouteError::TooLong);
        }
        let rest = uri.path().strip_prefix("/c/").ok_or(RouteError::NotFound)?;
        let (connector, path) = match rest.split_once('/') {
            Some((connector, path)) => (connector, path),
            None => (rest, ""),
        };
        if !is_connector_id(connector) {
            return Err(RouteError::Connector);
        }
        check_path(path)?;
        Ok(Self {
            connector: connector.to_owned(),
            path: format!("/{path}"),
            query: uri.query().map(str::to_owned),
        })
    }

    /// Segments of the path with percent signs decoded, in lowercase.
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| String::from_utf8_lossy(&decode(segment)).to_lowercase())
            .collect()
    }

    /// Names and values of the query with percent signs and `+` decoded, in lowercase.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        let text =
            |part: &str| String::from_utf8_lossy(&decode(&part.replace('+', " "))).to_lowercase();
        self.query
            .iter()
            .flat_map(|query| query.split('&'))
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }
}

fn is_connector_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn check_path(path: &str) -> Result<(), RouteError> {
    if !is_plain(path) {
        return Err(RouteError::Ambiguous);
    }
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let decoded = decode(segment);
        // A parameter (`..;x`) hides a dot segment from some servers and not from others.
        let name = decoded
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        let dots = name == b"." || name == b"..";
        // Only the last segment may be empty: the slash at the end.
        if dots || (decoded.is_empty() && segments.peek().is_some()) {
            return Err(RouteError::Traversal);
        }
    }
    Ok(())
}

/// No backslash, no broken percent sign, and no encoded slash, backslash, percent sign or control
/// character: a second decoding somewhere must not find another path.
fn is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'\\' | 0..=0x20 | 0x7F => false,
        b'%' => match hex_pair(bytes, at + 1) {
            Some(value) => !matches!(value, b'/' | b'\\' | b'%' | 0..=0x1F | 0x7F),
            None => false,
        },
        _ => true,
    })
}

fn hex_pair(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| {
        let digit = char::from(*bytes.get(at)?).to_digit(16)?;
        u8::try_from(digit).ok()
    };
    Some(digit(at)? << 4 | digit(at + 1)?)
}

/// Undoes percent-encoding once; what is not encoded stays.
fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex_pair(bytes, at + 1)) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str) -> Result<Route, RouteError> {
        Route::parse(&Method::GET, &target.parse().unwrap())
    }

    #[test]
    fn a_call_names_its_connector_and_the_path_below_it() {
        let route = read("/c/crm/contacts/7%20a?Format=CSV&q=a+b").unwrap();
        assert_eq!(
            (&*route.connector, &*route.path),
            ("crm", "/contacts/7%20a")
        );
        assert_eq!(route.segments(), ["contacts", "7 a"]);
        assert_eq!(
            route.query_pairs()[0],
            ("format".to_owned(), "csv".to_owned())
        );
        assert_eq!(read("/c/crm").unwrap().path, "/");
        assert_eq!(read("/c/crm/a/").unwrap().path, "/a/");
    }

    #[test]
    fn a_path_that_two_programs_could_read_differently_is_refused() {
        for path in [
            "../x", "a/../b", "./a", "%2e%2e/a", "a/%2E./b", "..;v=1/a", "a//b", "/a",
        ] {
            assert_eq!(
                read(&format!("/c/crm/{path}")),
                Err(RouteError::Traversal),
                "{path}"
            );
        }
        for path in [
            "a%2fb", "a%5Cb", "a%00", "a%0d%0ab", "a%252e", "a%zz", "a%2",
        ] {
            assert_eq!(
                read(&format!("/c/crm/{path}")),
                Err(RouteError::Ambiguous),
                "{path}"
            );
        }
        for target in ["/", "/c", "/x/crm/a"] {
            assert_eq!(read(target), Err(RouteError::NotFound), "{target}");
        }
        assert_eq!(read("/c//a"), Err(RouteError::Connector));
        assert_eq!(read("/c/CRM/a"), Err(RouteError::Connector));
    }

    #[test]
    fn proxy_requests_are_refused() {
        let read = |method: Method, target: &str| Route::parse(&method, &target.parse().unwrap());
        assert_eq!(
            read(Method::CONNECT, "api.example:443"),
            Err(RouteError::Connect)
        );
        assert_eq!(
            read(Method::GET, "http://api.example/c/crm/x"),
            Err(RouteError::AbsoluteForm)
        );
        assert_eq!(read(Method::TRACE, "/c/crm/x"), Err(RouteError::Method));
    }
}
