"""Keys to other servers: kept encrypted, checked, never shown again."""
