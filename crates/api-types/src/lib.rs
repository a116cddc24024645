//! Admin API wire shapes: bodies, errors, paging, dated media types.
