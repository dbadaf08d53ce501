"""Networks, each with a complete spec. They import only torch and each other."""
