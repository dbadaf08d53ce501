"""The REST API, one file for each noun; routes read, ask and answer, and do no work of their own."""
