"""Jobs: their wire shapes, their states, and what is recorded of them."""
