//! The gateway from outside: real sockets, a real ledger on disk, real signatures, the published
//! policies, and a connector that keeps its own record of what reached it.

mod admission;
mod credentials;
mod erased;
mod journal;
mod release;
mod support;
mod trail;
