"""`PxeromDriver`: a board that boots like a PC, in the test suites of labgrid's users.

    # env.yaml
    targets:
      main:
        resources: {RemotePlace: {name: board00}}
        drivers: {PxeromDriver: {}}
    imports: [pxebench.lab.driver]

    def test_the_lab_boots(target):
        result = target.get_driver("PxeromDriver").boot("tftp://10.0.0.1/undionly.kpxe")
        assert result["outcome"] == "ok", result["status"]

labgrid acquires the place; the line is opened for each boot, and closed after it.
"""

from pxebench.board.booting import boot
from pxebench.lab.grid import Driver, attr, step, target_factory, url_of


@target_factory.reg_driver
@attr.s(eq=False)
class PxeromDriver(Driver):
    """`config`: the board's settings (a mapping, or the path of a config.json), `board`: its
    kind, `mount`: pxerom from this PC; each as on the command line of `pxebench fetch`."""

    bindings = {"port": {"SerialPort", "NetworkSerialPort"}}

    config = attr.ib(default=None)
    board = attr.ib(default=None)
    mount = attr.ib(default=False)

    @Driver.check_active
    @step(args=["url", "rom"], result=False)
    def boot(self, url, rom="intel-undi", out=None, max_time_s=None):
        """Boot `url` as `rom` (an id, a file or a dict); the result, as `--json` gives it.
        Raises `pxebench.job.Refused` when the board or the job is not in order."""
        place = getattr(self.port, "host", None)
        port = url_of(self.port) if place else self.port.port
        return boot(
            port, url, rom, out, max_time_s, self.config, self.board, self.mount, self._name()
        )[0]

    def _name(self):
        # The place's name, where the port came from one.
        parent = getattr(self.port, "parent", None)
        return getattr(parent, "name", None)
