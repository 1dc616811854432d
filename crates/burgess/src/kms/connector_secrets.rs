//! Connectors' secrets: sealed in the store, opened for one call.

use std::sync::Arc;

use burgess_core::app::Environment;
use burgess_gateway::ports::{Answer, PortError, Secret, SecretWanted, Secrets};
use burgess_store::Store;

use super::envelope::{EnvelopeError, Key};
use super::ring::KeyRing;

/// Opens connectors' secrets for the gateway.
pub struct ConnectorSecrets {
    store: Arc<Store>,
    keys: Arc<KeyRing>,
}

impl ConnectorSecrets {
    /// Over the sealed secrets in `store`.
    pub fn new(store: Arc<Store>, keys: Arc<KeyRing>) -> Self {
        Self { store, keys }
    }
}

/// Seals a secret for one connector in one environment; it opens for no other.
pub fn seal(
    kek: &Key,
    connector: &str,
    environment: Environment,
    secret: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    kek.seal(&purpose(connector, environment), secret)
}

fn purpose(connector: &str, environment: Environment) -> String {
    format!("burgess.connector-secret/1 {connector} {environment}")
}

impl Secrets for ConnectorSecrets {
    fn fetch<'a>(&'a self, wanted: SecretWanted<'a>) -> Answer<'a, Result<Secret, PortError>> {
        Box::pin(async move {
            let unavailable = |cause: String| PortError::Unavailable {
                what: "the connector's secret",
                cause,
            };
            let held = self
                .store
                .connector_secret(wanted.connector, wanted.environment)
                .await;
            let held = held
                .map_err(|e| unavailable(e.to_string()))?
                .ok_or_else(|| {
                    PortError::Missing(format!(
                        "secret for the connector `{}` in {}",
                        wanted.connector, wanted.environment
                    ))
                })?;
            let plain = self
                .keys
                .kek
                .open(
                    &purpose(wanted.connector, wanted.environment),
                    &held.record.sealed,
                )
                .map_err(|e| unavailable(e.to_string()))?;
            Ok(Secret::new(plain.to_vec()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R47
    #[test]
    fn a_secret_of_one_environment_cannot_be_opened_for_another() {
        let kek = Key::new([3; 32]);
        let sealed = seal(&kek, "crm", Environment::Staging, b"staging secret").unwrap();
        assert!(
            kek.open(&purpose("crm", Environment::Staging), &sealed)
                .is_ok()
        );
        assert!(
            kek.open(&purpose("crm", Environment::Production), &sealed)
                .is_err()
        );
        assert!(
            kek.open(&purpose("other", Environment::Staging), &sealed)
                .is_err()
        );
    }
}
