//! Configuration: `burgess.toml`, then flags. The environment is read here and nowhere else.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::operations::retention::LedgerClass;
use crate::outlets::{self, OutletError};

/// The console's address when none is given.
pub const LISTEN: &str = "127.0.0.1:8080";
/// The gateway's address when none is given.
pub const GATEWAY: &str = "127.0.0.1:8081";
/// Largest configuration file: it holds a page of settings, not data.
const CONFIG_BYTES_MAX: u64 = 256 * 1024;

/// What the server was told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Where the console listens.
    pub listen: SocketAddr,
    /// Where the gateway listens.
    pub gateway: SocketAddr,
    /// The organisation's name: the second part of the ledger's origin and the tokens' issuer.
    pub organisation: String,
    /// Where the key-encryption key lies; `None` is the demo's key in memory.
    pub kek_file: Option<PathBuf>,
    /// Connectors of this installation: id, environment and base URL.
    pub connectors: Vec<ConnectorHost>,
    /// Largest size of the ledger folder in bytes, if limited.
    pub ledger_bytes_max: Option<u64>,
    /// Retention classes of the ledger beside `main`.
    pub ledger_classes: Vec<LedgerClass>,
    /// Whether two people are needed to erase a subject: one asks, another carries it out.
    pub erasure_by_two: bool,
    /// The policy file that names the ledger's witnesses, if there are any.
    pub witness_policy: Option<PathBuf>,
    /// Whether and where sealed days are archived.
    pub archive: outlets::Archive,
    /// Who gets the trail as syslog.
    pub syslog: Vec<outlets::Syslog>,
    /// The time stamping authority that stamps checkpoints, if there is one.
    pub timestamp_url: Option<String>,
    /// Whether this is the demo.
    pub demo: bool,
    /// Whether the ledger is opened to be repaired; `burgess recover` alone says so.
    pub recovery: bool,
}

/// Where one connector lives in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectorHost {
    /// Id in the catalogue.
    pub id: String,
    /// sandbox, staging or production.
    pub environment: String,
    /// `https://…`, or `http://` to this machine alone.
    pub base_url: String,
}

/// The file's shape.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    organisation: Option<String>,
    data: Option<PathBuf>,
    listen: Option<String>,
    gateway: Option<String>,
    kek_file: Option<PathBuf>,
    ledger_bytes_max: Option<u64>,
    #[serde(default)]
    ledger_class: Vec<LedgerClass>,
    #[serde(default)]
    erasure_by_two: bool,
    #[serde(default)]
    connector: Vec<ConnectorHost>,
    #[serde(default)]
    witness: WitnessSection,
    #[serde(default)]
    archive: outlets::Archive,
    #[serde(default)]
    syslog: Vec<outlets::Syslog>,
    #[serde(default)]
    timestamp: TimestampSection,
}

/// `[timestamp]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimestampSection {
    url: Option<String>,
}

