"""What networks are asked for, as pure functions that import only torch."""
