// refused: Default` is not satisfied
use burgess_core::permit::Permit;
use burgess_core::policy::action::PromoteProduction;

fn wants_default<T: Default>() {}

fn main() {
    wants_default::<Permit<PromoteProduction>>();
}
