//! Files that would do harm.
