//! Who is calling and what may they do: Digest, OAuth 2.0, SCRAM secrets, the policy table.
