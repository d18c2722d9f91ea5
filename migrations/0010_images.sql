-- Images that this instance pulled, where neither their names nor their contents were before: only such are ever removed again.
CREATE TABLE images (
    -- By the engine's own word, so that another engine at the same address is another one.
    engine TEXT NOT NULL,
    id TEXT NOT NULL,
    -- The names that came with our pulls, as a list.
    names_json TEXT NOT NULL,
    pulled_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    PRIMARY KEY (engine, id)
);
