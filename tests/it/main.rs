//! Tests of whole parts, one file a noun; no engine is needed.

mod host;
mod yaml;
