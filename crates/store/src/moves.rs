//! The journal of the move protocol.
