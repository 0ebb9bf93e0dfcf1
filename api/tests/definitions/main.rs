//! What the generated definitions promise to users: fields, bounds, rules, columns. Tables, one `check` each.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fields;
mod files;
mod kinds;
mod kubectl;
mod schema;
