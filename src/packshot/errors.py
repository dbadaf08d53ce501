"""The tree of errors. Every message says where, what was got and what is accepted.

    PackshotError
    ├── RequestError     a wish that cannot be granted as it was said (prompt, size, seed …)
    ├── InputError       a file or row of the user's that cannot be read
    ├── OutputError      a place where the result cannot be written
    ├── PackError        a model pack that is missing, damaged or of another kind
    ├── RecipeError      a training recipe that does not fit
    ├── MissingExtraError  a part of packshot that is not installed
    └── UnsafeError      words or a picture that the safety lists or the classifier refuse

All of them are the user's to mend: the command line prints one line and exits with 2. Anything else that escapes is a
bug and keeps its traceback.
"""

from __future__ import annotations


class PackshotError(Exception):
    """Base of every error that a user can mend."""

    def __init__(self, where: object, got: object, accepted: str) -> None:
        """Build the one line.

        Args:
            where: the option, file or row the trouble is in.
            got: what was found there.
            accepted: what would have been right, as a phrase.
        """
        self.where, self.got, self.accepted = str(where), str(got), accepted
        super().__init__(f"{where}: got {got}; accepted: {accepted}")

    def __reduce__(self) -> tuple[type[PackshotError], tuple[str, str, str]]:
        """For other processes: an exception is otherwise built anew from its one line."""
        return type(self), (self.where, self.got, self.accepted)


class RequestError(PackshotError):
    """A request that is not acceptable as it stands."""


class InputError(PackshotError):
    """A picture, table or row of the user's that cannot be read."""


class OutputError(PackshotError):
    """A result that cannot be written where it should go."""


class PackError(PackshotError):
    """A model pack that is missing, damaged or of another kind."""


class RecipeError(PackshotError):
    """A training recipe with an unknown key, a wrong type or a value out of range."""


class MissingExtraError(PackshotError):
    """An optional part of packshot that is not installed."""


class UnsafeError(PackshotError):
    """Words that must not be drawn, or a picture that must not be used; see `packshot.safety`."""


def first_line(error: object) -> str:
    """The first line of what an error says, at most 160 characters; its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
