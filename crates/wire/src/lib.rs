//! MongoDB wire protocol server: framing, hello, SCRAM, cursors; a Backend trait.
