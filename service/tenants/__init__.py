"""Who may do what: the organization, its projects (the tenants), service accounts and API keys."""
