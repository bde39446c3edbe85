//! Tests that need more than one file: recorded replies, whole outputs.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod docker_outcomes;
mod docker_replies;
mod docker_requests;
mod docker_streams;
mod replies;
