//! The archive job over a running server, and its copies in a bucket that speaks S3.
#![expect(
    clippy::disallowed_methods,
    reason = "tests find the outside bucket by the environment"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use burgess_core::audit::Event;
use burgess_core::time::Span;
use burgess_ledger::NoteVerifier;
use burgess_trail::Query;
use burgess_trail::archive::{self, Folder, Manifest};

use crate::jobs::archive::pass;
use crate::jobs::project::project;
use crate::outlets::Bucket;
use crate::server::Server;
use crate::tests::world::World;

/// The events about archive files, the newest first.
async fn archived(world: &World) -> Vec<Event> {
    project(&world.server).await.unwrap();
    let query = Query {
        resource_type: Some("archive".to_owned()),
        ..Query::default()
    };
    let mut events = Vec::new();
    for hit in world.server.trail.search(&query).await.unwrap().hits {
        events.push(world.server.journal.open(hit.index).await.unwrap().event);
    }
    events
}

async fn sealed_by(server: &Server, until: Option<&str>) -> Vec<Manifest> {
    pass(server, until).await.unwrap().sealed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_sealed_when_it_has_ended_and_the_file_is_an_event() {
    let world = World::new().await;
    let server = &world.server;
    assert_eq!(sealed_by(server, None).await, [], "today has not ended");
    let today = server.ambient.now().date();
    let refused = pass(server, Some(&today)).await.unwrap_err();
    assert!(refused.detail.contains("has ended"), "{}", refused.detail);

    let before = server.ledger().size();
    server.ambient.jump(Span::days(1));
    let sealed = sealed_by(server, None).await.remove(0);
    assert_eq!(
        (&sealed.day, sealed.first, sealed.last),
        (&today, 0, before - 1)
    );
    let key = NoteVerifier::parse(server.ledger().vkey()).unwrap();
    let folder = server.config.archive_folder("main");
    let verified = archive::verify_all(&folder, &key).unwrap();
    assert_eq!(verified.entries, before);

    let events = archived(&world).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].resource_id, sealed.file);
    assert_eq!(events[0].next_state, Some(sealed.digest.to_string()));
    assert_eq!(
        sealed_by(server, None).await,
        [],
        "its own event is of today"
    );
    assert_eq!(archived(&world).await.len(), 1);

    server.ambient.jump(Span::days(3));
    let next = sealed_by(server, None).await.remove(0);
    assert_eq!(next.first, sealed.last + 1);
    archive::verify_all(&folder, &key).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_sealed_only_where_it_reaches_back_to_the_day_that_was_asked_for() {
    let world = World::open(false, |config| config.archive.enabled = false).await;
    let server = &world.server;
    let today = server.ambient.now().date();
    server.ambient.jump(Span::days(3));
    let days = |back| server.ambient.now().minus(Span::days(back)).date();
    for (until, code, part) in [
        ("2026-13-01".to_owned(), "DAY_MALFORMED", "write it as"),
        ("18.1.2026".to_owned(), "DAY_MALFORMED", "write it as"),
        (days(0), "DAY_NOT_ENDED", "the last one is"),
    ] {
        let refused = pass(server, Some(&until)).await.unwrap_err();
        assert_eq!(refused.code, code, "{until}");
        assert!(refused.detail.contains(&until), "{}", refused.detail);
        assert!(refused.detail.contains(part), "{}", refused.detail);
    }
    assert_eq!(
        sealed_by(server, Some(&days(4))).await,
        [],
        "all is younger"
    );
    let sealed = sealed_by(server, Some(&today)).await.remove(0);
    assert_eq!(sealed.day, days(1), "it reaches to now, and says so");
    assert_eq!(sealed_by(server, Some(&today)).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_crash_left_without_its_event_gets_it() {
    let world = World::new().await;
    let server = &world.server;
    server.ambient.jump(Span::days(1));
    let checkpoint = server.ledger().publish().await.unwrap();
    let ledger = server.ledger();
    let mut folder = Folder::open(&server.config.archive_folder("main")).unwrap();
    let sealed = folder.seal("2026-01-18", &checkpoint, &mut |range| {
        let leaves = ledger.entries(range).unwrap();
        Ok(leaves.into_iter().map(|leaf| (leaf, Vec::new())).collect())
    });
    let sealed = sealed.unwrap().unwrap().clone();
    pass(server, None).await.unwrap();
    let events = archived(&world).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].resource_id, sealed.file);
}

