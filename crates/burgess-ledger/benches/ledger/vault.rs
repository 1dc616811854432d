//! The vault of the benches: the binary's ciphers and cache, without its database.
//!
//! This is the binary's steady state, in which everybody who acts has acted before. What the first
//! event of a subject costs on top is one durable row in the store, shared by a whole batch.

use std::sync::Arc;

use burgess_core::digest::Digest;
use burgess_gateway::ciphers::Ciphers;
use burgess_gateway::ports::{Answer, PortError, Vault};
use burgess_gateway::sealing::{Alias, SubjectCipher};

#[derive(Default)]
pub(crate) struct BenchVault(Ciphers);

impl BenchVault {
    fn made(&self, subject: &str) -> Result<Arc<SubjectCipher>, PortError> {
        let key = Digest::of_parts(&[b"bench key\n", subject.as_bytes()]);
        let cipher = SubjectCipher::new(self.alias(subject), key.as_bytes());
        let cipher = cipher.map_err(|cause| PortError::Unavailable {
            what: "a key",
            cause: cause.to_string(),
        })?;
        Ok(Arc::new(cipher))
    }
}

impl Vault for BenchVault {
    fn alias(&self, subject: &str) -> Alias {
        Alias::of(&Digest::of_parts(&[b"bench alias\n", subject.as_bytes()]))
    }

    fn to_seal<'a>(
        &'a self,
        subjects: &'a [&'a str],
    ) -> Answer<'a, Result<Vec<Arc<SubjectCipher>>, PortError>> {
        Box::pin(async move {
            let (at_hand, asked) = self.0.of_subjects(subjects);
            let all = subjects.iter().zip(at_hand);
            all.map(|(subject, cipher)| match cipher {
                Some(cipher) => Ok(cipher),
                None => {
                    let cipher = self.made(subject)?;
                    self.0.keep(Some(subject), &cipher, asked);
                    Ok(cipher)
                }
            })
            .collect()
        })
    }

    fn to_open<'a>(
        &'a self,
        alias: Alias,
    ) -> Answer<'a, Result<Option<Arc<SubjectCipher>>, PortError>> {
        Box::pin(async move { Ok(self.0.of_alias(&alias).0) })
    }
}
