"""The long fuzz: random and hostile requests over every route, as every kind of caller, against a whole house."""
