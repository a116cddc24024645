//! Wire shapes of link tokens.
