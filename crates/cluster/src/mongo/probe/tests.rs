//! Tests of the probe's cases: nothing is sent.

use super::*;
use crate::guard;

#[test]
fn every_case_differs_and_can_be_guarded() {
    for case in cases() {
        assert_ne!(case.archived, case.stored, "{}", case.change);
        assert_eq!(guard::unguardable(&case.archived, GuardLevel::L1), None);
    }
}
