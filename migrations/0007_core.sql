-- The engine that a job is on, by its name in the settings. NULL: it was never admitted, or is of a time when there was one engine without a name.
ALTER TABLE jobs ADD COLUMN engine TEXT;
