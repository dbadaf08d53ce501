"""Products out of tables, the pictures to make of them, and what marketplaces accept: rules, verdicts, repairs."""
