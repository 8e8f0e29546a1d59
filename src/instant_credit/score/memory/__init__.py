"""Arrays read as other types, and caches asked ahead, without cost to compiled code."""
