"""packshot: controllable product pictures, honestly labelled."""

__version__ = "0.1.0"
