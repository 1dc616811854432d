//! The organisation: a running server with its people signed in, its data registered and the
//! customer system's key in place.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::{self, Answer, Body};
use crate::crm::{API_KEYS, Crm};
use crate::house::{House, Running};

const PEOPLE: [(&str, &str); 8] = [
    ("dana@example.com", "citizen_developer"),
    ("olu@example.com", "sponsor"),
    ("mei@example.com", "sponsor"),
    ("priya@example.com", "platform_security"),
    ("pat@example.com", "platform_security"),
    ("sam@example.com", "operations"),
    ("ana@example.com", "auditor"),
    ("alex@example.com", "administrator"),
];

pub struct Office {
    pub house: House,
    pub running: Running,
    pub crm: Crm,
    sessions: BTreeMap<String, String>,
}

/// A client credential.
#[derive(Clone, Debug)]
pub struct Credential {
    pub id: String,
    pub secret: String,
}

impl Office {
    /// Opens the house and moves everybody in.
    pub async fn open() -> Self {
        let crm = Crm::open().await;
        let house = House::build(crm.address, "");
        let running = house.start();
        let mut office = Self {
            house,
            running,
            crm,
            sessions: BTreeMap::new(),
        };
        for (email, role) in PEOPLE {
            office.sign_in(email, role).await;
        }
        for (environment, key) in API_KEYS {
            office.house.secret("crm", environment, key);
        }
        for (name, class) in [("customer_record", "pii"), ("quote", "internal")] {
            let dataset = json!({ "name": name, "classification": class, "owner": "mei@example.com", "description": "made up" });
            office
                .post("priya", "/api/v1/datasets", &dataset)
                .await
                .expect(204);
        }
        office
    }

    async fn sign_in(&mut self, email: &str, role: &str) {
        let link = self.house.invite(email, role);
        let answer = client::send(
            self.running.console,
            "POST",
            "/api/v1/session",
            None,
            client::json(&json!({ "link": link })),
        )
        .await;
        let session = answer.expect(200)["session"].as_str().unwrap().to_owned();
        let name = email.split('@').next().unwrap().to_owned();
        self.sessions.insert(name, session);
        let again = client::send(
            self.running.console,
            "POST",
            "/api/v1/session",
            None,
            client::json(&json!({ "link": link })),
        )
        .await;
        assert_eq!(again.status, 410, "a link works once");
    }

    /// The `Authorization` of somebody who is signed in.
    pub fn session(&self, who: &str) -> String {
        format!("Bearer {}", self.sessions[who])
    }

    pub async fn get(&self, who: &str, target: &str) -> Answer {
        client::send(
            self.running.console,
            "GET",
            target,
            Some(&self.session(who)),
            None,
        )
        .await
    }

    pub async fn post(&self, who: &str, target: &str, body: &Value) -> Answer {
        client::send(
            self.running.console,
            "POST",
            target,
            Some(&self.session(who)),
            client::json(body),
        )
        .await
    }

    /// Asks for promotion.
    pub async fn promote(&self, who: &str, app: &str, environment: &str) -> Answer {
        self.post(
            who,
            &format!("/api/v1/apps/{app}/promote"),
            &json!({ "environment": environment }),
        )
        .await
    }

    /// Makes a client credential for what is live in `environment`.
    pub async fn credential(&self, who: &str, app: &str, environment: &str) -> Credential {
        let target = format!("/api/v1/apps/{app}/credentials");
        let made = self
            .post(who, &target, &json!({ "environment": environment }))
            .await
            .expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Credential {
            id: text("client_id"),
            secret: text("client_secret"),
        }
    }

    /// Asks the token endpoint.
    pub async fn exchange(&self, credential: &Credential, resource: &str, scope: &str) -> Answer {
        let basic = base64::engine::general_purpose::STANDARD
            .encode(format!("{}:{}", credential.id, credential.secret));
        let form = format!(
            "grant_type=client_credentials&resource={resource}&scope={}",
            scope.replace(' ', "+")
        );
        let body: Body = Some(("application/x-www-form-urlencoded", form.into_bytes()));
        client::send(
            self.running.console,
            "POST",
            "/oauth/token",
            Some(&format!("Basic {basic}")),
            body,
        )
        .await
    }

    /// An access token as `Authorization`.
    pub async fn access(&self, credential: &Credential, resource: &str) -> String {
        let answer = self.exchange(credential, resource, "").await.expect(200);
        assert!(answer["expires_in"].as_i64().unwrap() <= 900, "{answer}");
        format!("Bearer {}", answer["access_token"].as_str().unwrap())
    }

    /// A call through the gateway.
    pub async fn call(
        &self,
        access: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let body = body.as_ref().and_then(client::json);
        client::send(
            self.running.gateway,
            method,
            &format!("/c/crm{path}"),
            Some(access),
            body,
        )
        .await
    }

    /// A figure of the server.
    pub async fn figure(&self, name: &str) -> u64 {
        let text = client::send(self.running.console, "GET", "/metrics", None, None)
            .await
            .text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        line.parse().unwrap()
    }

    /// Waits until everything that is in the ledger can be found; 2 s are enough.
    pub async fn settled(&self) {
        for _ in 0..100 {
            let size = self.figure("burgess_ledger_entries").await;
            let page = self.get("ana", "/api/v1/events?limit=1").await.expect(200);
            if page["items"][0]["index"].as_u64().map(|index| index + 1) >= Some(size) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("events are not found 2 s after they were recorded");
    }

    /// All events that match, over all pages.
    pub async fn all_events(&self, query: &str) -> Vec<Value> {
        self.settled().await;
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = self
                .get("ana", &format!("/api/v1/events?limit=500&{query}{after}"))
                .await
                .expect(200);
            found.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["event"].clone()),
            );
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return found,
            }
        }
    }

    /// Events that the auditor finds.
    pub async fn events(&self, query: &str) -> Vec<Value> {
        let page = self
            .get("ana", &format!("/api/v1/events?limit=500&{query}"))
            .await
            .expect(200);
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["event"].clone())
            .collect()
    }
}
