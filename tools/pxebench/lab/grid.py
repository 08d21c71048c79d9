"""labgrid: the one module that imports it.

The bench's requests to a coordinator are here, with plain values: no object of labgrid leaves this
module except those that a driver needs (`lab.driver`). labgrid 26; `labgrid.remote.client` is no
stable interface, so the extra `pxerom[lab]` holds the version.

1. A session is short: it lists, acquires or releases, and ends.  What was acquired stays so; a
   job needs no coordinator.
2. Each failure is one sentence (`Refused`, exit code 3); a silent coordinator is given up.
3. labgrid logs errors to the root logger; here that is switched off.
"""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # mpy-cross is a child process

import asyncio
import contextlib
import logging

import attr
import grpc
from labgrid import step, target_factory
from labgrid.driver.common import Driver
from labgrid.remote.client import ClientSession, Error
from labgrid.remote.generated import labgrid_coordinator_pb2 as messages
from labgrid.remote.generated import labgrid_coordinator_pb2_grpc as coordinator
from labgrid.resource import NetworkSerialPort
from labgrid.util.proxy import proxymanager

from pxebench.job import EXIT_BENCH, Refused, one_sentence, show
from pxebench.lab.places import Place

__all__ = ["Coordinator", "Driver", "attr", "step", "target_factory", "url_of"]

_ANSWER_S = 10
# A coordinator gives an exporter 10 s for each place, holds one lock meanwhile, and drops one that
# is silent after 25 s (its keepalive): then the rest of its places come at once.
_SILENT_S = 8
_DROPPED_S = 45
_LEAST_S = 5
_PORT_S = 20  # an exporter's own ser2net is told to the coordinator, and by it every 15 s
_LOOK_S = 0.2
_ALONE = (("grpc.use_local_subchannel_pool", 1),)


class _Session(ClientSession):
    user = None  # the user; None: the one that `labgrid-client` takes

    def getuser(self):
        return self.user or super().getuser()


