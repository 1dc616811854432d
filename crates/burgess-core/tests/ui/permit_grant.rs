// refused: `grant` is private
use burgess_core::permit::Permit;
use burgess_core::policy::action::PromoteProduction;

fn main() {
    let _ = Permit::<PromoteProduction>::grant;
}
