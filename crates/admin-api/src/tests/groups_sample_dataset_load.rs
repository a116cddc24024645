//! `/groups/{groupId}/sampleDatasetLoad/…`.

use serde_json::json;

use super::groups_clusters::ready_cluster;
use super::world::World;

#[tokio::test]
async fn a_load_is_seen_working_and_completed() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    ready_cluster(&world, &group, "C").await;
    let path = format!("/groups/{group}/sampleDatasetLoad");
    let asked = world.post(&owner, &format!("{path}/C"), json!({})).await.expect(201);
    assert_eq!(
        (&asked.json["state"], &asked.json["clusterName"]),
        (&json!("WORKING"), &json!("C"))
    );
    assert_eq!(asked.json.get("completeDate"), None);
    let one = format!("{path}/{}", asked.str("/_id"));
    for _ in 0..10_000 {
        let found = world.get(&owner, &one).await.expect(200);
        if found.json["state"] == "COMPLETED" {
            assert_eq!(found.str("/completeDate").len(), 20);
            assert_eq!(found.json.get("errorMessage"), None);
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the load does not end");
}

#[tokio::test]
async fn absent_clusters_and_loads() {
    let world = World::new().await;
    let (owner, group) = (world.owner(), world.project("P").await);
    let path = format!("/groups/{group}/sampleDatasetLoad");
    let absent = world.post(&owner, &format!("{path}/X"), json!({})).await;
    assert_eq!(absent.refusal(), (404, "CLUSTER_NOT_FOUND"));
    let unknown = world.get(&owner, &format!("{path}/0123456789abcdef01234567")).await;
    assert_eq!(unknown.refusal(), (404, "RESOURCE_NOT_FOUND"));
    let no_id = world.get(&owner, &format!("{path}/xyz")).await;
    assert_eq!(no_id.refusal(), (400, "INVALID_PATH_PARAMETER"));
}
