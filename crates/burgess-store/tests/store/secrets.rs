//! Nothing that opens a door lies in the database.

use burgess_core::digest::Digest;
use burgess_core::id::AppId;
use burgess_core::roles::Role;
use burgess_core::time::Span;
use burgess_store::{Change, Invite, SessionTerms, Store, SubjectErasure, Versioned};

use crate::fixture::*;

const LINK: &[u8] = b"link-secret-0123456789-abcdefghijkl";
const COOKIE: &[u8] = b"cookie-secret-0123456789-abcdefghij";
const CLIENT: &[u8] = b"client-secret-0123456789-abcdefghij";
const WRAPPED: &[u8] = b"wrapped-subject-key-0123456789-abcd";

/// Whether `needle` lies in any file of the folder.
fn anywhere(dir: &std::path::Path, needle: &[u8]) -> bool {
    std::fs::read_dir(dir).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return anywhere(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn no_secret_of_a_link_a_session_or_a_client_lies_in_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    hire(&store, "dana@example.com", &[Role::CitizenDeveloper]).await;
    let invite = Invite {
        secret_digest: Digest::of(LINK),
        person: email("dana@example.com"),
        created_at: NOW,
        expires_at: NOW.plus(Span::hours(1)),
        used_at: None,
    };
    let org = AppId::organisation();
    let link = write("invite", &org, None, Change::Invite(Versioned::new(invite)));
    store
        .commit(vec![link], &for_organisation(0), NOW)
        .await
        .unwrap();
    store
        .redeem_invite(
            Digest::of(LINK),
            Digest::of(COOKIE),
            SessionTerms::default(),
            NOW,
        )
        .await
        .unwrap();
    let app = register(&store, "alpha").await;
    let credential = credential(&app.id, 1, CLIENT);
    let issue = write(
        "issue",
        &app.id,
        None,
        Change::Credential(Versioned::new(credential)),
    );
    store
        .commit(vec![issue], &for_app(&app.id, 1), NOW)
        .await
        .unwrap();
    for open in [true, false] {
        if !open {
            store.close().await;
        }
        assert!(
            anywhere(dir.path(), b"dana@example.com"),
            "the search itself works"
        );
        for secret in [LINK, COOKIE, CLIENT] {
            assert!(!anywhere(dir.path(), secret));
        }
    }
}

#[tokio::test]
async fn an_erased_subject_key_is_gone_from_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), NOW).await.unwrap();
    activate_policy(&store).await;
    let subject = Digest::of(b"dana");
    store
        .ensure_subject_key(subject, WRAPPED, NOW)
        .await
        .unwrap();
    assert!(anywhere(dir.path(), WRAPPED));
    let erasure = SubjectErasure {
        subject,
        erased_at: NOW,
    };
    let change = Change::SubjectErasure(Versioned {
        revision: 2,
        record: erasure,
    });
    let erase = write("erase", &AppId::organisation(), None, change);
    store
        .commit(vec![erase], &for_organisation(1), NOW)
        .await
        .unwrap();
    // Closing folds the write-ahead log, where older pages lie, into the file.
    store.close().await;
    drop(store);
    assert!(!anywhere(dir.path(), WRAPPED));
}