/// `[witness]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessSection {
    policy: Option<PathBuf>,
}

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--gateway`
    pub gateway: Option<String>,
    /// `--kek-file`
    pub kek_file: Option<PathBuf>,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable.
    #[error("`{path}` cannot be read: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Too large.
    #[error("`{0}` is larger than 256 KiB: a configuration is a page of settings")]
    Large(PathBuf),
    /// Not the right shape.
    #[error("`{path}`: {cause}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// What toml says, with line and column.
        cause: String,
    },
    /// Not an address.
    #[error("`{0}` is not an address: write it as 127.0.0.1:8080")]
    Address(String),
    /// Not the loopback.
    #[error(
        "`{0}` can be reached from other machines, and no identity provider is configured: listen on 127.0.0.1"
    )]
    Outside(SocketAddr),
    /// A connector's address is not safe.
    #[error(
        "connector `{id}`: `{base_url}` must begin with https://, or with http:// to 127.0.0.1"
    )]
    Connector {
        /// The connector.
        id: String,
        /// What was given.
        base_url: String,
    },
    /// An archive or a receiver that cannot be.
    #[error(transparent)]
    Outlet(#[from] OutletError),
    /// A service's address is not safe.
    #[error("[{section}]: `{url}` must begin with https://, or with http:// to 127.0.0.1")]
    Service {
        /// The section of the file.
        section: String,
        /// What was given.
        url: String,
    },
    /// Not a name.
    #[error("`{0}` is not an organisation's name: use 1 to 40 of a-z, 0-9, - and .")]
    Organisation(String),
}

/// A variable of the environment; only `CREDENTIALS_DIRECTORY`, `XDG_CONFIG_HOME`, `HOME` and `RUST_LOG` are ever asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the environment is read"
)]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Config {
    /// Reads the file, lets flags overrule it, and checks the result.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            Some(path) => read(path)?,
            None if Path::new("burgess.toml").exists() => read(Path::new("burgess.toml"))?,
            None => File::default(),
        };
        let listen = address(
            flags
                .listen
                .as_deref()
                .or(file.listen.as_deref())
                .unwrap_or(LISTEN),
        )?;
        let gateway = address(
            flags
                .gateway
                .as_deref()
                .or(file.gateway.as_deref())
                .unwrap_or(GATEWAY),
        )?;
        let organisation = file.organisation.unwrap_or_else(|| "local".to_owned());
        let named = (1..=40).contains(&organisation.len())
            && organisation
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
        if !named {
            return Err(ConfigError::Organisation(organisation));
        }
        for host in &file.connector {
            check_base_url(host)?;
        }
        outlets::check(&file.archive, &file.syslog)?;
        if let Some(url) = &file.timestamp.url {
            check_service_url("timestamp", url)?;
        }
        let from_credentials =
            || environment("CREDENTIALS_DIRECTORY").map(|d| Path::new(&d).join("burgess-kek"));
        let kek_file = flags
            .kek_file
            .clone()
            .or(file.kek_file)
            .or_else(from_credentials);
        Ok(Self {
            data: flags
                .data
                .clone()
                .or(file.data)
                .unwrap_or_else(|| PathBuf::from("burgess-data")),
            listen,
            gateway,
            organisation,
            kek_file,
            connectors: file.connector,
            ledger_bytes_max: file.ledger_bytes_max,
            ledger_classes: file.ledger_class,
            erasure_by_two: file.erasure_by_two,
            witness_policy: file.witness.policy,
            archive: file.archive,
            syslog: file.syslog,
            timestamp_url: file.timestamp.url,
            demo: false,
            recovery: false,
        })
    }

    /// The ledger's origin and the issuer's name: `burgess/<organisation>` or `demo/<organisation>`.
    pub fn origin(&self) -> String {
        format!(
            "{}/{}",
            if self.demo { "demo" } else { "burgess" },
            self.organisation
        )
    }

    /// The folder of all shards of the ledger.
    pub fn ledgers(&self) -> PathBuf {
        self.data.join("ledger")
    }

    /// The folder of the shard `main`.
    pub fn ledger_folder(&self) -> PathBuf {
        self.data.join("ledger").join("main")
    }

    /// The archive's folder for a shard.
    pub fn archive_folder(&self, shard: &str) -> PathBuf {
        self.data.join("archive").join(shard)
    }

    /// The issuer of access tokens.
    pub fn issuer(&self) -> String {
        format!("http://{}/{}", self.listen, self.organisation)
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let failed = |cause| ConfigError::Read {
        path: path.to_owned(),
        cause,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > CONFIG_BYTES_MAX {
        return Err(ConfigError::Large(path.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    toml::from_str(&text).map_err(|e| ConfigError::Shape {
        path: path.to_owned(),
        cause: e.to_string(),
    })
}

/// Reads an address and refuses what others can reach: without an identity provider
/// the only proof of who somebody is, is being on this machine.
pub fn address(text: &str) -> Result<SocketAddr, ConfigError> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| ConfigError::Address(text.to_owned()))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(ConfigError::Outside(address))
    }
}

/// The same for a service of ours, by the name of its section.
fn check_service_url(section: &str, url: &str) -> Result<(), ConfigError> {
    let host = ConnectorHost {
        id: section.to_owned(),
        environment: String::new(),
        base_url: url.to_owned(),
    };
    check_base_url(&host).map_err(|_| ConfigError::Service {
        section: section.to_owned(),
        url: url.to_owned(),
    })
}

/// Plain HTTP only to this machine (R80).
pub fn check_base_url(host: &ConnectorHost) -> Result<(), ConfigError> {
    let bad = || ConfigError::Connector {
        id: host.id.clone(),
        base_url: host.base_url.clone(),
    };
    let uri: http::Uri = host.base_url.parse().map_err(|_| bad())?;
    let name = uri.host().ok_or_else(bad)?;
    let loopback = name
        .trim_matches(['[', ']'])
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if loopback => Ok(()),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R80
    #[test]
    fn plain_http_reaches_only_this_machine() {
        let host = |url: &str| ConnectorHost {
            id: "crm".into(),
            environment: "sandbox".into(),
            base_url: url.into(),
        };
        for good in [
            "https://crm.example",
            "http://127.0.0.1:9",
            "http://[::1]:9/base",
        ] {
            assert!(check_base_url(&host(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://crm.example",
            "http://127.0.0.1.example",
            "ftp://127.0.0.1",
            "crm",
            "",
        ] {
            assert!(check_base_url(&host(bad)).is_err(), "{bad}");
        }
        assert!(address("127.0.0.1:0").is_ok());
        assert!(matches!(
            address("0.0.0.0:8080"),
            Err(ConfigError::Outside(_))
        ));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("burgess.toml");
        std::fs::write(
            &path,
            "organisation = \"acme\"\nlissten = \"127.0.0.1:1\"\n",
        )
        .unwrap();
        let error = Config::load(&Flags {
            config: Some(path),
            ..Flags::default()
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("line 2") && error.contains("lissten"),
            "{error}"
        );
    }
}
