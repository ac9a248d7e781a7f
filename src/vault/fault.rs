//! Named places at which a test has the process die, as by `kill -9`: what was begun there must be found and finished by the
//! next start. In release builds there are none.

/// Dies here, if the environment names this place in `TEST_CLAVIGER_DIE_AT`.
pub fn fault_point(name: &'static str) {
    if cfg!(debug_assertions) && std::env::var_os("TEST_CLAVIGER_DIE_AT").is_some_and(|at| at == name) {
        std::process::abort();
    }
}
