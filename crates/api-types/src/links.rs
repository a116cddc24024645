//! Links to related resources, as the Admin API puts them into answers.

use serde_json::{Value, json};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it leads to, such as `self`, `next`, or `https://cloud.mongodb.com/clusters`.
    pub rel: String,
    /// Its absolute address.
    pub href: String,
}

/// Relations to other resources are names below this address, whatever server answers.
const RELATION_BASE: &str = "https://cloud.mongodb.com";

impl Link {
    /// A link to the resource itself.
    #[must_use]
    pub fn to_self(href: impl Into<String>) -> Self {
        Self { rel: "self".to_owned(), href: href.into() }
    }

    /// A link to a related resource, named as on Atlas (`clusters`, `users` and so on).
    #[must_use]
    pub fn related(name: &str, href: impl Into<String>) -> Self {
        Self { rel: format!("{RELATION_BASE}/{name}"), href: href.into() }
    }

    /// On the wire.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({ "href": self.href, "rel": self.rel })
    }
}

/// The base of every link: the public address of the API, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    root: String,
}

impl Base {
    /// Links below `public_url`, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(public_url: &str) -> Self {
        Self { root: public_url.trim_end_matches('/').to_owned() }
    }

    /// The public address itself.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.root
    }

    /// An address below `/api/atlas/v2`; `path` starts with a slash.
    #[must_use]
    pub fn atlas(&self, path: &str) -> String {
        format!("{}/api/atlas/v2{path}", self.root)
    }

    /// The links of a single resource: itself, then related ones below it.
    #[must_use]
    pub fn links(&self, path: &str, related: &[&str]) -> Value {
        let own = Link::to_self(self.atlas(path)).json();
        let others = related
            .iter()
            .map(|name| Link::related(name, self.atlas(&format!("{path}/{name}"))).json());
        Value::Array(std::iter::once(own).chain(others).collect())
    }
}
