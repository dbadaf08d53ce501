"""Pictures that marketplaces accept: their rules as data, what a picture measures, verdicts, and repairs."""
