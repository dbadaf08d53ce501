"""Making models: the only rooms that import PyTorch. `loop.train` is the entry; see docs/architecture.md."""
