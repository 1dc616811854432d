//! The demo: a seeded organisation on a throwaway folder, with something real to call.
//!
//! Everything in it came about through the same operations that people use; only the
//! clock was moved, so that there are some months of history.

pub mod crm;
mod plans;
mod seed;
mod web_client;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burgess_core::time::Span;
use tokio::net::TcpListener;

use crate::cli::run::{Failure, Outcome, say};
use crate::config::{self, Config, ConnectorHost};
use crate::kms::envelope::Key;
use crate::serve;
use crate::server::Server;

/// How much history the demo has.
const HISTORY: Span = Span::days(120);

/// Runs the demo until it is interrupted.
pub async fn run(
    data: Option<PathBuf>,
    listen: Option<String>,
    gateway: Option<String>,
) -> Outcome {
    let folder = Folder::take(data)?;
    let mut api_key = [0u8; 32];
    getrandom::fill(&mut api_key)?;
    let api_key = burgess_core::digest::Digest::of(&api_key).to_string();
    let crm = crm::Crm::new(&api_key);
    let crm_door = TcpListener::bind("127.0.0.1:0").await?;
    let crm_address = crm_door.local_addr()?;
    let mut config = Config {
        data: folder.path.clone(),
        listen: config::address(listen.as_deref().unwrap_or(config::LISTEN))?,
        gateway: config::address(gateway.as_deref().unwrap_or(config::GATEWAY))?,
        organisation: "acme".to_owned(),
        kek_file: None,
        connectors: ["sandbox", "staging", "production"]
            .into_iter()
            .map(|environment| ConnectorHost {
                id: "crm".to_owned(),
                environment: environment.to_owned(),
                base_url: format!("http://{crm_address}"),
            })
            .collect(),
        ledger_bytes_max: None,
        ledger_classes: Vec::new(),
        erasure_by_two: false,
        witness_policy: None,
        archive: crate::outlets::Archive::default(),
        syslog: Vec::new(),
        timestamp_url: None,
        demo: true,
        recovery: false,
    };
    let doors = serve::bind(&mut config).await?;
    let stop = serve::stop_on_signals();
    say(&format!(
        "Seeding a small organisation in {} …\n",
        folder.path.display()
    ));
    let mut kek = [0u8; 32];
    getrandom::fill(&mut kek)?;
    let server = serve::open(config, Key::new(kek), HISTORY).await?;
    let customer_system = tokio::spawn(async move { axum::serve(crm_door, crm.router()).await });
    let running = tokio::spawn(serve::run(Arc::clone(&server), doors, stop));
    let seeded = seed::organisation(&server, &api_key)
        .await
        .map_err(|p| Failure(format!("{}: {} {:?}", p.code, p.detail, p.unmet)))?;
    say(&welcome(&server, &seeded, crm_address));
    let ended = running.await?;
    customer_system.abort();
    ended?;
    folder.remove();
    Ok(true)
}

/// A throwaway folder, or an empty one that was given.
struct Folder {
    path: PathBuf,
    throwaway: bool,
}

impl Folder {
    fn take(given: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(path) = given {
            let empty = std::fs::read_dir(&path)
                .map(|mut entries| entries.next().is_none())
                .unwrap_or(true);
            if !empty {
                return Err(Failure(format!(
                    "`{}` is not empty: give the demo an empty folder, or none",
                    path.display()
                )));
            }
            std::fs::create_dir_all(&path)?;
            return Ok(Self {
                path,
                throwaway: false,
            });
        }
        let mut random = [0u8; 8];
        getrandom::fill(&mut random)?;
        let path =
            std::env::temp_dir().join(format!("burgess-demo-{:016x}", u64::from_le_bytes(random)));
        std::fs::create_dir_all(&path)?;
        Ok(Self {
            path,
            throwaway: true,
        })
    }

    fn remove(&self) {
        if self.throwaway && std::fs::remove_dir_all(&self.path).is_ok() {
            say("the throwaway folder is gone\n");
        }
    }
}

fn welcome(server: &Server, seeded: &seed::Seeded, crm: std::net::SocketAddr) -> String {
    let console = server.config.listen;
    let gateway = server.config.gateway;
    let ledger = server.config.ledger_folder();
    let mut text = format!(
        "\nBurgess {} demo\n  console  http://{console}\n  gateway  http://{gateway}\n  customer system (stand-in)  http://{crm}\n  data     {}\n\nSign in, each link once:\n",
        env!("CARGO_PKG_VERSION"),
        server.config.data.display()
    );
    for link in &seeded.links {
        text.push_str(&format!(
            "  {:<18} {:<18} http://{console}/sign-in/{}\n",
            link.role.as_str(),
            link.email.as_str(),
            link.secret
        ));
    }
    text.push_str("\nThree things to try:\n");
    text.push_str("  drop    sign in as the citizen developer and drop examples/sales-quoting/workflow.json on the first page\n");
    text.push_str(&format!(
        "  steal   paste this: it exports customer records with a live credential; watch the trail page (as auditor)\n          curl -s -H \"Authorization: Bearer $(curl -s -u {}:{} http://{console}/oauth/token -d grant_type=client_credentials -d resource=crm | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\" http://{gateway}/c/crm/customers/export\n",
        seeded.client_id, seeded.client_secret
    ));
    let copy = std::env::temp_dir().join("burgess-tampered");
    text.push_str(&format!(
        "  tamper  paste this: it changes one byte in a copy of the ledger and verifies the copy\n          rm -rf {copy}; cp -r {ledger} {copy} && F=$(find {copy}/tile/entries -type f | sort -V | tail -1) && printf '\\001' | dd of=$F bs=1 seek=40 conv=notrunc status=none; {verify} log {copy} --key '{vkey}'\n",
        copy = copy.display(),
        ledger = ledger.display(),
        verify = verifier(),
        vkey = server.ledger().vkey(),
    ));
    text.push_str("\nThe button \"Jump 90 days ahead\" at the top of each page shows reviews, reminders and retirement.\nPress Ctrl-C to stop.\n");
    text
}

/// How the auditor's binary is called from here.
fn verifier() -> String {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(|folder| folder.join("burgess-verify")));
    match beside.filter(|path: &PathBuf| Path::exists(path)) {
        Some(path) => path.display().to_string(),
        None => "cargo run -q --release -p burgess-ledger --bin burgess-verify --".to_owned(),
    }
}
