//! What every answer carries, and what every changing request must show.
//!
//! The content security policy has no exceptions: our own files alone, no inline
//! script or style, Trusted Types (W3C CSP3, Trusted Types). Cross-site requests are
//! refused by `Sec-Fetch-Site` and `Origin` (W3C Fetch Metadata), not by a hidden field.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The content security policy of every page.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Sets the headers that every answer carries.
pub async fn harden(request: Request, next: Next) -> Response {
    let asset = request.uri().path().starts_with("/assets/")
        || request.uri().path().starts_with("/ledger/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("content-security-policy", CONTENT_SECURITY_POLICY);
    set("x-content-type-options", "nosniff");
    // With no referrer at all, browsers call the origin of our own forms `null`.
    set("referrer-policy", "same-origin");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set(
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if !asset {
        set("cache-control", "no-store");
    }
    response
}

/// Refuses changing requests that another site may have caused, and requests
/// under another host name than ours (DNS rebinding).
pub async fn same_origin(
    State(listen): State<std::net::SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match judge(request.method(), request.headers(), listen) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn judge(
    method: &Method,
    headers: &HeaderMap,
    listen: std::net::SocketAddr,
) -> Result<(), Problem> {
    let text = |name: header::HeaderName| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let host = text(header::HOST);
    if !own_host(&host, listen) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "HOST_UNKNOWN",
            format!(
                "`{}` is not a name of this server: use http://{listen}",
                host.chars().take(80).collect::<String>()
            ),
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok());
    let origin = text(header::ORIGIN);
    let other_site = site.is_some_and(|s| !matches!(s, "same-origin" | "none"));
    let other_origin = !origin.is_empty() && origin != format!("http://{host}");
    if other_site || other_origin {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "CROSS_SITE",
            "this request came from another site: open Burgess itself and try there",
        ));
    }
    Ok(())
}

fn own_host(host: &str, listen: std::net::SocketAddr) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    port == listen.port().to_string()
        && (matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name == listen.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        judge(&method, &headers, "127.0.0.1:8080".parse().unwrap()).is_ok()
    }

    #[test]
    fn a_changing_request_from_another_site_is_refused() {
        let host = ("host", "127.0.0.1:8080");
        assert!(
            check(Method::POST, &[host]),
            "a program sends neither header"
        );
        assert!(check(
            Method::POST,
            &[
                host,
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://127.0.0.1:8080")
            ]
        ));
        assert!(!check(
            Method::POST,
            &[host, ("sec-fetch-site", "cross-site")]
        ));
        assert!(!check(
            Method::POST,
            &[host, ("sec-fetch-site", "same-site")]
        ));
        assert!(!check(
            Method::POST,
            &[host, ("origin", "http://evil.example")]
        ));
        assert!(!check(Method::POST, &[host, ("origin", "null")]));
        assert!(
            check(Method::GET, &[host, ("sec-fetch-site", "cross-site")]),
            "a link may lead here"
        );
        assert!(!check(Method::GET, &[("host", "rebound.example:8080")]));
        assert!(!check(Method::GET, &[]), "no host, no answer");
    }
}
