// refused: Sealed` is not satisfied
use burgess_core::policy::Action;
use burgess_core::policy::facts::{NoContext, Organisation};

enum Anything {}

impl Action for Anything {
    const NAME: &'static str = "promote_production";
    type Resource = Organisation;
    type Context = NoContext;
}

fn main() {}
