//! Events on their way into the ledger and out of it.

use burgess_core::audit::Event;
use burgess_core::id::EventId;
use burgess_gateway::journal::{CLOSED, JournalError, actor_subject, resource_subject};
use burgess_gateway::ports::PortError;

use crate::support::World;

async fn some_event(world: &World) -> Event {
    world.get("/c/crm/quotes").await;
    world.last().await.event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reads_back_as_it_was_recorded_and_its_leaf_holds_no_personal_value() {
    let world = World::new().await;
    let event = some_event(&world).await;
    let receipt = world
        .journal
        .record(event.clone(), "control", Some(1), [9; 32])
        .await
        .unwrap();
    let entry = world.journal.open(receipt.index).await.unwrap();
    assert_eq!(
        entry.event,
        Event {
            source: "control".to_owned(),
            ..event.clone()
        }
    );
    assert_eq!(
        (entry.source_seq, entry.sequence, entry.complete),
        (1, receipt.sequence, true)
    );
    let leaf = String::from_utf8(world.ledger.entry(receipt.index).unwrap()).unwrap();
    for value in ["crd_production", "crm/quotes", "127.0.0.1", "access_token"] {
        assert!(!leaf.contains(value), "{value}");
    }
    let side = world.ledger.side(receipt.index).unwrap();
    let side = String::from_utf8_lossy(&side);
    assert!(!side.contains("crd_production") && !side.contains("crm/quotes"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_is_handed_over_twice_is_recorded_once() {
    let world = World::new().await;
    let event = some_event(&world).await;
    let first = world
        .journal
        .record(event.clone(), "control", Some(1), [9; 32])
        .await
        .unwrap();
    let again = world
        .journal
        .record(event.clone(), "control", Some(1), [8; 32])
        .await
        .unwrap();
    assert_eq!((first.index, again.duplicate), (again.index, true));
    assert!(
        world
            .journal
            .record(event, "control", Some(3), [7; 32])
            .await
            .is_err(),
        "a gap is refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_subject_closes_its_values_and_the_proof_of_them() {
    let world = World::new().await;
    let event = some_event(&world).await;
    let index = world.last().await.index;
    world.vault.forget(&actor_subject(&event));
    let entry = world.journal.open(index).await.unwrap();
    assert_eq!(
        (
            entry.complete,
            &*entry.event.actor_id,
            &entry.event.ip_address
        ),
        (false, CLOSED, &None)
    );
    assert_eq!(entry.event.request_context, None);
    assert_eq!(
        entry.event.resource_id, "crm/quotes",
        "the resource is another subject"
    );
    assert_eq!(entry.event.error_code, event.error_code);
    world.vault.forget(&resource_subject(&event));
    assert_eq!(
        world.journal.open(index).await.unwrap().event.resource_id,
        CLOSED
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_handed_in_together_are_recorded_in_order_or_not_at_all() {
    let world = World::new().await;
    let event = some_event(&world).await;
    let another = Event {
        event_id: EventId::parse("evt_another").unwrap(),
        actor_id: "somebody-else".to_owned(),
        ..event.clone()
    };
    let batch = [(&event, Some(1)), (&another, Some(2)), (&event, Some(3))];
    let receipts = world
        .journal
        .record_all(&batch, "control", [9; 32])
        .await
        .unwrap();
    let first = receipts[0].index;
    for (at, ((handed_in, number), receipt)) in (first..).zip(batch.iter().zip(&receipts)) {
        assert_eq!((receipt.index, Some(receipt.source_seq)), (at, *number));
        let entry = world.journal.open(at).await.unwrap();
        assert_eq!(entry.event.actor_id, handed_in.actor_id);
        assert!(entry.complete);
    }
    let sides = [0, 2].map(|at| world.ledger.side(first + at).unwrap());
    assert_ne!(sides[0], sides[1], "the same event twice is sealed anew");

    world.vault.forget(&actor_subject(&another));
    let size = world.ledger.size();
    let refused = world
        .journal
        .record_all(
            &[(&event, Some(4)), (&another, Some(5))],
            "control",
            [8; 32],
        )
        .await;
    assert!(
        matches!(refused, Err(JournalError::Vault(PortError::Erased))),
        "{refused:?}"
    );
    assert_eq!(world.ledger.size(), size, "nothing of it was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_an_event_with_whom_was_erased_their_side_is_closed_and_the_other_sealed_under_its_key()
{
    let world = World::new().await;
    let event = some_event(&world).await;
    let mut another = event.clone();
    another.event_id = EventId::parse("evt_another").unwrap();
    another.actor_id = "somebody else".to_owned();
    another.resource_id = "another".to_owned();
    let both = [(&event, None), (&another, None)];
    world
        .journal
        .record_all(&both, "test", [7; 32])
        .await
        .unwrap();
    let record = async |event: &Event, number| {
        let recorded = world
            .journal
            .record_closed(event, "control", Some(number), [9; 32]);
        let index = recorded.await.unwrap().index;
        let entry = world.journal.open(index).await.unwrap();
        assert_eq!((entry.complete, &entry.opening), (false, &None));
        assert_eq!(entry.event.event_id, event.event_id);
        (entry.event, world.ledger.side(index).unwrap())
    };
    world.vault.forget(&resource_subject(&event));
    let (by_whom, _) = record(&event, 1).await;
    assert_eq!(by_whom.resource_id, CLOSED);
    assert_eq!(by_whom.actor_id, event.actor_id);
    assert_eq!(by_whom.ip_address, event.ip_address);
    assert_eq!(by_whom.request_context, event.request_context);
    world.vault.forget(&actor_subject(&another));
    let (to_what, _) = record(&another, 2).await;
    assert_eq!(to_what.resource_id, another.resource_id);
    assert_eq!(to_what.actor_id, CLOSED);
    assert_eq!((to_what.ip_address, to_what.request_context), (None, None));
    world.vault.forget(&actor_subject(&event));
    let (neither, side) = record(&event, 3).await;
    assert_eq!(
        (&*neither.actor_id, &*neither.resource_id),
        (CLOSED, CLOSED)
    );
    assert!(side.is_empty());
}
