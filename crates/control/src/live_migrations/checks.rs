//! What stands in the way of a migration, as far as the control state knows. Pure: no I/O.

use portolan_api_types::live_migration::{
    Deployment, HostnameSchema, MigrationRequest, OfferedProject,
};
use portolan_model::ClusterState;
use portolan_store::clusters::StoredCluster;

/// The first obstacle, in words; `None` when there is none.
pub(super) fn obstacle(
    request: &MigrationRequest,
    destination: Option<&StoredCluster>,
    offered: &[OfferedProject],
) -> Option<String> {
    let name = &request.destination.cluster_name;
    let Some(destination) = destination else {
        return Some(format!("There is no destination cluster {name} in the project."));
    };
    let state = destination.cluster.state;
    if state != ClusterState::Idle {
        return Some(format!("Destination cluster {name} is {}, not IDLE.", state.as_str()));
    }
    if request.destination.hostname_schema != HostnameSchema::Public {
        return Some(format!(
            "Destination cluster {name} has neither private endpoints nor peering; use PUBLIC."
        ));
    }
    match source(request, offered) {
        Ok(deployment) => between(request, destination, deployment),
        Err(obstacle) => Some(obstacle),
    }
}

/// The source among what is offered.
fn source<'a>(
    request: &MigrationRequest,
    offered: &'a [OfferedProject],
) -> Result<&'a Deployment, String> {
    let (id, name) = (request.source.project_id, &request.source.cluster_name);
    let project = offered.iter().find(|project| project.project_id == id);
    let project =
        project.ok_or_else(|| format!("No linked organization offers source project {id}."))?;
    if !project.migration_hosts.contains(&request.migration_host) {
        let host = &request.migration_host;
        return Err(format!("{host} is not a migration host of source project {id}."));
    }
    let deployment = project.deployments.iter().find(|deployment| deployment.name == *name);
    deployment.ok_or_else(|| format!("Source project {id} offers no cluster {name}."))
}

/// Whether the two clusters fit.
fn between(
    request: &MigrationRequest,
    destination: &StoredCluster,
    deployment: &Deployment,
) -> Option<String> {
    let (from, to) = (&deployment.name, &destination.cluster.name);
    if request.source.managed_authentication && !deployment.managed {
        return Some(format!(
            "Source cluster {from} manages no users for migrations; send username and password."
        ));
    }
    if request.source.ssl != deployment.tls_enabled {
        let speaks = if deployment.tls_enabled { "speaks" } else { "does not speak" };
        return Some(format!("Source cluster {from} {speaks} TLS, unlike source.ssl says."));
    }
    let target = destination.cluster.version.as_ref().map(|version| version.0.as_str());
    let versions = target.and_then(major_minor).zip(major_minor(&deployment.mongodb_version));
    if let Some((target, source)) = versions
        && source > target
    {
        return Some(format!(
            "Source cluster {from} has MongoDB {}, newer than the {} of destination cluster {to}.",
            deployment.mongodb_version,
            target_text(target)
        ));
    }
    let is_sharded = is_sharded(destination);
    if deployment.sharded && !is_sharded {
        return Some(format!("Source cluster {from} is sharded, destination cluster {to} is not."));
    }
    if request.sharding.is_some() && (!is_sharded || deployment.sharded) {
        return Some(
            "Sharding rules are for a source that is a replica set and a destination that is \
             sharded."
                .to_owned(),
        );
    }
    None
}

