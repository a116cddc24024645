//! `usersInfo`: who may log in to the cluster. Users are made and changed by the Admin API, never here.

use bson::{RawArrayBuf, RawBsonRef, RawDocumentBuf, rawdoc};
use portolan_wire::{Command, CommandContext, CommandError, Reply, User};

use crate::backend::Accounts;
use crate::commands::fields;
use crate::error::{Failure, codes, refuse};

/// Which users are asked for.
enum Asked {
    /// All of the command's database, or of every one.
    All {
        everywhere: bool,
    },
    Named(Vec<(String, String)>),
}

pub(crate) async fn info(
    context: &CommandContext,
    command: &Command,
    accounts: &dyn Accounts,
) -> Result<Reply, Failure> {
    fields::only(command, &["showPrivileges", "showCredentials", "filter"])?;
    if command.has("filter") || command.get_bool("showCredentials")? == Some(true) {
        let message = "usersInfo takes neither 'filter' nor 'showCredentials' here";
        return Err(refuse(codes::NOT_IMPLEMENTED, message));
    }
    let asked = asked(command)?;
    check(context, command, &asked)?;
    let mut users = RawArrayBuf::new();
    for user in accounts.users().await {
        if asked.concerns(command, &user) {
            users.push(shown(&user));
        }
    }
    Ok(Reply::Document(rawdoc! { "users": users }))
}

fn asked(command: &Command) -> Result<Asked, Failure> {
    let wrong = || refuse(codes::BAD_VALUE, "usersInfo takes 1, a name, {user, db}, or a list");
    let one = |value: RawBsonRef<'_>| match value {
        RawBsonRef::String(name) => Ok((command.database.clone(), name.to_owned())),
        RawBsonRef::Document(user) => {
            let text = |name| user.get_str(name).map(str::to_owned).map_err(|_| wrong());
            Ok((text("db")?, text("user")?))
        }
        _ => Err(wrong()),
    };
    match command.get("usersInfo") {
        Some(RawBsonRef::Array(list)) => {
            let named = list.into_iter().map(|value| one(value?));
            Ok(Asked::Named(named.collect::<Result<_, Failure>>()?))
        }
        Some(RawBsonRef::Document(spec)) if spec.get_bool("forAllDBs").is_ok() => {
            Ok(Asked::All { everywhere: true })
        }
        Some(value) if fields::as_f64(value) == Some(1.0) => Ok(Asked::All { everywhere: false }),
        Some(value) => Ok(Asked::Named(vec![one(value)?])),
        None => Err(wrong()),
    }
}

impl Asked {
    fn concerns(&self, command: &Command, user: &User) -> bool {
        match self {
            Self::All { everywhere } => *everywhere || user.database == command.database,
            Self::Named(named) => named
                .iter()
                .any(|(database, name)| *database == user.database && *name == user.name),
        }
    }
}

/// Everybody may ask for themselves, and administrators for all.
fn check(context: &CommandContext, command: &Command, asked: &Asked) -> Result<(), CommandError> {
    let Some(user) = &context.user else { return Ok(()) };
    let own = match asked {
        Asked::All { .. } => false,
        Asked::Named(named) => {
            named.iter().all(|(database, name)| *database == user.database && *name == user.name)
        }
    };
    if own || user.may_admin("admin") {
        return Ok(());
    }
    Err(CommandError::not_authorized(&command.database, "usersInfo"))
}

fn shown(user: &User) -> RawDocumentBuf {
    let roles: RawArrayBuf = user
        .roles
        .iter()
        .map(|role| rawdoc! { "role": role.role.as_str(), "db": role.database.as_str() })
        .collect();
    rawdoc! {
        "_id": format!("{}.{}", user.database, user.name),
        "user": user.name.as_str(),
        "db": user.database.as_str(),
        "roles": roles,
        "mechanisms": ["SCRAM-SHA-1", "SCRAM-SHA-256"],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use bson::doc;
    use portolan_wire::{Account, UserRole};

    use super::*;
    use crate::testing::{Fields, World};

    struct Two;

    #[async_trait]
    impl Accounts for Two {
        async fn account(&self, _database: &str, _name: &str) -> Option<Account> {
            None
        }

        async fn users(&self) -> Vec<User> {
            let user = |name: &str| User {
                name: name.to_owned(),
                database: "admin".to_owned(),
                roles: vec![UserRole::new("readWrite", "db")],
            };
            ["u", "v"].map(user).to_vec()
        }
    }

    #[tokio::test]
    async fn administrators_see_all_users_and_others_themselves() {
        let mut world = World::new().await;
        let names = |reply: bson::Document| -> Vec<String> {
            let users = reply.list("users").expect("users").iter();
            let name = |user: &bson::Bson| {
                user.as_document().and_then(|user| user.text("user").ok().map(str::to_owned))
            };
            users.filter_map(name).collect()
        };
        world.backend = world.sandbox.backend(Arc::new(Two), "127.0.0.1:27017");
        world.acting_as(&[("root", "admin")]);
        let all = doc! { "usersInfo": 1 };
        assert_eq!(names(world.on("admin", all.clone()).await.expect("a reply")), ["u", "v"]);
        assert!(names(world.on("db", all.clone()).await.expect("a reply")).is_empty());
        let everywhere = doc! { "usersInfo": { "forAllDBs": true } };
        assert_eq!(names(world.on("db", everywhere).await.expect("a reply")), ["u", "v"]);
        let one = doc! { "usersInfo": { "user": "v", "db": "admin" } };
        assert_eq!(names(world.on("db", one).await.expect("a reply")), ["v"]);
        world.acting_as(&[("readWrite", "db")]);
        assert_eq!(world.on("admin", all).await.expect_err("a refusal").code, 13);
        let own = doc! { "usersInfo": "u" };
        let reply = world.on("admin", own).await.expect("a reply");
        let shown = reply.list("users").expect("users")[0].as_document().expect("a user").clone();
        assert_eq!(shown.text("_id"), Ok("admin.u"));
        assert_eq!(shown.list("roles"), Ok(&vec![doc! { "role": "readWrite", "db": "db" }.into()]));
    }
}
