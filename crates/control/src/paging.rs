//! Between the pages of the API and those of the store.

use portolan_api_types::{Page, Paging};
use portolan_store::Listed;

pub(crate) fn store_page(paging: Paging) -> portolan_store::Page {
    portolan_store::Page::new(paging.limit(), paging.offset())
}

pub(crate) fn api_page<T>(listed: Listed<T>) -> Page<T> {
    Page { items: listed.items, total: listed.total }
}
