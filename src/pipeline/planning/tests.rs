//! Planning: what only values that are put together by hand show.
