//! Sample data: asking for it, and how far it is.

use portolan_api_types::sample_dataset::SampleLoadView;
use portolan_auth::Action;
use portolan_store::sample_loads::SampleLoad;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::route::{Access, Answer, Route, V23, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let own = Access::Project(Action::ClusterAdminister);
    vec![
        atlas!(
            POST "/groups/{groupId}/sampleDatasetLoad/{name}",
            "requestGroupSampleDatasetLoad", V23, own, request
        ),
        atlas!(
            GET "/groups/{groupId}/sampleDatasetLoad/{sampleDatasetId}",
            "getGroupSampleDatasetLoad", V23, own, get
        ),
    ]
}

async fn request(call: Call) -> Answer {
    let (project_id, name) = (call.project_id()?, call.text("name"));
    let load = call.control().request_sample_load(&call.caller, project_id, name).await?;
    Ok(Reply::created(shown(load)))
}

async fn get(call: Call) -> Answer {
    let (project_id, id) = (call.project_id()?, call.id("sampleDatasetId")?);
    let load = call.control().get_sample_load(&call.caller, project_id, id).await?;
    Ok(Reply::ok(shown(load)))
}

fn shown(load: SampleLoad) -> Value {
    let SampleLoad { id, cluster_name, state, error, created_at, ended_at, .. } = load;
    SampleLoadView { id, cluster_name, state: state.as_str(), created_at, ended_at, error }.json()
}