/// moto, which answers as S3 does; none, and the reason said aloud, without a Python that has it.
struct Moto {
    child: Child,
    port: u16,
    python: String,
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Moto {
    fn start() -> Option<Self> {
        let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let found = Command::new(&python)
            .args(["-c", "import moto, flask_cors"])
            .output();
        if !found.is_ok_and(|output| output.status.success()) {
            let reason = "no Python with the package `moto`, set BURGESS_PYTHON";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
            println!("SKIPPED {reason}");
            return None;
        }
        let mut child = Command::new(&python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python/s3_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        let moto = Self {
            child,
            port,
            python,
        };
        moto.boto("s3.create_bucket(Bucket='trail')");
        Some(moto)
    }

    /// Asks the bucket with the client that everybody uses, and answers what was printed.
    fn boto(&self, code: &str) -> String {
        let script = format!(
            "import boto3, json\ns3 = boto3.client('s3', endpoint_url='http://127.0.0.1:{}', region_name='us-east-1', aws_access_key_id='KEY', aws_secret_access_key='SECRET')\n{code}\n",
            self.port
        );
        let output = Command::new(&self.python)
            .args(["-c", &script])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn bucket(&self, credentials: PathBuf) -> Bucket {
        Bucket {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            bucket: "trail".to_owned(),
            region: "us-east-1".to_owned(),
            prefix: "acme/".to_owned(),
            credentials_file: Some(credentials),
            ca: None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_day_gets_its_copy_once_and_nothing_is_ever_overwritten() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("s3");
    std::fs::write(&credentials, "KEY\nSECRET\n").unwrap();
    let bucket = moto.bucket(credentials);
    let world = World::open(false, |config| config.archive.s3 = Some(bucket.clone())).await;
    let server = &world.server;
    server.ambient.jump(Span::days(1));
    let sealed = sealed_by(server, None).await.remove(0);
    let key = format!("acme/main/{}", sealed.file);
    assert_eq!(sealed.bucket, Some(format!("s3://trail/{key}")));
    let said = moto.boto(&format!(
        "import hashlib; it = s3.get_object(Bucket='trail', Key='{key}'); body = it['Body'].read()\nprint(len(body), hashlib.sha256(body).hexdigest())"
    ));
    assert_eq!(said.trim(), format!("{} {}", sealed.bytes, sealed.digest));

    // An answer that was lost: the same file again is found to be there.
    let path = server.config.archive_folder("main");
    let again = crate::jobs::archive::Bucket::open(&bucket).unwrap();
    let now = server.ambient.now();
    let name = format!("main/{}", sealed.file);
    again
        .put(&name, &path.join(&sealed.file), &sealed, now)
        .await
        .unwrap();

    // Another object under the name stays, and is named.
    moto.boto(&format!(
        "s3.put_object(Bucket='trail', Key='{key}', Body=b'another')"
    ));
    let taken = again
        .put(&name, &path.join(&sealed.file), &sealed, now)
        .await;
    let taken = taken.unwrap_err().to_string();
    assert!(taken.contains("another object"), "{taken}");
    let said = moto.boto(&format!(
        "print(s3.get_object(Bucket='trail', Key='{key}')['Body'].read().decode())"
    ));
    assert_eq!(said.trim(), "another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_failed_is_made_by_a_later_pass() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("s3");
    let bucket = moto.bucket(credentials.clone());
    let world = World::open(false, |config| config.archive.s3 = Some(bucket)).await;
    let server = &world.server;
    server.ambient.jump(Span::days(1));
    pass(server, None).await.unwrap_err();
    let files = Folder::open(&server.config.archive_folder("main")).unwrap();
    assert_eq!(files.files()[0].bucket, None);
    assert!(
        files.files()[0].recorded,
        "the event does not wait for the copy"
    );
    std::fs::write(&credentials, "KEY\nSECRET\n").unwrap();
    pass(server, None).await.unwrap();
    let files = Folder::open(&server.config.archive_folder("main")).unwrap();
    assert!(files.files()[0].bucket.is_some());
}
