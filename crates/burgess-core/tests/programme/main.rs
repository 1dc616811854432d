//! The rules of the programme, rule by rule, and the golden tables that anyone can read.

mod approval;
mod charter;
mod cheapest;
mod connector;
mod deploy;
mod evidence;
mod intake;
mod lifecycle;
mod material;
mod review;
mod risk;
mod sample;
