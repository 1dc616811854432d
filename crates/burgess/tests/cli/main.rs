//! The binary as people and pipelines call it: what it prints, and its exit codes
//! (0 yes, 1 no, 2 the call or its input was wrong).

mod auditing;
mod calling;
mod charter;
mod check;
mod inspect;
mod remote;
mod scan;
