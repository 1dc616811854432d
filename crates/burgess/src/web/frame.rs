//! The frame of every page: who is signed in, what they can go to, and the banners.

use burgess_core::policy::action::{ReadInventory, ReadQueue, ReadTrail};
use burgess_core::policy::facts::{NoContext, Organisation};
use burgess_core::roles::Role;

use crate::operations::{Caller, may};
use crate::server::Server;

/// One entry of the navigation.
#[derive(Clone, Debug)]
pub struct NavItem {
    /// Where it leads.
    pub href: &'static str,
    /// Its name.
    pub label: &'static str,
    /// How much waits there.
    pub count: usize,
    /// Whether this page is below it.
    pub current: bool,
}

/// What every page shows around its content.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Who is signed in; empty when nobody is.
    pub name: String,
    /// Their role.
    pub role_title: &'static str,
    /// Where they can go.
    pub nav: Vec<NavItem>,
    /// Whether this is the demo.
    pub demo: bool,
    /// Whether no policy is loaded.
    pub no_policy: bool,
    /// Whether the ledger cannot be written.
    pub read_only: bool,
    /// Why this is not the newest copy of the ledger, if a witness says so.
    pub alarm: Option<String>,
    /// Today's date.
    pub today: String,
    /// What can be trusted, honestly.
    pub trust_line: String,
}

impl Frame {
    /// Whether somebody is signed in.
    pub fn signed_in(&self) -> bool {
        !self.name.is_empty()
    }

    /// The frame for somebody who is signed in and looks at `path`.
    pub async fn of(server: &Server, caller: &Caller, path: &str) -> Self {
        let now = server.ambient.now();
        let principal = caller.principal();
        let whole = Organisation { revision: 0 };
        let mut nav = vec![item("/", "Start", path)];
        if may::<ReadInventory>(server, &principal, &whole, &NoContext, now) {
            nav.push(item("/apps", "Apps", path));
        }
        if may::<ReadQueue>(server, &principal, &whole, &NoContext, now)
            || caller.has(Role::Sponsor)
        {
            let mut queue = item("/queue", "Review queue", path);
            queue.count = server
                .store
                .queue()
                .await
                .map(|queue| queue.len())
                .unwrap_or_default();
            nav.push(queue);
        }
        if !caller.has(Role::Administrator) {
            nav.push(item("/deployments", "Deployments", path));
            nav.push(item("/alerts", "Alerts", path));
        }
        if may::<ReadTrail>(server, &principal, &whole, &NoContext, now) {
            nav.push(item("/trail", "Trail", path));
            nav.push(item("/keeping", "What is kept", path));
        }
        Self {
            name: caller.name.clone(),
            role_title: caller.role.title(),
            nav,
            ..Self::nobody(server)
        }
    }

    /// The frame for somebody who is not signed in.
    pub fn nobody(server: &Server) -> Self {
        Self {
            name: String::new(),
            role_title: "",
            nav: Vec::new(),
            demo: server.config.demo,
            no_policy: !server.policies.load().is_loaded(),
            read_only: server.shards.last_error().is_some(),
            alarm: server.witnesses.alarm().map(str::to_owned),
            today: server.ambient.now().date(),
            trust_line: format!("Trail: {}.", server.witnesses.sentence(&server.ledger())),
        }
    }
}

fn item(href: &'static str, label: &'static str, path: &str) -> NavItem {
    let current = if href == "/" {
        path == "/"
    } else {
        path.starts_with(href)
    };
    NavItem {
        href,
        label,
        count: 0,
        current,
    }
}
