"""A ROM that reads the configuration of PXELINUX itself: the names after its file, the entry."""

from pxerom import pxelinux_cfg

from host_tests.core.bootrun import CONTENT, Job, dhcp_for_file
from host_tests.core.check import same
from host_tests.core.fakelan import LEASE, MAC, option
from host_tests.core.fakenet import FileServer, silence
from host_tests.core.packets import error

_BY_MAC = "pxelinux.cfg/01-" + MAC.replace(":", "-")
_BY_IP = ["pxelinux.cfg/" + "0A00004D"[:size] for size in range(8, 0, -1)]
_ALL = [_BY_MAC] + _BY_IP + ["pxelinux.cfg/default"]
_CONFIG = b"""\
# for one machine
DEFAULT two
LABEL one
 KERNEL other
label two
\tkernel kernel.img
\tinitrd initrd.img
 append console=ttysclp0
"""


class _Files:
    # A server of several files; "File not found" for any other name.
    def __init__(self, **files):
        self.files = {name.replace("__", "/"): content for name, content in files.items()}
        self.server = None
        self.tid = 45000

    def __call__(self, packet, local_port, port):
        if packet[1] != 1:
            return self.server(packet, local_port, port) if self.server else ()
        name = bytes(packet[2 : packet.index(b"\0", 2)]).decode()
        self.tid += 1
        if name not in self.files:
            self.server = None
            return ((1, self.tid, error(1, "File not found")),)
        self.server = FileServer(self.files[name])
        self.server.tid = self.tid
        return self.server(packet, local_port, port)


def _asked(job):
    return [each["file"] for each in job.result["transfers"]]


def test_names_after_a_file_that_is_missing_are_those_of_the_capture():
    """clients-2.md section 2: the MAC, the address digit by digit, default; all from 2001."""
    job = Job("s390x", dhcp_for_file(), _Files())
    same(_asked(job), ["undionly.kpxe"] + _ALL)
    ports = [r["source_port"] for each in job.result["transfers"] for r in each["requests"]]
    same((set(ports), job.code()), ({2001}, "PXE-E3B"))
    assert "then each of 10 pxelinux.cfg names failed, too" in job.result["status"]["detail"]
    same(job.result["lease"]["released"], True)


def test_each_silent_name_takes_its_21_seconds():
    job = Job("s390x", dhcp_for_file(), silence)
    first = [each["requests"][0]["at_ms"] for each in job.result["transfers"]]
    same(first, [number * 21000 for number in range(11)])
    same([len(each["requests"]) for each in job.result["transfers"]], [6] * 11)


def test_without_a_boot_file_the_configurations_are_asked_at_once():
    for file in (b"", b"s390/"):
        job = Job("s390x", dhcp_for_file(file=file), _Files())
        folder = file.decode()
        same(_asked(job)[0], folder + _BY_MAC)
        same(job.result["boot"]["file_by"], "ROM")
    job = Job("s390x", dhcp_for_file(file=b"s390/kernel"), _Files())
    same(_asked(job)[:2], ["s390/kernel", "s390/" + _BY_MAC])


def test_options_209_and_210_and_the_uuid_come_in_their_place():
    options = LEASE + option(209, "my.cfg") + option(210, "/tftp/")
    uuid = "4c4c4544-0034-3310-8052-B7C04F4A4E31"
    job = Job("s390x", dhcp_for_file(options=options), _Files(), uuid=uuid)
    same(_asked(job)[1:4], ["/tftp/my.cfg", "/tftp/" + uuid.lower(), "/tftp/" + _BY_MAC[13:]])


def test_kernel_and_initrd_of_the_entry_are_fetched_and_the_kernel_is_the_image():
    files = {"pxelinux.cfg__default": _CONFIG, "kernel.img": CONTENT, "initrd.img": b"initrd"}
    job = Job("s390x", dhcp_for_file(), _Files(**files))
    same(_asked(job)[-3:], ["pxelinux.cfg/default", "kernel.img", "initrd.img"])
    same((job.result["outcome"], job.result["image"]["bytes"]), ("ok", len(CONTENT)))
    same(job.result["status"], None)
    del files["initrd.img"]
    job = Job("s390x", dhcp_for_file(), _Files(**files))
    same((job.result["outcome"], job.code()), ("failed", "PXE-E3B"))


def test_first_configuration_counts_even_without_a_kernel():
    files = {"pxelinux.cfg__0A00004D": b"label x\n append y\n", "pxelinux.cfg__default": _CONFIG}
    job = Job("s390x", dhcp_for_file(), _Files(**files))
    same((_asked(job)[-1], job.code()), ("pxelinux.cfg/0A00004D", "PXE-E53"))
    same((job.result["outcome"], job.result["image"]), ("failed", None))


def test_boot_that_the_bench_ends_goes_on_to_no_name():
    job = Job("s390x", dhcp_for_file(), silence, max_time_ms=30000)
    same(_asked(job), ["undionly.kpxe", _BY_MAC])
    same(job.result["ended"]["by"], "bench")


def test_file_that_comes_is_booted_and_nothing_more_is_asked():
    job = Job("s390x", dhcp_for_file(), FileServer(CONTENT))
    same((job.result["outcome"], _asked(job)), ("ok", ["undionly.kpxe"]))


def test_entry_of_a_configuration():
    entry = pxelinux_cfg.entry
    same(entry(_CONFIG), (b"kernel.img", b"initrd.img"))
    same(entry(b"default none\nlabel a\nkernel k\n"), (b"k", None))
    for text in (b"", b"default x\n", b"kernel k\n", b"label a\nkernel \1k\n", bytes(200)):
        same(entry(text), None, text)
