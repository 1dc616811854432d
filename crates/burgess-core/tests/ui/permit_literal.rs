// refused: due to private fields
use burgess_core::permit::Permit;
use burgess_core::policy::action::PromoteProduction;

fn main() {
    let _ = Permit::<PromoteProduction> {
        principal: "mallory@example.com".to_owned(),
        resource: "microapp-sales-quoting".to_owned(),
        version: 1,
    };
}
