//! Reads hostile bytes and returns facts and findings.
//!
//! Bytes come in, facts come out: what a low-code export is and does, whether its README
//! has what reviewers need, what sensitive data and packages it brings.
//! Not here: files, network, clocks, secrets. The binary reads the files.

pub mod advisories;
pub mod artifact;
pub mod dlp;
pub mod draft;
pub mod error;
pub mod exports;
pub mod facts;
pub mod json;
pub mod lockfile;
pub mod readme;
pub mod sbom;
pub mod secrets;
pub mod unpack;
