//! What may pass: personal data, secrets and what hides them, in both directions.

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use burgess_core::audit::Outcome;
use burgess_core::data::{ActionType, Classification};
use burgess_gateway::limits::GatewayLimits;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use http::{Method, Response, StatusCode};
use http_body_util::Full;

use crate::support::{Handler, Reply, Seen, Wish, World, customers, json, with_type};

/// A card number that passes Luhn's check, in a field that says so.
const CARD: &str = "4111111111111111";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzEncoder::new(text, Compression::best())
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn answers(make: impl Fn() -> Response<Full<Bytes>> + Send + Sync + 'static) -> Handler {
    Arc::new(move |_: &Seen| make())
}

/// A blocked answer: 403, a code, a sentence, an event, and no byte of any value anywhere.
async fn blocked(world: &World, reply: &Reply, code: &str, values: &[&str]) {
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text());
    let problem = reply.problem();
    assert_eq!(problem["code"], code, "{problem}");
    let event = world.last().await.event;
    assert_eq!(problem["event_id"], event.event_id.as_str());
    assert_eq!(
        (event.outcome, event.error_code.as_deref()),
        (Outcome::Blocked, Some(code))
    );
    let told = format!(
        "{}{:?}{}",
        reply.text(),
        reply.headers,
        world.whole_trail().await
    );
    for value in values {
        assert!(!told.contains(value), "`{value}` got out");
    }
}

// R6 R58 R76 R78 R60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_of_personal_data_is_stopped_and_no_byte_of_it_gets_out() {
    let world = World::new().await;
    let reply = world.get("/c/crm/customers/export").await;
    blocked(
        &world,
        &reply,
        "DLP_BLOCK_PII",
        &[
            "ada.brandt1@",
            "ada.brandt40@",
            "123-45-6001",
            "corp.example.org",
        ],
    )
    .await;
    let problem = reply.problem();
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("40 e-mail addresses")
            && detail.contains("`crm`")
            && detail.contains("40 records"),
        "{detail}"
    );
    assert!(
        problem["unmet"]
            .as_array()
            .unwrap()
            .iter()
            .any(|u| u["control"] == "release-undeclared-export"),
        "{problem}"
    );
    let event = world.last().await.event;
    assert_eq!(
        (event.action_type, event.data_classification),
        (ActionType::Export, Classification::Pii)
    );
    assert_eq!(
        (event.resource_type.as_str(), event.resource_id.as_str()),
        ("customer_record", "crm/customers/export")
    );
    assert_eq!(event.request_context.unwrap()["bytes_released"], 0);
    assert_eq!(world.production.seen().len(), 1);
}

// R6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declared_personal_data_passes_one_record_at_a_time_and_much_of_it_is_an_export() {
    let world = World::new().await;
    let one = world.get("/c/crm/customers/cust-1").await;
    assert_eq!(one.status, StatusCode::OK, "{}", one.text());
    assert!(one.text().contains("ada.brandt1@corp.example.org"));
    let many = world.get("/c/crm/customers").await;
    blocked(&world, &many, "DLP_BLOCK_PII", &["ada.brandt1@"]).await;
    assert_eq!(world.last().await.event.action_type, ActionType::Export);
}

