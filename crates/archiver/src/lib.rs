//! The move protocol: a pure state machine, one file per step, the worker.