fn target_text((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// By the cluster type that its creator named.
fn is_sharded(cluster: &StoredCluster) -> bool {
    let settings: serde_json::Value =
        serde_json::from_str(&cluster.settings_json).unwrap_or_default();
    matches!(settings["clusterType"].as_str(), Some("SHARDED" | "GEOSHARDED"))
}

#[cfg(test)]
mod tests {
    use portolan_api_types::Fields;
    use portolan_api_types::live_migration::parse_request;
    use portolan_model::{Cluster, ClusterId, ClusterKind, GuardLevel, ProjectId, ServerVersion};
    use portolan_store::clusters::ClusterLife;
    use serde_json::json;

    use super::*;

    const ID: &str = "0123456789abcdef01234567";

    fn request() -> MigrationRequest {
        let body = json!({
            "destination": { "clusterName": "D", "groupId": ID, "hostnameSchemaType": "PUBLIC" },
            "migrationHosts": ["h:1"],
            "source": {
                "clusterName": "S", "groupId": ID, "managedAuthentication": true, "ssl": false,
            },
        });
        let fields = Fields::parse(body.to_string().as_bytes()).expect("an object");
        parse_request(fields, None).expect("a request")
    }

    fn destination() -> StoredCluster {
        StoredCluster {
            cluster: Cluster {
                id: ClusterId::new([1; 12]),
                project_id: ID.parse().expect("an id"),
                name: "D".into(),
                kind: ClusterKind::Sandbox { port: 1 },
                state: ClusterState::Idle,
                version: Some(ServerVersion("7.0.14".into())),
                level: GuardLevel::L1,
                termination_protection_enabled: false,
                tags: Vec::new(),
                replication_specs_json: "[]".into(),
                created_at: 0,
            },
            level_reasons: Vec::new(),
            time_series: false,
            settings_json: "{}".into(),
            life: ClusterLife::default(),
        }
    }

    fn offered() -> Vec<OfferedProject> {
        vec![OfferedProject {
            project_id: ID.parse().expect("an id"),
            name: "P".into(),
            migration_hosts: vec!["h:1".into()],
            deployments: vec![Deployment {
                cluster_id: None,
                name: "S".into(),
                mongodb_version: "7.0.2".into(),
                fcv: "7.0".into(),
                managed: true,
                sharded: false,
                tls_enabled: false,
            }],
        }]
    }

    #[track_caller]
    fn told(
        change: impl FnOnce(&mut MigrationRequest, &mut StoredCluster, &mut OfferedProject),
        words: &str,
    ) {
        let (mut request, mut destination, mut offered) = (request(), destination(), offered());
        change(&mut request, &mut destination, &mut offered[0]);
        let obstacle = obstacle(&request, Some(&destination), &offered).unwrap_or_default();
        assert!(obstacle.contains(words) && !words.is_empty(), "{obstacle:?}");
    }

    #[test]
    fn nothing_stands_in_the_way_of_equals() {
        assert_eq!(obstacle(&request(), Some(&destination()), &offered()), None);
        let mut newer = destination();
        newer.cluster.version = Some(ServerVersion("8.0.0".into()));
        assert_eq!(obstacle(&request(), Some(&newer), &offered()), None);
    }

    #[test]
    fn each_obstacle_is_told() {
        let none = obstacle(&request(), None, &offered()).expect("no destination");
        assert!(none.contains("no destination cluster D"));
        told(|_, to, _| to.cluster.state = ClusterState::Updating, "is UPDATING");
        told(|r, _, _| r.destination.hostname_schema = HostnameSchema::VpcPeering, "use PUBLIC");
        told(|_, _, p| p.project_id = ProjectId::new([9; 12]), "No linked organization");
        told(|r, _, _| r.migration_host = "other:1".into(), "not a migration host");
        told(|_, _, p| p.deployments[0].name = "T".into(), "offers no cluster S");
        told(|_, _, p| p.deployments[0].managed = false, "username and password");
        told(|_, _, p| p.deployments[0].tls_enabled = true, "speaks TLS");
        told(|r, _, _| r.source.ssl = true, "does not speak TLS");
        told(|_, _, p| p.deployments[0].mongodb_version = "7.1.0".into(), "newer than the 7.0");
        told(|_, _, p| p.deployments[0].sharded = true, "destination cluster D is not");
        told(|r, _, _| r.sharding = Some(Vec::new()), "Sharding rules");
    }
}
