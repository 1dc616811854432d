//! The console's own files, embedded in the binary.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use burgess_core::digest::Digest;

const FILES: [(&str, &str, &str); 3] = [
    (
        "burgess.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/burgess.css"),
    ),
    (
        "burgess.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/burgess.js"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../../assets/icon.svg"),
    ),
];

/// `/assets/{name}`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(file, _, _)| *file == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{}\"", Digest::of(text.as_bytes()));
    if headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        == Some(&tag)
    {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, (*kind).to_owned()),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, *text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_scripts_stay_below_fifteen_kilobytes() {
        let scripts: usize = FILES
            .iter()
            .filter(|(name, _, _)| name.ends_with(".js"))
            .map(|(_, _, text)| text.len())
            .sum();
        assert!(scripts < 15_000, "{scripts} bytes");
    }
}
