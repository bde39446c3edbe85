//! Tests that need more than one file: recorded replies, whole outputs.
