//! Link tokens of organizations, and the migrations that use them.
