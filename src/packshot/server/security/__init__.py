"""Who may ask for what: keys, scopes, what browsers may send, how much and how slowly clients may send it."""
