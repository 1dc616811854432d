//! The part of the configuration that says how the trail leaves the house: the archive, its
//! bucket, and the syslog receivers.
//!
//! Secrets are never in the configuration: a bucket's credentials lie in a file of their own.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::environment;

/// Bytes of a credentials file at most: two lines.
const CREDENTIALS_BYTES_MAX: u64 = 4_096;
/// Events between two checkpoints in a syslog stream when nothing is said: some hundred kilobytes
/// can be tampered with before it shows.
const CHECKPOINT_EVERY: u64 = 1_000;

/// `[archive]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// Whether sealed days are archived.
    pub enabled: bool,
    /// Where copies go.
    pub s3: Option<Bucket>,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            enabled: true,
            s3: None,
        }
    }
}

/// `[archive] s3 = { … }`: a bucket of anything that speaks S3.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// `https://…`, or `http://` to this machine alone.
    pub endpoint: String,
    /// Its name.
    pub bucket: String,
    /// Its region, as it is signed for.
    pub region: String,
    /// What stands before the names of the files.
    #[serde(default)]
    pub prefix: String,
    /// Key id on the first line, secret on the second; without it `burgess-s3` in
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials_file: Option<PathBuf>,
    /// PEM file of the roots to trust; the public ones without it.
    pub ca: Option<PathBuf>,
}

/// `[[syslog]]`: one receiver.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Syslog {
    /// Its name here: how far it has come is kept under it.
    pub name: String,
    /// Host and port, as `siem.example:6514`.
    pub address: String,
    /// PEM file of the roots to trust: TLS. Without it plain TCP, to this machine alone.
    pub ca: Option<PathBuf>,
    /// Whether personal values go along, where policy lets an auditor have them.
    #[serde(default)]
    pub personal: bool,
    /// Events between two signed checkpoints in the stream.
    #[serde(default = "checkpoint_every")]
    pub checkpoint_every: u64,
}

const fn checkpoint_every() -> u64 {
    CHECKPOINT_EVERY
}

/// What is wrong with an outlet.
#[derive(Debug, thiserror::Error)]
pub enum OutletError {
    /// Others could read along.
    #[error("`{0}` must begin with https://, or with http:// to 127.0.0.1")]
    Endpoint(String),
    /// Others could read along.
    #[error(
        "syslog receiver `{name}`: without `ca` it speaks plain TCP, and `{address}` is not an address of this machine: name the file with the receiver's roots as `ca`"
    )]
    Plain {
        /// The receiver.
        name: String,
        /// Its address.
        address: String,
    },
    /// Not a host and a port.
    #[error(
        "syslog receiver `{name}`: `{address}` is not a host and a port: write it as siem.example:6514"
    )]
    Address {
        /// The receiver.
        name: String,
        /// Its address.
        address: String,
    },
    /// Not a name, or one twice.
    #[error(
        "`{0}` is no name for a syslog receiver: give each its own of 1 to 40 of a-z, 0-9 and -"
    )]
    Name(String),
    /// No secrets to be had.
    #[error(
        "the bucket's credentials cannot be read: {0}; put key id and secret on two lines of `credentials_file`, or of `burgess-s3` in $CREDENTIALS_DIRECTORY"
    )]
    Credentials(String),
}

/// Checks what the file said.
pub fn check(archive: &Archive, receivers: &[Syslog]) -> Result<(), OutletError> {
    if let Some(bucket) = &archive.s3
        && !is_private(&bucket.endpoint)
    {
        return Err(OutletError::Endpoint(bucket.endpoint.clone()));
    }
    let mut names = std::collections::BTreeSet::new();
    for receiver in receivers {
        let name = &receiver.name;
        let named = (1..=40).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !named || !names.insert(name) {
            return Err(OutletError::Name(name.clone()));
        }
        let address = receiver.address.clone();
        if receiver.host().is_none() {
            let name = name.clone();
            return Err(OutletError::Address { name, address });
        }
        let here = address
            .parse::<SocketAddr>()
            .is_ok_and(|it| it.ip().is_loopback());
        if receiver.ca.is_none() && !here {
            let name = name.clone();
            return Err(OutletError::Plain { name, address });
        }
    }
    Ok(())
}

