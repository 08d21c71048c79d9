"""The endpoint in this process: the firmware's own code on CPython."""

from pxebench.endpoints import Listener, completed


def run(job, on_event):
    """Run `job` with `pxerom.agent`; see `endpoints` for the contract."""
    from pxerom import agent

    listener = Listener(on_event)
    agent.run(job, listener.event)
    if listener.refused:
        raise listener.refused
    return completed(listener.result, "local", listener.start)