// R6 R58 R76
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prohibited_data_on_its_way_out_never_reaches_the_connector() {
    let world = World::new().await;
    let body = format!(r#"{{"note":"pay with","card_number":"{CARD}"}}"#);
    let reply = world.post("/c/crm/quotes", "application/json", body).await;
    blocked(&world, &reply, "DLP_BLOCK_FINANCIAL", &[CARD]).await;
    let detail = reply.problem()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("before it reached `crm`") && detail.contains("1 payment card"),
        "{detail}"
    );
    assert!(world.production.seen().is_empty());
    let fine = world
        .post("/c/crm/quotes", "application/json", r#"{"sku":"DESK-01"}"#)
        .await;
    assert_eq!(fine.status, StatusCode::OK);
    let seen = world.production.seen();
    assert_eq!(
        (seen.len(), &seen[0].method, &*seen[0].body),
        (1, &Method::POST, br#"{"sku":"DESK-01"}"#.as_slice())
    );
}

// R60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_found_wherever_and_however_it_is_hidden_on_the_way_out() {
    let world = World::new().await;
    let plain = format!(r#"{{"card_number":"{CARD}"}}"#);
    let escaped = format!(r#"{{"card_number":"{}"}}"#, CARD.replace('4', "\\u0034"));
    let spaced = r#"{"card_number":"4111-1111-1111-1111"}"#.to_owned();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&plain);
    let wide: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: [(&str, &str, Vec<u8>); 8] = [
        ("plain", "application/json", plain.clone().into_bytes()),
        ("escaped", "application/json", escaped.into_bytes()),
        ("with dashes", "application/json", spaced.into_bytes()),
        ("gzip file", "application/gzip", gzip(plain.as_bytes())),
        (
            "base64",
            "application/json",
            format!(r#"{{"blob":"{encoded}"}}"#).into_bytes(),
        ),
        ("utf-16", "text/plain", wide),
        (
            "form",
            "application/x-www-form-urlencoded",
            b"card_number=4111%201111%201111%201111".to_vec(),
        ),
        (
            "at the end of much",
            "text/plain",
            format!("{}\ncard number {CARD}", "a b ".repeat(40_000)).into_bytes(),
        ),
    ];
    for (what, media_type, body) in bodies {
        let reply = world.post("/c/crm/quotes", media_type, body).await;
        assert_eq!(reply.code(), "DLP_BLOCK_FINANCIAL", "{what}");
        blocked(&world, &reply, "DLP_BLOCK_FINANCIAL", &[CARD]).await;
    }
    let reply = world
        .get(&format!("/c/crm/quotes?card_number={CARD}"))
        .await;
    blocked(&world, &reply, "DLP_BLOCK_FINANCIAL", &[CARD]).await;
    let reply = world
        .get(&format!("/c/crm/quotes/card_number={CARD}/x"))
        .await;
    blocked(&world, &reply, "DLP_BLOCK_FINANCIAL", &[CARD]).await;
    let token = world.token();
    let headers = [
        ("x-card-number", CARD),
        ("user-agent", "card number 4111111111111111"),
    ];
    let reply = world
        .send(
            Method::GET,
            "/c/crm/quotes",
            Some(&token),
            &headers,
            Bytes::new(),
        )
        .await;
    blocked(&world, &reply, "DLP_BLOCK_FINANCIAL", &[CARD]).await;
    assert!(world.production.seen().is_empty());
}

// R60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_straddles_two_chunks_is_found() {
    let world = World::new().await;
    let token = world.token();
    let body = format!(r#"{{"card_number":"{CARD}"}}"#);
    for split in [17, 20, 25, 32] {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "POST /c/crm/quotes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let (first, second) = body.split_at(split);
        for part in [first, second] {
            stream
                .write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes())
                .await
                .unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("DLP_BLOCK_FINANCIAL"),
            "{split}: {answer}"
        );
    }
    assert!(world.production.seen().is_empty());
}

// R6 R60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_is_read_before_it_is_released() {
    let packed = answers(|| {
        let mut response = with_type("application/json", gzip(customers(40).as_bytes()));
        response
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        response
    });
    let world = World::with(Wish {
        handler: packed,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/customers/export").await;
    blocked(&world, &reply, "DLP_BLOCK_PII", &["ada.brandt1@"]).await;
    let clean = answers(|| {
        let mut response = with_type("application/json", gzip(br#"{"sku":"DESK-01"}"#));
        response
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        response
    });
    let world = World::with(Wish {
        handler: clean,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(
        (reply.status, reply.text()),
        (StatusCode::OK, r#"{"sku":"DESK-01"}"#.to_owned())
    );
    assert!(!reply.headers.contains_key("content-encoding"));
}

// R6 R76
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_read_does_not_pass() {
    let unknown = answers(|| {
        let mut response = with_type("application/json", b"????".to_vec());
        response
            .headers_mut()
            .insert("content-encoding", "br".parse().unwrap());
        response
    });
    let bomb = answers(|| {
        let mut response = with_type("application/json", gzip(&vec![b' '; 300_000]));
        response
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        response
    });
    let archive = answers(|| with_type("application/zip", b"PK\x03\x04....".to_vec()));
    for handler in [unknown, bomb, archive] {
        let limits = GatewayLimits {
            body_bytes_max: 200_000,
            ..GatewayLimits::default()
        };
        let world = World::with(Wish {
            handler,
            limits,
            ..Wish::default()
        })
        .await;
        let reply = world.get("/c/crm/quotes").await;
        blocked(&world, &reply, "DLP_BLOCK_OPAQUE", &[]).await;
    }
    let limits = GatewayLimits {
        body_bytes_max: 1_000,
        ..GatewayLimits::default()
    };
    let long = answers(|| json(format!("[{}1]", "1,".repeat(1_000))));
    let world = World::with(Wish {
        handler: long,
        limits,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/quotes").await;
    blocked(&world, &reply, "DLP_BLOCK_TOO_LARGE", &[]).await;
    let reply = world
        .post("/c/crm/quotes", "text/plain", vec![b'a'; 1_001])
        .await;
    blocked(&world, &reply, "DLP_BLOCK_TOO_LARGE", &[]).await;
    assert_eq!(world.production.seen().len(), 1);
}

// R6
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_app_did_not_declare_is_blacked_out_on_the_way_in() {
    let charter =
        crate::support::CHARTER.replace(r#"  { data = "customer_record", direction = "in" },"#, "");
    let world = World::with(Wish {
        charter,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/customers/cust-1").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (&body["id"], &body["email"]),
        (&"cust-1".into(), &"[EMAIL_ADDRESS]".into())
    );
    assert!(!reply.text().contains("ada.brandt1@") && !reply.text().contains("123-45-6001"));
    let event = world.last().await.event;
    let decision = event.decision.unwrap();
    assert_eq!(
        (event.outcome, &*decision.answer),
        (Outcome::Success, "redact")
    );
    assert_eq!(decision.policies, ["release-redacted"]);
    assert_eq!(event.data_classification, Classification::Pii);
}

// R6 R60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_in_an_answer_never_reach_the_app() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA7bq8f1J3kz0dP1hVtq2mXn3yqz8Qm1cR5sT9uW0xY2zA4bC6\\nMIIEpAIBAAKCAQEA7bq8f1J3kz0dP1hVtq2mXn3yqz8Qm1cR5sT9uW0xY2zA4bC6\\n-----END RSA PRIVATE KEY-----";
    let handler = answers(move || json(format!(r#"{{"config":"{key}"}}"#)));
    let world = World::with(Wish {
        handler,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/quotes").await;
    assert!(
        !reply
            .text()
            .contains("MIIEpAIBAAKCAQEA7bq8f1J3kz0dP1hVtq2mXn3yqz8Qm1cR5sT9uW0xY2zA4bC6"),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_and_redirects_of_the_connector_do_not_reach_the_app_as_they_are() {
    let handler: Handler = Arc::new(|seen: &Seen| {
        let base = format!("http://{}", seen.headers["host"].to_str().unwrap());
        let location = if seen.target == "/quotes" {
            format!("{base}/quotes/7?a=b")
        } else {
            "https://evil.example/x".to_owned()
        };
        Response::builder()
            .status(302)
            .header("location", location)
            .header("set-cookie", "session=1")
            .body(Full::new(Bytes::new()))
            .unwrap()
    });
    let world = World::with(Wish {
        handler,
        ..Wish::default()
    })
    .await;
    let reply = world.get("/c/crm/quotes").await;
    assert_eq!(
        (reply.status, &reply.headers["location"]),
        (StatusCode::FOUND, &"/c/crm/quotes/7?a=b".parse().unwrap())
    );
    assert!(!reply.headers.contains_key("set-cookie"));
    let reply = world.get("/c/crm/quotes/elsewhere").await;
    assert!(!reply.headers.contains_key("location"));
}
