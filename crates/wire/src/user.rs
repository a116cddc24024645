//! Who is connected, and what the roles of MongoDB's and Atlas's built-in list permit.
//!
//! Role names are those of <https://www.mongodb.com/docs/manual/reference/built-in-roles/> and
//! <https://www.mongodb.com/docs/atlas/mongodb-users-roles-and-privileges/>. A role that is not in
//! the table below permits nothing.

use portolan_security::scram::ScramCredentials;

/// A role that a user holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRole {
    /// Name, such as `readWrite`.
    pub role: String,
    /// Database to which it applies; `admin` for the roles on all databases.
    pub database: String,
    /// The one collection to which it is narrowed, if any (Atlas does that for `read` and
    /// `readWrite`).
    pub collection: Option<String>,
}

impl UserRole {
    /// A role on a whole database.
    pub fn new(role: impl Into<String>, database: impl Into<String>) -> Self {
        Self { role: role.into(), database: database.into(), collection: None }
    }
}

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Database in which the user is defined (`authSource`).
    pub database: String,
    /// Roles.
    pub roles: Vec<UserRole>,
}

/// A user together with what is needed to check a password.
#[derive(Clone)]
pub struct Account {
    /// The user.
    pub user: User,
    /// SCRAM secrets of both mechanisms.
    pub credentials: ScramCredentials,
}

/// What a role permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) admin: bool,
    /// On every database, not only its own.
    pub(crate) everywhere: bool,
    /// On the databases `local` and `config`, too.
    pub(crate) internal: bool,
}

impl UserRole {
    pub(crate) fn grant(&self) -> Grant {
        let grant = |read, write, admin, everywhere, internal| Grant {
            read,
            write,
            admin,
            everywhere,
            internal,
        };
        match self.role.as_str() {
            "atlasAdmin" | "root" | "__system" => grant(true, true, true, true, true),
            "readAnyDatabase" => grant(true, false, false, true, false),
            "readWriteAnyDatabase" => grant(true, true, false, true, false),
            "dbAdminAnyDatabase" => grant(false, false, true, true, false),
            "backup" => grant(true, false, false, true, true),
            "restore" => grant(false, true, true, true, true),
            "read" => grant(true, false, false, false, false),
            "readWrite" => grant(true, true, false, false, false),
            "dbAdmin" => grant(false, false, true, false, false),
            "dbOwner" => grant(true, true, true, false, false),
            _ => grant(false, false, false, false, false),
        }
    }

    fn covers(&self, database: &str) -> bool {
        let grant = self.grant();
        if grant.everywhere {
            return grant.internal || !matches!(database, "local" | "config");
        }
        self.database == database
    }
}

impl User {
    /// Whether the user may read every collection of `database`.
    #[must_use]
    pub fn may_read(&self, database: &str) -> bool {
        self.may(database, None, |grant| grant.read)
    }

    /// Whether the user may write every collection of `database`.
    #[must_use]
    pub fn may_write(&self, database: &str) -> bool {
        self.may(database, None, |grant| grant.write)
    }

    /// Whether the user may create, drop and index collections of `database`. Writers may, too:
    /// MongoDB's `readWrite` includes `createCollection`, `createIndex` and `dropCollection`.
    #[must_use]
    pub fn may_admin(&self, database: &str) -> bool {
        self.may(database, None, |grant| grant.admin || grant.write)
    }

    /// Whether the user may read this collection.
    #[must_use]
    pub fn may_read_collection(&self, database: &str, collection: &str) -> bool {
        self.may(database, Some(collection), |grant| grant.read)
    }

    /// Whether the user may write this collection.
    #[must_use]
    pub fn may_write_collection(&self, database: &str, collection: &str) -> bool {
        self.may(database, Some(collection), |grant| grant.write)
    }

    /// Whether the user may read anything at all in `database`, so that it shows in lists.
    #[must_use]
    pub fn may_see(&self, database: &str) -> bool {
        self.roles.iter().any(|role| {
            let grant = role.grant();
            (grant.read || grant.write || grant.admin) && role.covers(database)
        })
    }

    fn may(&self, database: &str, collection: Option<&str>, what: fn(&Grant) -> bool) -> bool {
        self.roles.iter().any(|role| {
            let narrowed = role.collection.as_deref();
            let reaches = narrowed.is_none() || narrowed == collection;
            what(&role.grant()) && role.covers(database) && reaches
        })
    }
}