class Coordinator:
    """A session with the coordinator at `address` (HOST[:PORT]), as `user` or as labgrid would."""

    def __init__(self, address, user=None):
        self.address = address
        self._user = user
        self._loop = None
        self._session = None

    def __enter__(self):
        if not logging.getLogger().handlers:
            logging.getLogger().addHandler(logging.NullHandler())
        self._loop = asyncio.new_event_loop()
        try:
            self._run(self._open())
        except BaseException:
            self._loop.close()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Refused):
            self._run(self._close())
        self._loop.close()

    @property
    def name(self):
        """HOST/USER, as places are acquired by."""
        return f"{self._session.gethostname()}/{self._session.getuser()}"

    def places(self):
        """All places, by name: [Place]."""
        return [self._place(one) for _, one in sorted(self._session.places.items())]

    def acquire(self, names):
        """Acquire places; ({name: None, or why not in the coordinator's words}, [exporters that
        did not answer])."""
        return self._each(self._acquire, names)

    def release(self, names, user):
        """Release places if HOST/USER `user` holds them; the same."""

        async def release(name):
            await self._session.stub.ReleasePlace(
                messages.ReleasePlaceRequest(placename=name, fromuser=user)
            )

        return self._each(release, names)

    def await_ports(self, names):
        """Wait a while for the ports of places that were just acquired: an exporter that starts a
        ser2net for each reports its port later."""

        async def wait():
            for _ in range(round(_PORT_S / _LOOK_S)):
                if all(self._place(self._session.places[name]).told for name in names):
                    return
                await asyncio.sleep(_LOOK_S)

        self._run(wait(), _PORT_S + _ANSWER_S)

    # ---- within the loop

    def _run(self, task, wait_s=_ANSWER_S):
        try:
            return self._loop.run_until_complete(asyncio.wait_for(task, wait_s))
        except (Error, grpc.aio.AioRpcError, asyncio.TimeoutError, OSError) as error:
            if isinstance(error, Error | asyncio.TimeoutError):
                why = "does not answer; is labgrid-coordinator running, and its port open?"
            else:
                why = f"fails: {error.details() if hasattr(error, 'details') else error}"
            raise Refused(
                one_sentence(f"The coordinator at {show(self.address)} {why}"), EXIT_BENCH
            ) from None

    async def _open(self):
        try:
            address = proxymanager.get_grpc_address(self.address, default_port=20408)
        except Exception as error:  # noqa: BLE001 - labgrid's own kinds, not all exported
            raise Refused(one_sentence(f"The coordinator {show(self.address)}: {error}")) from None
        self._session = session = _Session(address, self._loop)
        session.user = self._user
        # gRPC lets two channels of a process share a connection, and the coordinator knows a
        # client by its connection: beside labgrid's own session (its pytest plugin) ours failed.
        await session.channel.close()
        session.channel = grpc.aio.insecure_channel(address, options=_ALONE)
        session.stub = coordinator.CoordinatorStub(session.channel)
        await self._session.start()

    async def _close(self):
        await self._session.stop()
        await self._session.close()

    def _each(self, ask, names):
        # Exporter by exporter: one that hangs holds up all others, and is the one to be named.
        groups = {}
        for name in names:
            groups.setdefault(self._place(self._session.places[name]).exporter, []).append(name)
        bound_s = max(_DROPPED_S, _ANSWER_S + 2 * len(names))
        whole_s = bound_s + _ANSWER_S + _LEAST_S * len(groups)
        return self._run(self._by_exporter(ask, groups, bound_s), whole_s)

    async def _by_exporter(self, ask, groups, bound_s):
        async def one(name):
            try:
                await ask(name)
            except grpc.aio.AioRpcError as error:
                return error.details() or str(error.code())
            return None

        answers, silent = {}, []
        end = self._loop.time() + bound_s
        for exporter, names in groups.items():
            tasks = {self._loop.create_task(one(name)): name for name in names}
            group_end = max(end, self._loop.time() + _LEAST_S)
            late = set(tasks)
            while late and (left_s := group_end - self._loop.time()) > 0:
                done, late = await asyncio.wait(
                    late, timeout=min(left_s, _SILENT_S), return_when=asyncio.FIRST_COMPLETED
                )
                if not done and exporter and exporter not in silent:
                    silent.append(exporter)
            for task, name in tasks.items():
                if task in late:
                    task.cancel()
                    answers[name] = _silence(exporter, silent)
                else:
                    answers[name] = task.result()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._session.sync_with_coordinator(), _ANSWER_S / 2)
        return answers, silent

    async def _acquire(self, name):
        await self._session.stub.AcquirePlace(messages.AcquirePlaceRequest(placename=name))

    def _place(self, place):
        ports, exporters = [], []
        for exporter, groups in sorted(self._session.resources.items()):
            for group, resources in sorted(groups.items()):
                for name, entry in sorted(resources.items()):
                    if not entry.data.get("cls"):  # it was there once
                        continue
                    if place.hasmatch((exporter, group, entry.cls, name)):
                        exporters.append(exporter)
                        if entry.cls == "NetworkSerialPort":
                            ports.append(entry)
        host, _, user = (place.acquired or "").partition("/")
        mine = place.acquired and (self.name in place.allowed or self.name == f"{host}/{user}")
        return Place(
            place.name,
            dict(place.tags),
            place.acquired,
            bool(mine),
            exporters[0] if exporters else None,
            _entry_url(ports[0]) if len(ports) == 1 else None,
            len(ports),
        )


def _silence(exporter, silent):
    named = exporter if exporter in silent or not silent else silent[0]
    whose = "its exporter" if named == exporter else "the exporter"
    return f"{whose} {named} does not answer" if named else "the coordinator does not answer"


def _entry_url(entry):
    args = {name: value for name, value in entry.args.items() if name != "name"}
    if not args.get("port"):
        return None
    return url_of(_Reached(args, entry.extra))


class _Reached(NetworkSerialPort):
    """A serial port as the proxy takes it: what an exporter says of it, bound to no target."""

    def __init__(self, args, extra):  # not attrs': a resource of a target needs one
        self.host, self.port = args.get("host"), args.get("port")
        self.protocol, self.extra = args.get("protocol", "rfc2217"), extra


def url_of(port):
    """The URL of a NetworkSerialPort, by way of an ssh forward where it asks for one."""
    host, number = proxymanager.get_host_and_port(port)
    scheme = "socket" if port.protocol == "raw" else "rfc2217"
    return f"{scheme}://[{host}]:{number}" if ":" in host else f"{scheme}://{host}:{number}"
