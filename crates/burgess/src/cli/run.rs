//! Dispatch: from a verb to what does it, and from its outcome to an exit code.

use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use burgess_core::app::Environment;
use burgess_core::id::Email;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use clap::CommandFactory as _;

use super::{AuditVerb, Cli, LedgerVerb, Place, Printing, Verb, doctor, host, local, remote};
use crate::config::{Config, Flags};
use crate::kms::envelope::Key;
use crate::kms::kek::{self, KekError};
use crate::serve;

/// What a verb came to: yes, or no with findings.
pub type Outcome = Result<bool, Failure>;

/// The call or its input was wrong, or something failed: exit code 2.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs a verb and gives its exit code: 0 yes, 1 no, 2 wrong.
pub fn run(verb: Verb) -> ExitCode {
    match dispatch(verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure(message)) => {
            let mut stderr = std::io::stderr().lock();
            // Nobody is left to tell if even this fails.
            let _unwritten = writeln!(stderr, "burgess: {message}");
            ExitCode::from(2)
        }
    }
}

/// Prints to standard output; a closed pipe ends quietly.
pub fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    if stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .is_err()
    {
        std::process::exit(0);
    }
}

fn dispatch(verb: Verb) -> Outcome {
    match verb {
        Verb::Demo {
            data,
            listen,
            gateway,
        } => wait(crate::demo::run(data, listen, gateway)),
        Verb::Up { place } => wait(up(place)),
        Verb::Witness {
            state,
            logs,
            listen,
            name,
            key_file,
        } => wait(crate::witness::run(crate::witness::Start {
            state,
            logs,
            listen,
            name,
            key_file,
        })),
        Verb::Timestamp { place, printing } => wait(machine(place, host::Ask::Timestamp, printing)),
        Verb::Invite {
            email,
            role,
            name,
            manager,
            unit,
            place,
        } => wait(invite(email, role, name, manager, unit, place)),
        Verb::Dismiss {
            email,
            place,
            printing,
        } => {
            let email = Email::parse(&email)?;
            wait(machine(place, host::Ask::Dismiss { email }, printing))
        }
        Verb::Secret {
            connector,
            environment,
            place,
        } => wait(secret(connector, environment, place)),
        Verb::Keygen { path } => {
            kek::generate(&path)?;
            say(&format!(
                "wrote {}: keep it apart from the data folder and its backups\n",
                path.display()
            ));
            Ok(true)
        }
        Verb::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "burgess",
                &mut std::io::stdout(),
            );
            Ok(true)
        }
        Verb::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
            Ok(true)
        }
        Verb::Recover { prune, place } => wait(host::recover(prune, place)),
        Verb::Doctor { place, printing } => wait(doctor::run(place, printing.format)),
        Verb::Advisories(verb) => host::advisories(verb),
        Verb::Audit(AuditVerb::Archive {
            until,
            place,
            printing,
        }) => wait(machine(place, host::Ask::Archive { until }, printing)),
        Verb::Ledger(LedgerVerb::Rotate {
            class,
            place,
            printing,
        }) => wait(machine(place, host::Ask::Rotate { class }, printing)),
        Verb::Ledger(LedgerVerb::RetentionPolicy { format, place }) => {
            host::retention_policy(&place, &format)
        }
        verb @ (Verb::Inspect { .. }
        | Verb::Charter(_)
        | Verb::Risk { .. }
        | Verb::Check { .. }
        | Verb::Scan { .. }
        | Verb::Sbom { .. }
        | Verb::Dlp(_)
        | Verb::Policy(_)) => local::run(verb),
        verb => remote::run(verb),
    }
}

/// Asks the machine's own server, or opens its folder for the moment.
async fn machine(place: Place, ask: host::Ask, printing: Printing) -> Outcome {
    let as_json = remote::wants_json(printing.format)?;
    let said = host::ask(&config(&place)?, ask).await?;
    if as_json {
        say(&format!("{}\n", serde_json::to_string_pretty(&said.data)?));
    } else {
        say(&format!("{}\n", said.text));
    }
    Ok(true)
}

/// Runs a future on a runtime of its own.
pub fn wait(future: impl Future<Output = Outcome>) -> Outcome {
    tracing_to_stderr();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

fn tracing_to_stderr() {
    let level = crate::config::environment("RUST_LOG").unwrap_or_else(|| "warn".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("a subscriber is set already");
    }
}

/// The configuration of a place.
pub fn config(place: &Place) -> Result<Config, Failure> {
    let flags = Flags {
        config: place.config.clone(),
        data: place.data.clone(),
        listen: place.listen.clone(),
        gateway: place.gateway.clone(),
        kek_file: place.kek_file.clone(),
    };
    Ok(Config::load(&flags)?)
}

/// The key-encryption key that the configuration names.
pub fn key(config: &Config) -> Result<Key, Failure> {
    let path: &PathBuf = config.kek_file.as_ref().ok_or(KekError::None)?;
    if !config.data.exists() {
        std::fs::create_dir_all(&config.data)?;
    }
    Ok(kek::read(path, &config.data)?)
}

async fn up(place: Place) -> Outcome {
    let mut config = config(&place)?;
    let key = key(&config)?;
    let doors = serve::bind(&mut config).await?;
    let stop = serve::stop_on_signals();
    let server = serve::open(config, key, Span::ZERO).await?;
    let invitations = host::Invitations::open(&server.config);
    say(&format!(
        "Burgess {} is up\n  console  http://{}\n  gateway  http://{}\n  data     {}\n  ledger   {}\n\nNobody signed in yet? In another terminal: burgess invite you@example.com --role administrator --data {}\n",
        env!("CARGO_PKG_VERSION"),
        server.config.listen,
        server.config.gateway,
        server.config.data.display(),
        server.ledger().vkey(),
        server.config.data.display(),
    ));
    let listening = tokio::spawn(invitations.listen(std::sync::Arc::clone(&server)));
    let ended = serve::run(server, doors, stop).await;
    listening.abort();
    ended?;
    say("stopped\n");
    Ok(true)
}

async fn invite(
    email: String,
    role: String,
    name: Option<String>,
    manager: Option<String>,
    unit: Option<String>,
    place: Place,
) -> Outcome {
    let config = config(&place)?;
    let email = Email::parse(&email)?;
    let ask = host::Ask::Invite {
        name: name.unwrap_or_else(|| {
            email
                .as_str()
                .split('@')
                .next()
                .unwrap_or_default()
                .to_owned()
        }),
        role: Role::parse(&role)?,
        manager: manager.map(|m| Email::parse(&m)).transpose()?,
        unit: unit.unwrap_or_default(),
        email,
    };
    say(&format!("{}\n", host::ask(&config, ask).await?.text));
    Ok(true)
}

async fn secret(connector: String, environment: String, place: Place) -> Outcome {
    let config = config(&place)?;
    let environment = Environment::parse(&environment)?;
    let mut secret = String::new();
    std::io::Read::read_to_string(&mut std::io::stdin(), &mut secret)?;
    let secret = secret.trim_end_matches(['\r', '\n']).to_owned();
    if secret.is_empty() {
        return Err(Failure(
            "standard input is empty: pipe the connector's secret into this command".to_owned(),
        ));
    }
    say(&format!(
        "{}\n",
        host::ask(
            &config,
            host::Ask::Secret {
                connector,
                environment,
                secret
            }
        )
        .await?
        .text
    ));
    Ok(true)
}
