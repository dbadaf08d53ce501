"""Product catalogues: from the files that people have to training shards. Knows nothing of networks."""
