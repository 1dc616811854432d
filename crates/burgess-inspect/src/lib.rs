//! placeholder
pub mod dlp;
