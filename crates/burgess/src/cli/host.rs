//! Verbs of the machine itself: a running server is asked through a socket in its data
//! folder, which only its owner can open; a stopped one is opened for the moment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burgess_core::app::Environment;
use burgess_core::id::Email;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_ledger::AppendError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::run::{Failure, Outcome, config, key, say};
use super::{AdvisoriesVerb, Place};
use crate::config::Config;
use crate::jobs::archive;
use crate::operations::people::{self, Dismissed, Invited};
use crate::operations::{recover, retention, secrets};
use crate::serve;
use crate::server::Server;

/// Longest question: an address, a role, a secret.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Questions answered at a time: one person at one machine asks far fewer.
const QUESTIONS_MAX: usize = 16;

/// What the machine's owner may ask.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// A one-time link.
    Invite {
        /// Whom.
        email: Email,
        /// Their name.
        name: String,
        /// Their role.
        role: Role,
        /// Their manager.
        manager: Option<Email>,
        /// Their unit.
        unit: String,
    },
    /// No role any more for somebody who leaves.
    Dismiss {
        /// Whom.
        email: Email,
    },
    /// The ledger's next shard, with a new key.
    Rotate {
        /// Of which retention class.
        class: String,
    },
    /// A time stamp on the newest checkpoint.
    Timestamp,
    /// What waits for the archive.
    Archive {
        /// Up to which day.
        until: Option<String>,
    },
    /// A connector's secret.
    Secret {
        /// Which connector.
        connector: String,
        /// For which environment.
        environment: Environment,
        /// The secret.
        secret: String,
    },
}

/// What was done.
#[derive(Debug)]
pub struct Said {
    /// For people.
    pub text: String,
    /// The same for programs.
    pub data: Value,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    said: Option<String>,
    #[serde(default)]
    data: Value,
    failed: Option<String>,
}

async fn answer(server: &Server, ask: Ask) -> Result<Said, String> {
    match ask {
        Ask::Invite {
            email,
            name,
            role,
            manager,
            unit,
        } => {
            let secret = people::invite(
                server,
                Invited {
                    email: email.clone(),
                    name,
                    role,
                    manager,
                    unit,
                },
            )
            .await
            .map_err(|p| p.detail)?;
            let link = format!("http://{}/sign-in/{secret}", server.config.listen);
            Ok(Said {
                text: format!("{role} {email} {link}"),
                data: json!({ "role": role, "email": email, "link": link }),
            })
        }
        Ask::Dismiss { email } => {
            let left = people::dismiss(server, &email).await;
            Ok(dismissed(&email, &left.map_err(|p| p.detail)?))
        }
        Ask::Rotate { class } => {
            let machine = people::machine();
            let next = retention::turn(server, &machine, &class)
                .await
                .map_err(|p| p.detail)?;
            Ok(Said {
                text: format!(
                    "the shard before is sealed; `{}` is open under the new key, publish it:\n{}",
                    next.name, next.vkey
                ),
                data: json!({ "shard": next.name, "vkey": next.vkey }),
            })
        }
        Ask::Timestamp => crate::jobs::timestamp::stamp(server).await.map(|stamped| {
            let lines: Vec<String> = stamped.iter().map(ToString::to_string).collect();
            Said {
                text: lines.join("\n"),
                data: json!({ "stamped": stamped }),
            }
        }),
        Ask::Archive { until } => {
            let passed = archive::pass(server, until.as_deref())
                .await
                .map_err(|p| p.detail)?;
            Ok(archived(server, &passed))
        }
        Ask::Secret {
            connector,
            environment,
            secret,
        } => {
            secrets::set(server, &connector, environment, secret.as_bytes())
                .await
                .map_err(|p| p.detail)?;
            Ok(Said {
                text: format!("stored the secret of `{connector}` for {environment}, sealed"),
                data: json!({ "connector": connector, "environment": environment }),
            })
        }
    }
}

fn dismissed(email: &Email, left: &Dismissed) -> Said {
    let joined = |words: Vec<&str>| words.join(", ");
    let mut said = if left.roles.is_empty() {
        format!("{email} had left before: nothing was changed")
    } else {
        let roles = left.roles.iter().map(|role| role.as_str()).collect();
        format!("{email} has no role any more ({})", joined(roles))
    };
    if !left.apps.is_empty() {
        let apps = left.apps.iter().map(|app| app.as_str()).collect();
        said.push_str("\nstill named as developer or owner of: ");
        said.push_str(&joined(apps));
    }
    Said {
        text: said,
        data: json!({ "email": email, "roles_taken": left.roles, "apps": left.apps }),
    }
}

fn archived(server: &Server, passed: &archive::Passed) -> Said {
    let (mut lines, mut sealed) = (Vec::new(), Vec::new());
    for file in &passed.sealed {
        let shard = server.shards.of_origin(&file.origin);
        let shard = shard.map(|shard| shard.name).unwrap_or_default();
        let path = server.config.archive_folder(&shard).join(&file.file);
        let (first, last) = (file.first, file.last);
        lines.push(format!(
            "entries {first} to {last} are in {}",
            path.display()
        ));
        sealed.push(json!({ "shard": shard, "first": first, "last": last, "file": path }));
    }
    lines.extend(
        passed
            .copied
            .iter()
            .map(|there| format!("a copy is at {there}")),
    );
    if lines.is_empty() {
        lines.push("nothing waits: all of these days is archived".to_owned());
    }
    Said {
        text: lines.join("\n"),
        data: json!({ "sealed": sealed, "copied": passed.copied }),
    }
}

/// The socket of a running server.
pub struct Invitations {
    listener: Option<UnixListener>,
}

fn socket(config: &Config) -> PathBuf {
    config.data.join("burgess.sock")
}

