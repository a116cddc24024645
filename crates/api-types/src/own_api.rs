//! Wire shapes of Portolan's own API under /api/portolan/v1.
