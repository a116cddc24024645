//! Tests of the sets of endpoints.

use super::*;
use crate::operations;

#[test]
fn each_set_is_found_by_the_paths_that_it_names() {
    for (path, id) in [
        ("/api/atlas/v2", "root"),
        ("/api/atlas/v2/unauth/controlPlaneIPAddresses", "root"),
        ("/api/oauth/token", "token"),
        ("/api/atlas/v2/orgs", "orgs"),
        ("/api/atlas/v2/orgs/{orgId}/settings", "orgSettings"),
        ("/api/atlas/v2/orgs/{orgId}/apiKeys", "org"),
        ("/api/atlas/v2/groups/byName/{groupName}", "groups"),
        ("/api/atlas/v2/groups/{groupId}/clusters/{clusterName}", "clusters"),
        ("/api/atlas/v2/groups/{groupId}/clusters/{clusterName}/onlineArchives", "onlineArchives"),
        ("/api/portolan/v1/groups/{groupId}/clusters", "clusters"),
        ("/api/atlas/v2/groups/{groupId}/events/{eventId}", "groupEvents"),
        ("/api/atlas/v2/groups/{groupId}/containers", "containers"),
        ("/api/atlas/v2/groups/{groupId}/teams", "groupAccess"),
        ("/api/atlas/v2/groups/{groupId}:migrate", "group"),
        ("/api/atlas/v2/clusters", "general"),
    ] {
        assert_eq!(set_of(path).id, id, "{path}");
    }
}

#[test]
fn every_operation_has_the_parameter_that_its_set_counts_by() {
    for operation in operations() {
        let parameter = match set_of(operation.path).scope {
            RateScope::Group => "{groupId}",
            RateScope::Organization => "{orgId}",
            RateScope::Ip | RateScope::User => continue,
        };
        assert!(operation.path.contains(parameter), "{}", operation.path);
    }
}

#[test]
fn sets_stay_short_enough_for_their_answer() {
    for set in &SETS {
        let endpoints = operations().iter().filter(|one| set_of(one.path).id == set.id).count();
        assert!(endpoints <= 100, "{} has {endpoints} endpoints", set.id);
    }
}