impl Invitations {
    /// Opens the socket of a server that holds its folder: whoever reads that it is up can ask it.
    pub fn open(config: &Config) -> Self {
        let path = socket(config);
        // Whoever holds the folder's lock is the only server; what is left is a dead one's.
        if std::fs::remove_file(&path).is_ok() {
            tracing::debug!("an old socket was removed");
        }
        let listener = bind(&path).inspect_err(|cause| {
            tracing::error!(%cause, path = %path.display(), "`burgess invite` will not reach this server");
        });
        Self {
            listener: listener.ok(),
        }
    }

    /// Answers questions until the server stops.
    pub async fn listen(self, server: Arc<Server>) {
        let Some(listener) = self.listener else {
            return;
        };
        // Side by side: an invitation must not wait for a bucket. They end with this.
        let mut answering = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            if answering.len() >= QUESTIONS_MAX {
                answering.join_next().await;
            }
            while answering.try_join_next().is_some() {}
            let server = Arc::clone(&server);
            answering.spawn(async move {
                if let Err(cause) = serve_one(&server, stream).await {
                    tracing::warn!(%cause, "a question on the socket was not answered");
                }
            });
        }
    }
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn serve_one(server: &Server, stream: UnixStream) -> std::io::Result<()> {
    use tokio::io::AsyncReadExt as _;
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let reply = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => match answer(server, ask).await {
            Ok(said) => Reply {
                said: Some(said.text),
                data: said.data,
                failed: None,
            },
            Err(failed) => Reply {
                said: None,
                data: Value::Null,
                failed: Some(failed),
            },
        },
        Err(error) => Reply {
            said: None,
            data: Value::Null,
            failed: Some(format!("the question cannot be read: {error}")),
        },
    };
    let text = serde_json::to_string(&reply)?;
    write.write_all(text.as_bytes()).await?;
    write.write_all(b"\n").await
}

/// Asks the running server, or opens the folder for the moment when none runs.
pub async fn ask(config: &Config, ask: Ask) -> Result<Said, Failure> {
    if let Ok(mut stream) = UnixStream::connect(socket(config)).await {
        let line = serde_json::to_string(&ask)?;
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\n").await?;
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).await?;
        let reply: Reply = serde_json::from_str(&reply)?;
        return match (reply.said, reply.failed) {
            (Some(text), _) => Ok(Said {
                text,
                data: reply.data,
            }),
            (None, failed) => Err(Failure(
                failed.unwrap_or_else(|| "the server gave no answer".to_owned()),
            )),
        };
    }
    let key = key(config)?;
    let server = serve::open(config.clone(), key, Span::ZERO).await?;
    let said = answer(&server, ask).await.map_err(Failure);
    server.shards.close();
    server.store.close().await;
    said
}

/// Prints the written retention policies: what the configuration says, whether a server runs or not.
pub fn retention_policy(place: &Place, format: &str) -> Outcome {
    let policies = retention::policies(&config(place)?)?;
    if format == "json" {
        say(&format!("{}\n", serde_json::to_string_pretty(&policies)?));
    } else {
        say(&retention::markdown(&policies).map_err(|p| Failure(p.detail))?);
    }
    Ok(true)
}

/// Opens the ledger for recovery, records that, prunes what is due if that is asked, and closes it
/// again.
pub async fn recover(prune: bool, place: Place) -> Outcome {
    let config = Config {
        recovery: true,
        ..config(&place)?
    };
    let key = key(&config)?;
    let server = serve::open(config, key, Span::ZERO).await?;
    let recorded = recover::record(&server).await;
    let gone = if prune && recorded.is_ok() {
        retention::prune_all(&server).await
    } else {
        Ok(Vec::new())
    };
    server.shards.close();
    let failure = server.ledger().last_error();
    server.store.close().await;
    let entries = recorded.map_err(|p| Failure(p.detail))?;
    if let Some(failure) = failure.filter(|it| *it != AppendError::Closed) {
        return Err(Failure(failure.to_string()));
    }
    let gone = gone.map_err(|p| Failure(p.detail))?;
    let mut all_well = true;
    for (shard, freed) in &gone {
        match freed {
            Ok(0) => {}
            Ok(bytes) => say(&format!(
                "pruned `{shard}` under its written retention policy: {bytes} bytes are free\n"
            )),
            Err(problem) => {
                all_well = false;
                say(&format!("`{shard}` was not pruned: {}\n", problem.detail));
            }
        }
    }
    if prune && gone.iter().all(|(_, freed)| matches!(freed, Ok(0))) {
        say("nothing is due under the written retention policy, or a legal hold keeps it\n");
    }
    say(&format!(
        "the ledger holds {entries} entries and is in order; start the server, which takes its disk reserve again\n"
    ));
    Ok(all_well)
}

/// Copies OSV archives into the data folder, after reading each.
pub fn advisories(verb: AdvisoriesVerb) -> Outcome {
    let AdvisoriesVerb::Sync { from, place } = verb;
    let config = config(&place)?;
    let folder = config.data.join("advisories");
    std::fs::create_dir_all(&folder)?;
    for path in from {
        let bytes = std::fs::read(&path)
            .map_err(|e| Failure(format!("`{}` cannot be read: {e}", path.display())))?;
        burgess_inspect::advisories::Database::from_zip(&bytes)
            .map_err(|e| Failure(format!("`{}`: {e}", path.display())))?;
        let name = path
            .file_name()
            .ok_or_else(|| Failure(format!("`{}` is not a file", path.display())))?;
        let to = folder.join(name);
        let new = to.with_extension("new");
        std::fs::write(&new, &bytes)?;
        std::fs::rename(&new, &to)?;
        say(&format!(
            "{} is in place; a running server reads it at its next start\n",
            to.display()
        ));
    }
    Ok(true)
}
