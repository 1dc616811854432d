//! The actions that policy knows: one type each, so that a permit for one cannot serve another.
//!
//! Which facts an action is decided on is part of its type. Not here: who may do what; that is
//! said by the policy files alone.

use super::facts::{
    AppFacts, CallFacts, CaseFacts, ContextFacts, Destination, DisposalFacts, ErasureFacts,
    InEnvironment, NoContext, Organisation, ReleaseFacts, ResourceFacts, ScopeFacts, TokenFacts,
    Verdict,
};
use super::gate::Candidate;
use crate::deploy::{ConnectorFacts, GateFacts};

mod sealed {
    /// Only the actions of this file are actions.
    pub trait Sealed {}
}

/// Something that a principal may do to a resource, if policy says so.
pub trait Action: sealed::Sealed + 'static {
    /// Its name in the policy files.
    const NAME: &'static str;
    /// What it is done to.
    type Resource: ResourceFacts;
    /// What else the decision depends on.
    type Context: ContextFacts;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $marker:ident = $name:literal on $resource:ty, $context:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $marker {}
            impl sealed::Sealed for $marker {}
            impl Action for $marker {
                const NAME: &'static str = $name;
                type Resource = $resource;
                type Context = $context;
            }
        )*

        /// Names of all actions, in the order of the handbook.
        pub const ALL: &[&str] = &[$($name),*];

        /// Calls `visitor` once per action, in the order of [`ALL`].
        pub fn each(visitor: &mut impl Visitor) {
            $(visitor.visit::<$marker>();)*
        }
    };
}

/// Something to be done for every action: how a matrix over all of them is drawn.
pub trait Visitor {
    /// Called once for each action.
    fn visit<A: Action>(&mut self);
}

