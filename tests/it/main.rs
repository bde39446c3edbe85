//! Tests of whole parts, one file a noun; no engine is needed.

#![allow(clippy::unwrap_used)]

mod config;
mod contexts;
mod home;
mod host;
mod misconfig;
mod yaml;
