"""Jobs on OpenAI, and on whatever speaks its API: one client, which the other dialects build on."""
