// compiles
use burgess_core::deploy::Promotion;
use burgess_core::permit::Permit;
use burgess_core::policy::action::PromoteProduction;

fn act(permit: &Permit<PromoteProduction>, promotion: &Promotion) -> bool {
    permit.version() > 0 && permit.policy_digest() == promotion.policy_digest()
}

fn main() {
    let _ = act;
}
