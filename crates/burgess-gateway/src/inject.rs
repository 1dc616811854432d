//! Presenting the connector's secret: the one header that it goes into.
//!
//! Not here: where the secret comes from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use zeroize::Zeroizing;

use crate::ports::Secret;
use crate::snapshot::Inject;

/// The header that the gateway alone may set.
pub(crate) fn header_of(inject: &Inject) -> Option<HeaderName> {
    match inject {
        Inject::None => None,
        Inject::Bearer | Inject::Basic => Some(header::AUTHORIZATION),
        Inject::Header(name) => Some(name.clone()),
    }
}

/// Puts the secret in its place, marked so that nothing prints it.
pub(crate) fn present(
    headers: &mut HeaderMap,
    inject: &Inject,
    secret: &Secret,
) -> Result<(), InvalidHeaderValue> {
    let base64 = || STANDARD.encode(secret.expose());
    let (name, value) = match inject {
        Inject::None => return Ok(()),
        Inject::Bearer => (
            header::AUTHORIZATION,
            [b"Bearer ".as_slice(), secret.expose()].concat(),
        ),
        Inject::Basic => (
            header::AUTHORIZATION,
            format!("Basic {}", base64()).into_bytes(),
        ),
        Inject::Header(name) => (name.clone(), secret.expose().to_vec()),
    };
    let value = Zeroizing::new(value);
    let mut value = HeaderValue::from_bytes(&value)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
