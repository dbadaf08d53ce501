"""What jobs do: one file per kind, and the table of them."""
