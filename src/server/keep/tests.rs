//! Stories of artifacts and caches.
