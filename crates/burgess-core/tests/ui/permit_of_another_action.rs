// refused: mismatched types
use burgess_core::permit::Permit;
use burgess_core::policy::action::{DeploySandbox, PromoteProduction};

fn promote(_: Permit<PromoteProduction>) {}

fn smuggle(permit: Permit<DeploySandbox>) {
    promote(permit);
}

fn main() {}
