//! What the API shows of an event is what the schema that it serves says, by an outside validator.
#![expect(
    clippy::disallowed_methods,
    reason = "a test finds the outside validator by the environment"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::keeping::{CANARY, acts, subject};
use super::world::{ALEX, ANA, World};
use crate::operations::{erase, people, retention};

/// What the validator says of these events; nothing where there is none.
fn validated(schema: &str, events: &[Value]) -> Option<(bool, String)> {
    let python = std::env::var("BURGESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python)
        .args(["-c", "import jsonschema_rs"])
        .output();
    if !found.is_ok_and(|output| output.status.success()) {
        let reason = "no Python with the package `jsonschema_rs`, set BURGESS_PYTHON";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{reason}");
        println!("SKIPPED {reason}");
        return None;
    }
    let schema: Value = serde_json::from_str(schema).unwrap();
    let lines: String = std::iter::once(&schema)
        .chain(events)
        .map(|line| format!("{line}\n"))
        .collect();
    let script = "../../tests/python/event_validate.py";
    let mut child = Command::new(&python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A validator that found enough does not read to the end.
    drop(child.stdin.take().unwrap().write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some((output.status.success(), said))
}

// R199
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_that_the_api_shows_is_what_the_schema_that_it_serves_says() {
    let world = World::new().await;
    let server = &world.server;
    let app = world.in_sandbox("Price list").await;
    world.on_to_staging(&app).await;
    retention::turn(server, &people::machine(), "main")
        .await
        .unwrap();
    acts(&world, CANARY, "4711").await;
    let ana = world.person(ANA).await;
    erase::erase(server, &ana, &subject(CANARY), "case 42")
        .await
        .unwrap();
    crate::jobs::project::project(server).await.unwrap();
    let (_, _, schema) = world.get(None, "/api/schemas/event.json").await;
    for who in [ANA, ALEX] {
        let session = world.session(who).await;
        let (status, _, text) = world.get(Some(&session), "/api/v1/events?limit=500").await;
        assert_eq!(status, 200, "{text}");
        let mut page: Value = serde_json::from_str(&text).unwrap();
        let items = page["items"].as_array_mut().unwrap();
        for item in items.iter() {
            assert_eq!(item["origin"], item["shard"]);
            assert_eq!(item["event"]["sequence"], item["sequence"]);
        }
        let mut events: Vec<Value> = items.iter_mut().map(|item| item["event"].take()).collect();
        assert!(events.len() > 20, "{}", events.len());
        let Some((holds, said)) = validated(&schema, &events) else {
            return;
        };
        assert!(holds, "{said}");
        events[3]["sequence"] = Value::Null;
        let (holds, said) = validated(&schema, &events).unwrap();
        assert!(!holds && said.contains("event 4:"), "{said}");
    }
}
