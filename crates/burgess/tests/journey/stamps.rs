//! Time stamps, from OpenSSL as the authority and checked by OpenSSL as the auditor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::post;

use crate::house::{House, said, skipped};

/// `openssl ts` behind HTTP. With a second question, answers the first one again.
struct Authority {
    folder: tempfile::TempDir,
    address: SocketAddr,
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = An authority for tests
[extensions]
basicConstraints = critical, CA:true
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = authority
[authority]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
ordering = yes
";

fn openssl(folder: &Path, arguments: &[&str]) -> bool {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output();
    match output {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("{}", said(&output));
            false
        }
        Err(_) => false,
    }
}

impl Authority {
    async fn open() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("conf"), CONFIGURATION).unwrap();
        std::fs::write(folder.path().join("serial"), "01\n").unwrap();
        let certificate = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config", "conf",
            "-keyout", "key.pem", "-out", "cert.pem",
        ];
        if !openssl(folder.path(), &certificate) {
            skipped("a time stamping authority needs `openssl` with `ts`");
            return None;
        }
        let place: Arc<PathBuf> = Arc::new(folder.path().to_owned());
        let answer = move |question: Bytes| {
            let place = Arc::clone(&place);
            async move {
                std::fs::write(place.join("query"), &question).unwrap();
                let first = place.join("first");
                if !first.exists() {
                    let reply = [
                        "ts",
                        "-reply",
                        "-config",
                        "conf",
                        "-queryfile",
                        "query",
                        "-signer",
                        "cert.pem",
                        "-inkey",
                        "key.pem",
                        "-out",
                        "first",
                    ];
                    assert!(openssl(&place, &reply));
                }
                let kind = [(header::CONTENT_TYPE, "application/timestamp-reply")];
                (kind, std::fs::read(first).unwrap()).into_response()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/tsa", post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Some(Self { folder, address })
    }
}

// R124
#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_stamped_on_demand_and_openssl_accepts_the_stamp() {
    let Some(authority) = Authority::open().await else {
        return;
    };
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let url = format!("[timestamp]\nurl = \"http://{}/tsa\"\n", authority.address);
    let house = House::build(nowhere, &url);
    let mut running = house.start();
    // What the start records is under a checkpoint a moment later.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let json = ["--format", "json"];
    let stamped = house.verb("timestamp").args(json).output().unwrap();
    assert!(stamped.status.success(), "{}", said(&stamped));
    let told: serde_json::Value = serde_json::from_slice(&stamped.stdout).unwrap();
    let one = &told["stamped"][0];
    assert!(
        one["shard"] == "main" && one["size"].as_u64() > Some(0),
        "{told}"
    );
    let stamp = house.path(one["file"].as_str().unwrap());
    let checkpoint = stamp.with_extension("checkpoint");
    let note = std::fs::read(&checkpoint).unwrap();
    let key = burgess_ledger::NoteVerifier::parse(&running.vkey).unwrap();
    burgess_ledger::SignedCheckpoint::open(&note, &key).unwrap();
    let verify = |data: &Path| {
        let (data, stamp) = (data.to_str().unwrap(), stamp.to_str().unwrap());
        let check = [
            "ts", "-verify", "-data", data, "-in", stamp, "-CAfile", "cert.pem",
        ];
        openssl(authority.folder.path(), &check)
    };
    assert!(verify(&checkpoint));
    let other = house.path("other");
    std::fs::write(&other, [note.as_slice(), b"\n"].concat()).unwrap();
    assert!(!verify(&other));
    // The same checkpoint is not stamped twice; an answer to another question is not kept.
    let again = house.verb("timestamp").output().unwrap();
    assert!(
        said(&again).contains("is stamped already"),
        "{}",
        said(&again)
    );
    house.invite("ana@example.com", "auditor");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let replayed = house.verb("timestamp").output().unwrap();
    assert_eq!(replayed.status.code(), Some(2));
    assert!(
        said(&replayed).contains("is not about this checkpoint"),
        "{}",
        said(&replayed)
    );
    assert_eq!(
        std::fs::read_dir(stamp.parent().unwrap()).unwrap().count(),
        2
    );
    running.stop();
}