actions! {
    /// Hands a request in.
    SubmitRequest = "submit_request" on CaseFacts, NoContext;
    /// Changes a request that is not decided yet.
    EditRequest = "edit_request" on CaseFacts, NoContext;
    /// Takes a request back.
    WithdrawRequest = "withdraw_request" on CaseFacts, NoContext;
    /// Uploads a version of the app.
    AttachArtifact = "attach_artifact" on AppFacts, NoContext;
    /// Uploads the README.
    AttachReadme = "attach_readme" on AppFacts, NoContext;
    /// Notes the result of a test case of the README.
    RecordTestResult = "record_test_result" on AppFacts, NoContext;
    /// Decides a request for platform and security.
    DecideAsReviewer = "decide_as_reviewer" on CaseFacts, Verdict;
    /// Decides it a second time, for agents and local files (R43).
    DecideAsSecondReviewer = "decide_as_second_reviewer" on CaseFacts, Verdict;
    /// Decides it for the business (R16).
    DecideAsSponsor = "decide_as_sponsor" on CaseFacts, Verdict;
    /// Approves in place of the reviewer where nothing speaks against it (R31).
    AutoApprove = "auto_approve" on CaseFacts, NoContext;
    /// Puts an approved version into the sandbox.
    DeploySandbox = "deploy_sandbox" on AppFacts, NoContext;
    /// Puts it into staging.
    DeployStaging = "deploy_staging" on AppFacts, NoContext;
    /// Puts it into production (R18).
    PromoteProduction = "promote_production" on AppFacts, NoContext;
    /// Puts the version before back in its place (R18).
    Rollback = "rollback" on AppFacts, InEnvironment;
    /// Stops everything the app does, at once.
    Quarantine = "quarantine" on AppFacts, NoContext;
    /// Lets it go on.
    ReleaseQuarantine = "release_quarantine" on AppFacts, NoContext;
    /// Makes a client credential; its secret is shown once.
    IssueCredential = "issue_credential" on AppFacts, InEnvironment;
    /// Ends a client credential.
    RevokeCredential = "revoke_credential" on AppFacts, InEnvironment;
    /// Sets the day on which the app retires.
    ScheduleRetirement = "schedule_retirement" on AppFacts, NoContext;
    /// Takes that day back.
    CancelRetirement = "cancel_retirement" on AppFacts, NoContext;
    /// Retires the app with its exit checklist.
    Retire = "retire" on AppFacts, NoContext;
    /// Completes a periodic review.
    CompleteReview = "complete_review" on AppFacts, NoContext;
    /// Writes a finding.
    RecordFinding = "record_finding" on AppFacts, NoContext;
    /// Activates another policy set.
    EditPolicy = "edit_policy" on Organisation, NoContext;
    /// Changes the connector catalogue.
    EditCatalogue = "edit_catalogue" on Organisation, NoContext;
    /// Changes the dataset registry.
    EditDataset = "edit_dataset" on Organisation, NoContext;
    /// Invites people and binds roles.
    ManagePeople = "manage_people" on Organisation, NoContext;
    /// Changes the configuration.
    Configure = "configure" on Organisation, NoContext;
    /// Sees one app.
    ReadApp = "read_app" on AppFacts, NoContext;
    /// Sees the inventory of all apps.
    ReadInventory = "read_inventory" on Organisation, NoContext;
    /// Sees all requests that wait.
    ReadQueue = "read_queue" on Organisation, NoContext;
    /// Searches the trail, personal values closed.
    ReadTrail = "read_trail" on Organisation, NoContext;
    /// Opens the personal values of the trail's entries.
    ReadEntries = "read_entries" on Organisation, NoContext;
    /// Takes the trail out.
    ExportTrail = "export_trail" on Organisation, NoContext;
    /// Asks for a subject's personal values to be erased, where two people have to.
    AskErasure = "ask_erasure" on Organisation, NoContext;
    /// Erases a subject's personal values, for good.
    EraseSubject = "erase_subject" on Organisation, ErasureFacts;
    /// Places a legal hold: what it covers is neither pruned nor erased nor destroyed.
    PlaceHold = "place_hold" on Organisation, NoContext;
    /// Releases it.
    ReleaseHold = "release_hold" on Organisation, NoContext;
    /// Destroys what a written retention policy says is due: entries of the ledger, archives.
    Dispose = "dispose" on Organisation, DisposalFacts;
    /// Seals the open shard of a ledger and begins the next, with a new key.
    TurnLedger = "turn_ledger" on Organisation, NoContext;
    /// Sees one's own apps, requests and tasks.
    ReadOwn = "read_own" on Organisation, NoContext;
    /// Turns a client credential into an access token (RFC 6749, section 4.4).
    ExchangeCredential = "exchange_credential" on AppFacts, TokenFacts;
    /// Has a scope of a connector at all.
    GrantScope = "grant_scope" on Destination, ScopeFacts;
    /// Calls a connector: the admit decision.
    CallConnector = "call_connector" on Destination, CallFacts;
    /// Passes a body on unchanged: the first rung of the release decision.
    ReleaseAsIs = "release_as_is" on Destination, ReleaseFacts;
    /// Passes a body on with what was found blacked out: the second rung.
    ReleaseRedacted = "release_redacted" on Destination, ReleaseFacts;
    /// Hands in events of one's own.
    SubmitEvent = "submit_event" on AppFacts, InEnvironment;
    /// Says that one is alive.
    Heartbeat = "heartbeat" on AppFacts, InEnvironment;
    /// Ends an approval whose time is up.
    ExpireApproval = "expire_approval" on AppFacts, NoContext;
    /// Ends an approval that a change or a failed condition voids.
    LapseApproval = "lapse_approval" on AppFacts, NoContext;
    /// Warns, and escalates, when a review takes too long (R33).
    EscalateReview = "escalate_review" on CaseFacts, NoContext;
    /// Reminds the owner of an idle app (R66).
    SendReminder = "send_reminder" on AppFacts, NoContext;
    /// Opens a periodic review (R61, R62).
    OpenReview = "open_review" on AppFacts, NoContext;
    /// Lets a version into an environment: asked by the promotion gate.
    PassGate = "pass_gate" on Candidate, GateFacts;
    /// Lets a version go there with one declared connector: asked by the promotion gate (R151).
    DeclareConnector = "declare_connector" on Candidate, ConnectorFacts;
}
