//! Who somebody is: one-time links and sessions for people, access tokens for apps.

pub mod access;
pub mod revoked;
pub mod session;
