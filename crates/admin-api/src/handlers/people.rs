//! The deprecated `/users`: make a person, and look one up by id or by name.

use portolan_api_types::person::NewPerson;
use portolan_control::Person;
use portolan_model::TeamId;
use portolan_store::users::Membership;
use serde_json::Value;

use crate::answer::Reply;
use crate::call::Call;
use crate::handlers::users::{OLD, roles_of, view};
use crate::route::{Access, Answer, Route, atlas};

pub(crate) fn routes() -> Vec<Route> {
    let any = Access::Authenticated;
    vec![
        atlas!(POST "/users", "createUser", OLD, any, create),
        atlas!(GET "/users/{userId}", "getUser", OLD, any, get),
        atlas!(GET "/users/byName/{userName}", "getUserByName", OLD, any, by_name),
    ]
}

/// One list of roles and one of teams, over all organizations that the caller may see.
fn json(call: &Call, person: &Person) -> Value {
    let (mut roles, mut team_ids): (Vec<Value>, Vec<TeamId>) = (Vec::new(), Vec::new());
    for (org_id, member) in &person.memberships {
        let held = roles_of(member);
        let here = view(&member.user, &member.membership, *org_id, &held, &[]);
        roles.extend(here.scoped_roles());
        team_ids.extend(&member.team_ids);
    }
    let org_id = person.memberships[0].0;
    let none = portolan_api_types::user::UserRoles::default();
    let mut body =
        view(&person.user, &Membership::Active, org_id, &none, &team_ids).legacy_json(call.base());
    body["roles"] = roles.into();
    body
}

async fn create(call: Call) -> Answer {
    let request = NewPerson::read(call.fields()?)?;
    let person = call.control().create_person(&call.caller, request).await?;
    Ok(Reply::created(json(&call, &person)))
}

async fn get(call: Call) -> Answer {
    let person = call.control().get_person(&call.caller, call.id("userId")?).await?;
    Ok(Reply::ok(json(&call, &person)))
}

async fn by_name(call: Call) -> Answer {
    let person = call.control().person_by_name(&call.caller, call.text("userName")).await?;
    Ok(Reply::ok(json(&call, &person)))
}
