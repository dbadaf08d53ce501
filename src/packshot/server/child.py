"""`python -m packshot.server.child PARENT COMMAND…`: a command of packshot's that ends when its parent does."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
import threading
import time
from multiprocessing import active_children

PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.3


def main() -> None:
    """Run the command in this process, as `packshot` would."""
    end_with(int(sys.argv[1]))
    signal.signal(signal.SIGTERM, _stop)
    sys.argv = ["packshot", *sys.argv[2:]]
    runpy.run_module("packshot", run_name="__main__", alter_sys=True)


def _stop(*_: object) -> None:
    """At SIGTERM: as at Ctrl-C, so that what the command holds is given back; what its workers do is not waited for."""
    for process in active_children():
        process.kill()
    raise KeyboardInterrupt


def end_with(parent: int) -> None:
    """Be killed when the parent is gone: by the kernel where it is Linux, else by a thread that looks.

    The kernel's word (prctl(2), PR_SET_PDEATHSIG) also reaches code that holds Python's lock.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # gone already
        os._exit(1)
    threading.Thread(target=_watch, args=(parent,), name="end with the parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
