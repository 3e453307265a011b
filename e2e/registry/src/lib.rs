//! Only tests: see tests/registry.rs.
