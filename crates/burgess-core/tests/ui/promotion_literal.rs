// refused: due to private fields
use burgess_core::app::Environment;
use burgess_core::deploy::Promotion;
use burgess_core::id::AppId;

fn main() {
    let _ = Promotion {
        app: AppId::organisation(),
        app_revision: 1,
        target: Environment::Production,
    };
}
