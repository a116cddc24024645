//! Parts of long lists.

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many items.
    pub limit: i64,
    /// After leaving out so many.
    pub offset: i64,
}

impl Page {
    /// Everything. For lists that a rule keeps short.
    pub const ALL: Self = Self { limit: i64::MAX, offset: 0 };

    /// `limit` items after `offset`.
    #[must_use]
    pub const fn new(limit: i64, offset: i64) -> Self {
        Self { limit, offset }
    }
}

/// A part of a list, with the length of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The part.
    pub items: Vec<T>,
    /// The number of items in the whole list.
    pub total: i64,
}

impl<T> Listed<T> {
    /// The same list of other things.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(convert).collect(), total: self.total }
    }
}