/// Whether nobody on the way can read along: https, or this machine.
fn is_private(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let host = uri.host().map(|name| name.trim_matches(['[', ']']));
    let loopback = host.is_some_and(|name| name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()));
    match uri.scheme_str() {
        Some("https") => host.is_some(),
        Some("http") => loopback,
        _ => false,
    }
}

impl Syslog {
    /// The host, which is what the receiver's certificate must name.
    pub fn host(&self) -> Option<&str> {
        let (host, port) = self.address.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']);
        (!host.is_empty() && port.parse::<u16>().is_ok()).then_some(host)
    }
}

impl Bucket {
    /// Key id and secret.
    pub fn credentials(&self) -> Result<(String, String), OutletError> {
        let fail = |cause: &dyn std::fmt::Display| OutletError::Credentials(cause.to_string());
        let from_directory =
            || environment("CREDENTIALS_DIRECTORY").map(|it| Path::new(&it).join("burgess-s3"));
        let path = self.credentials_file.clone().or_else(from_directory);
        let path = path.ok_or_else(|| fail(&"no file is named"))?;
        let shown = path.display();
        let length =
            std::fs::metadata(&path).map_err(|cause| fail(&format!("`{shown}`: {cause}")))?;
        if length.len() > CREDENTIALS_BYTES_MAX {
            return Err(fail(&format!("`{shown}` is larger than two lines")));
        }
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|cause| fail(&format!("`{shown}`: {cause}")))?;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        match (lines.next(), lines.next(), lines.next()) {
            (Some(key), Some(secret), None) => Ok((key.to_owned(), secret.to_owned())),
            _ => Err(fail(&format!("`{shown}` has not two lines"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(name: &str, address: &str, ca: bool) -> Syslog {
        Syslog {
            name: name.to_owned(),
            address: address.to_owned(),
            ca: ca.then(|| PathBuf::from("ca.pem")),
            personal: false,
            checkpoint_every: 10,
        }
    }

    #[test]
    fn the_trail_leaves_this_machine_encrypted_or_not_at_all() {
        let sound = [
            receiver("a", "127.0.0.1:514", false),
            receiver("b", "[::1]:514", false),
            receiver("c", "siem.example:6514", true),
        ];
        check(&Archive::default(), &sound).unwrap();
        for bad in [
            receiver("a", "siem.example:514", false),
            receiver("a", "localhost.example:514", false),
            receiver("a", "192.0.2.1:514", false),
            receiver("a", "siem.example", true),
            receiver("a", ":514", true),
            receiver("A b", "127.0.0.1:514", false),
            receiver("", "127.0.0.1:514", false),
        ] {
            check(&Archive::default(), std::slice::from_ref(&bad)).unwrap_err();
        }
        check(&Archive::default(), &[sound[0].clone(), sound[0].clone()]).unwrap_err();
        for (endpoint, sound) in [
            ("https://s3.example", true),
            ("http://127.0.0.1:9000", true),
            ("http://[::1]:9000", true),
            ("http://s3.example", false),
            ("http://127.0.0.1.example", false),
            ("s3.example", false),
        ] {
            assert_eq!(is_private(endpoint), sound, "{endpoint}");
        }
    }

    #[test]
    fn a_buckets_credentials_are_two_lines_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s3");
        let bucket = Bucket {
            endpoint: "https://s3.example".to_owned(),
            bucket: "trail".to_owned(),
            region: "eu".to_owned(),
            prefix: String::new(),
            credentials_file: Some(path.clone()),
            ca: None,
        };
        bucket.credentials().unwrap_err();
        std::fs::write(&path, "KEY\nSECRET\n").unwrap();
        let said = bucket.credentials().unwrap();
        assert_eq!(said, ("KEY".to_owned(), "SECRET".to_owned()));
        for bad in ["", "KEY\n", "KEY\nSECRET\nMORE\n"] {
            std::fs::write(&path, bad).unwrap();
            bucket.credentials().unwrap_err();
        }
    }
}
