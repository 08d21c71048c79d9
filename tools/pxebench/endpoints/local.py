"""The endpoint in this process: the firmware's own code on CPython."""

import contextlib
import sys

from pxebench.endpoints import Listener, completed


def run(job, on_event, keys=None, on_wait=None):
    """Run `job` with `pxerom.agent`; see `endpoints` for the contract."""
    from pxerom import agent

    listener = Listener(on_event)
    if job["job"] == "boot":
        with _link_of_this_pc():
            agent.run(job, listener.event, on_wait, keys=keys)
    else:
        agent.run(job, listener.event, on_wait)
    if listener.refused:
        raise listener.refused
    return completed(listener.result, "local", listener.start)


@contextlib.contextmanager
def _link_of_this_pc():
    """Let the firmware find the PC's `link`, as a board has its own."""
    from pxebench import places

    folders = [str(folder) for folder in places.host_link()]
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = [folder for folder in sys.path if folder not in folders]
        sys.modules.pop("link", None)
