//! Whole runs against a simulated cluster, a real table and a real journal.
