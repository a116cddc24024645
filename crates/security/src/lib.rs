//! Secret types, column encryption and the policy of dialled addresses.
