"""Jobs on any server that speaks OpenAI's API; another Tuneworks is the natural one."""
