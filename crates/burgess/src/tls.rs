//! TLS as a client: whom to trust when the trail leaves this machine.

use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The roots cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the roots in `{file}` cannot be used: {cause}; name a PEM file with the certificates to trust"
)]
pub struct RootsError {
    file: String,
    cause: String,
}

/// A client that trusts the roots in a PEM file, and no others.
pub fn trusting(roots: &Path) -> Result<ClientConfig, RootsError> {
    let fail = |cause: &dyn std::fmt::Display| RootsError {
        file: roots.display().to_string(),
        cause: cause.to_string(),
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(roots).map_err(|e| fail(&e))? {
        let certificate = certificate.map_err(|e| fail(&e))?;
        store.add(certificate).map_err(|e| fail(&e))?;
    }
    if store.is_empty() {
        return Err(fail(&"there is no certificate in it"));
    }
    let provider = Arc::new(ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(versions
        .map_err(|e| fail(&e))?
        .with_root_certificates(store)
        .with_no_client_auth())
}
