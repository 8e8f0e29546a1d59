-- Purpose: the settings on which durability of a commit rests.
-- Reads the whole of pg_settings.
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name
