//! Router, handlers, middleware and error mapping of the Admin API.
