//! The formats that the trail leaves in, checked by validators that others wrote.

mod events;
mod ocsf;
mod python;
mod schema;
mod syslog;
