"""What is refused: brands, real people, unsafe words and unsafe pictures; see docs/safety.md.

The lists are data (`safety.toml`, an operator's file after it), and every refusal is logged. Nothing here imports more
than the standard library before a picture is looked at.
"""

from packshot.safety.guard import Choice, Guard, current, guard_of, use

__all__ = ["Choice", "Guard", "current", "guard_of", "use"]
