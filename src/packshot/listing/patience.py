"""What to do when an object store is in trouble: wait for what will pass, say the rest.

Nothing here asks for s3fs: another file system's errors are OSErrors as well.
"""

from __future__ import annotations

import errno
import random
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import TypeVar

_LONGEST_PAUSE_SECONDS = 10.0
_FINAL = {errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.ENAMETOOLONG, errno.EMSGSIZE, errno.ENOTEMPTY}
_TORN = {"IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch", "RequestTimeout"}

T = TypeVar("T")


def patiently(work: Callable[[], T], seconds: float) -> T:
    """Do something, again and again while it fails in a way that may pass.

    The pauses are random, up to a bound that doubles from 0.1 s to 10 s, so that many workers do not come back at once
    (full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter").

    Args:
        work: without arguments; must bear being done twice.
        seconds: after which no other try begins.

    Raises:
        Exception: what `work` raised last.
    """
    until, bound = time.monotonic() + seconds, 0.1
    while True:
        try:
            return work()
        except troubles() as error:
            pause = random.uniform(0, bound)
            if not passing(error) or time.monotonic() + pause >= until:
                raise
            time.sleep(pause)
            bound = min(2 * bound, _LONGEST_PAUSE_SECONDS)


def passing(error: Exception) -> bool:
    """Whether a trouble of a store may pass: not a lack of rights, bucket or keys."""
    if isinstance(error, FileNotFoundError | FileExistsError | PermissionError):
        return False
    if code_of(error) in _TORN:
        return True
    return isinstance(error, _passing_kinds()) and not (isinstance(error, OSError) and error.errno in _FINAL)


@cache
def _passing_kinds() -> tuple[type[Exception], ...]:
    """Errors of the network; s3fs makes OSErrors of what S3 answers."""
    kinds: list[type[Exception]] = [OSError]
    with suppress(ImportError):
        from botocore.exceptions import ConnectionError, HTTPClientError, IncompleteReadError
        from botocore.parsers import ResponseParserError

        kinds += [ConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError]
    with suppress(ImportError):
        from aiohttp import ClientError

        kinds.append(ClientError)
    return tuple(kinds)


@cache
def troubles() -> tuple[type[Exception], ...]:
    """Whatever is a user's to mend or will pass; all else is a bug."""
    with suppress(ImportError):
        from botocore.exceptions import BotoCoreError

        return (*_passing_kinds(), BotoCoreError)
    return _passing_kinds()


def code_of(error: Exception) -> str:
    """What S3 calls a trouble that s3fs has translated."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
