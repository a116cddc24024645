//! Lists: which page is asked for, and the envelope of its answer.
//!
//! `totalCount` is always there unless `includeCount=false`: the Terraform provider stops after one
//! page without it.

use serde_json::{Map, Value};

use crate::error::Problem;
use crate::links::Link;

/// Items of a page when the caller does not say.
pub const ITEMS_PER_PAGE_DEFAULT: u32 = 100;
/// Items of the largest page.
pub const ITEMS_PER_PAGE_MAX: u32 = 500;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page_num: u32,
    /// 1 to 500.
    pub items_per_page: u32,
    /// Whether `totalCount` is wanted.
    pub include_count: bool,
}

impl Default for Paging {
    fn default() -> Self {
        Self { page_num: 1, items_per_page: ITEMS_PER_PAGE_DEFAULT, include_count: true }
    }
}

/// Some items of a list, and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Items of the whole list.
    pub total: i64,
}

impl<T> Page<T> {
    /// Converts each item.
    #[must_use]
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), total: self.total }
    }

    /// Cuts a page out of a whole list, for lists that are short by nature.
    #[must_use]
    pub fn cut(all: Vec<T>, paging: Paging) -> Self {
        let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let skip = usize::try_from(paging.offset()).unwrap_or(usize::MAX);
        let take = usize::try_from(paging.items_per_page).unwrap_or(usize::MAX);
        Self { items: all.into_iter().skip(skip).take(take).collect(), total }
    }
}

impl Paging {
    /// Reads `pageNum`, `itemsPerPage` and `includeCount` from decoded query parameters.
    ///
    /// # Errors
    /// `INVALID_QUERY_PARAMETER` naming the parameter.
    pub fn parse(query: &[(String, String)]) -> Result<Self, Problem> {
        let mut paging = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "pageNum" => paging.page_num = number(name, value, u32::MAX)?,
                "itemsPerPage" => {
                    paging.items_per_page = number(name, value, ITEMS_PER_PAGE_MAX)?;
                }
                "includeCount" => paging.include_count = flag(name, value)?,
                _ => {}
            }
        }
        Ok(paging)
    }

    /// Rows to skip.
    #[must_use]
    pub const fn offset(&self) -> i64 {
        (self.page_num as i64 - 1) * self.items_per_page as i64
    }

    /// Rows to take.
    #[must_use]
    pub const fn limit(&self) -> i64 {
        self.items_per_page as i64
    }

    /// The body of a list. `href` is the absolute address of the list without query, `filters` are
    /// the other query parameters that shape it, which the links repeat first.
    #[must_use]
    pub fn body(&self, href: &str, filters: &[(String, String)], page: Page<Value>) -> Value {
        let mut links = vec![self.link("self", href, filters, self.page_num)];
        if self.page_num > 1 {
            links.push(self.link("previous", href, filters, self.page_num - 1));
        }
        if self.offset().saturating_add(self.limit()) < page.total {
            links.push(self.link("next", href, filters, self.page_num + 1));
        }
        let mut body = Map::new();
        body.insert("links".into(), links.iter().map(Link::json).collect());
        body.insert("results".into(), Value::Array(page.items));
        if self.include_count {
            body.insert("totalCount".into(), Value::from(page.total));
        }
        Value::Object(body)
    }

    fn link(&self, rel: &str, href: &str, filters: &[(String, String)], page_num: u32) -> Link {
        let mut address = format!("{href}?");
        for (name, value) in filters {
            address.push_str(&format!("{name}={}&", encode(value)));
        }
        address.push_str(&format!(
            "includeCount={}&pageNum={page_num}&itemsPerPage={}",
            self.include_count, self.items_per_page
        ));
        Link { rel: rel.to_owned(), href: address }
    }
}

fn number(name: &str, value: &str, max: u32) -> Result<u32, Problem> {
    let rule = format!("it must be between 1 and {max}");
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Problem::invalid_query(name, &rule))
}

/// Reads a boolean query parameter.
///
/// # Errors
/// `INVALID_QUERY_PARAMETER` when it is neither `true` nor `false`.
pub fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Problem::invalid_query(name, "it must be true or false")),
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
