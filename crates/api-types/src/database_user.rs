//! Wire shapes of database users.
