"""Editing a product photo: plain functions on a `Scene`, a table of them, and the proof of what they left alone."""
