//! JSON where there is much of it: engines' lists, and what is printed. Else it is serde_json's.

mod plain;
pub mod scan;
pub mod write;
