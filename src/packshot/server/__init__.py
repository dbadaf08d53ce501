"""`packshot serve`: a page and a REST API over a queue of jobs that worker processes of their own do."""
