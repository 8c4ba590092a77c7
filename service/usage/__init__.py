"""The spend ledger: what was held, settled and released, in whole micro-dollars."""
