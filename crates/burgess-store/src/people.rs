//! People: the directory, and the roles that are bound to each person.

use std::collections::BTreeSet;

use burgess_core::id::Email;
use burgess_core::roles::Role;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// One person of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRecord {
    /// How the directory names them.
    pub email: Email,
    /// What people call them.
    pub name: String,
    /// Their manager.
    pub manager: Option<Email>,
    /// Their business unit.
    pub unit: String,
    /// Roles bound to them.
    pub roles: BTreeSet<Role>,
    /// Whether the account is in use; a leaver's is not.
    pub active: bool,
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<PersonRecord>,
) -> Result<(), StoreError> {
    let person = &it.record;
    sqlx::query(
        "INSERT INTO people (id, name, unit, state, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET
             name = excluded.name, unit = excluded.unit, state = excluded.state,
             revision = excluded.revision, record = excluded.record",
    )
    .bind(person.email.as_str())
    .bind(&person.name)
    .bind(&person.unit)
    .bind(if person.active { "active" } else { "inactive" })
    .bind(number(it.revision)?)
    .bind(json("people", person.email.as_str(), person)?)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM role_bindings WHERE person = $1")
        .bind(person.email.as_str())
        .execute(&mut *connection)
        .await?;
    for role in &person.roles {
        sqlx::query("INSERT INTO role_bindings (person, role) VALUES ($1, $2)")
            .bind(person.email.as_str())
            .bind(role.as_str())
            .execute(&mut *connection)
            .await?;
    }
    if !person.active {
        // A leaver's sessions end in the same breath.
        sqlx::query("DELETE FROM sessions WHERE person = $1")
            .bind(person.email.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

impl Store {
    /// The person of that address.
    pub async fn person(
        &self,
        email: &Email,
    ) -> Result<Option<Versioned<PersonRecord>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM people WHERE id = $1")
                .bind(email.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("people", row)).transpose()
    }

    /// Everybody, by address, leavers included.
    pub async fn people(&self) -> Result<Vec<Versioned<PersonRecord>>, StoreError> {
        let rows: Vec<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM people ORDER BY id")
                .fetch_all(self.readers())
                .await?;
        all_versioned("people", rows)
    }

    /// Everybody active who has that role, by address.
    pub async fn people_with(
        &self,
        role: Role,
    ) -> Result<Vec<Versioned<PersonRecord>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT people.id, people.revision, people.record
             FROM people JOIN role_bindings ON role_bindings.person = people.id
             WHERE role_bindings.role = $1 AND people.state = 'active' ORDER BY people.id",
        )
        .bind(role.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("people", rows)
    }
}
