"""Files on disk: the old one or the new one, whole, and never anything between."""

from pxerom import runtime, sink
from pxerom.failure import Refused

from host_tests.core.check import Folder, Patch, raises, rom, same
from host_tests.core.fakenet import FakeNet, FileServer, Run, Tape, pattern, silence
from host_tests.core.packets import ack, error


class _Broken:
    """A file on which one step fails with an errno: no space, no more quota, no medium."""

    def __init__(self, path, step, errno):
        self._file = open(path, "wb")
        self._step = step
        self._errno = errno
        self.closed = False

    def write(self, view):
        if self._step == "write":
            raise OSError(self._errno, "")
        return self._file.write(view)

    def close(self):
        self._file.close()
        if self._step == "close" and not self.closed:
            self.closed = True
            raise OSError(self._errno, "")


def test_file_appears_only_when_it_is_whole():
    """R-SEC-9, R-SEC-24: NAME.part until then, the old file untouched."""
    with Folder() as folder:
        path = folder.put("image", b"old")
        target = sink.File(path)
        target.open()
        target.write(memoryview(b"new ")[1:])
        same((folder.names(), folder.read("image")), (["image", "image.part"], b"old"))
        target.write(memoryview(b"bytes"))
        target.commit()
        same((folder.names(), folder.read("image")), (["image"], b"ew bytes"))
        target.abort()
        same((folder.names(), folder.read("image")), (["image"], b"ew bytes"))


def test_failed_file_leaves_no_part_and_the_old_one():
    with Folder() as folder:
        path = folder.put("image", b"old")
        target = sink.File(path)
        target.abort()
        target.open()
        target.write(b"half")
        target.abort()
        target.abort()
        same((folder.names(), folder.read("image")), (["image"], b"old"))


def test_disk_that_gives_out_is_ours_and_leaves_no_part():
    """R-TFTP-58: at a write, and at the close that shows what a buffer had hidden."""
    for step in ("write", "close"):
        for errno, words in (
            (28, "no space left"),
            (122, "disk quota exceeded"),
            (27, "too large"),
        ):
            with Folder() as folder:
                path = folder.put("image", b"old")

                def broken(part, step=step, errno=errno):
                    return _Broken(part, step, errno)

                with Patch(runtime, "open_for_writing", broken):
                    run = Run(
                        rom("os-client"), FileServer(pattern(1100)), sink=Tape(sink.File(path))
                    )
                same((run.code(), run.result["status"]["side"]), ("PXE-E3A", "ours"))
                assert words in run.result["status"]["detail"], run.result["status"]
                assert path in run.result["status"]["detail"]
                last = error(3, "Disk full or allocation exceeded")
                same(run.packets()[-2:], [ack(1 if step == "write" else 2), last])
                same((folder.names(), folder.read("image")), (["image"], b"old"))


def test_target_that_cannot_take_the_name_is_told_to_the_server():
    """R-TFTP-58: the rename fails after the last block, before its ACK."""

    def refuse(old, new):
        raise OSError(30, "")

    with Folder() as folder:
        path = folder.put("image", b"old")
        with Patch(runtime, "replace", refuse):
            run = Run(rom("os-client"), FileServer(pattern(9)), sink=Tape(sink.File(path)))
        same((run.code(), folder.names(), folder.read("image")), ("PXE-E3A", ["image"], b"old"))
        same(run.packets()[-1], error(3, "Disk full or allocation exceeded"))


def test_unwritable_target_is_refused_before_anything_is_sent():
    with Folder() as folder:
        for path, words in (
            (folder.at("no/such"), "no such file or folder"),
            (folder.put("file", b"") + "/x", "a part of the path is no folder"),
            (folder.path, "it is a folder"),
            ("/dev/null", "it is no ordinary file"),
        ):
            if path == "/dev/null" and runtime.no_file("/dev") is None:
                continue  # a board has no devices in its file system
            refusal = raises(Refused, _boot_into, path)
            same(refusal.exit_code, 3)
            assert path in refusal.message and words in refusal.message, refusal.message
        same(folder.names(), ["file"])


def _boot_into(path):
    net = FakeNet(rom("os-client"), silence)
    try:
        Run(rom("os-client"), None, net=net, sink=Tape(sink.File(path)))
    finally:
        same((net.sent, net.closed), ([], True))


def test_interrupt_at_any_step_leaves_the_old_file_or_the_whole_new_one():
    """R-SEC-7: between any two calls that the boot makes, the rename included."""
    content = pattern(1100)
    flat = rom("os-client")
    with Folder() as folder:
        path = folder.put("image", b"old")
        steps = Run(flat, FileServer(content), sink=Tape(sink.File(path))).net.steps
        for step in range(1, steps + 1):
            folder.put("image", b"old")
            run = Run(flat, FileServer(content), sink=Tape(sink.File(path)), interrupt_at=step)
            same((run.result["ended"]["by"], run.net.closed), ("user", True), step)
            same(folder.names(), ["image"], step)
            whole = folder.read("image") == content
            assert whole or folder.read("image") == b"old", step
            if run.result["outcome"] == "ok":
                assert whole, step


def test_interrupt_inside_the_commit_leaves_no_part():
    """Ctrl-C while a buffer is written out, or just before the rename."""

    def interrupted(old, new):
        raise KeyboardInterrupt

    class Slow(_Broken):
        def close(self):
            _Broken.close(self)
            if not self.closed:
                self.closed = True
                raise KeyboardInterrupt

    for name, value in (
        ("replace", interrupted),
        ("open_for_writing", lambda part: Slow(part, None, 0)),
    ):
        with Folder() as folder:
            path = folder.put("image", b"old")
            with Patch(runtime, name, value):
                run = Run(rom("os-client"), FileServer(b"x"), sink=Tape(sink.File(path)))
            same((run.result["ended"]["by"], run.result["outcome"]), ("user", "failed"))
            same((folder.names(), folder.read("image")), (["image"], b"old"))


def test_memory_sink_keeps_what_is_whole_and_nothing_else():
    target = sink.Memory()
    target.open()
    target.write(memoryview(b"half"))
    same(target.data, None)
    target.abort()
    same(target.data, None)
    target.write(memoryview(b"whole"))
    target.commit()
    target.abort()
    same(bytes(target.data), b"whole")


def test_free_space_is_known_for_any_way_to_write_a_path():
    """R-TFTP-27: a bare name, an absolute one, a folder."""
    with Folder() as folder:
        for path in ("image", "/image", folder.at("image")):
            room = sink.File(path).room()
            assert room is not None and room > 1 << 16, (path, room)
        room = sink.File(folder.at("no/such/image")).room()
        assert room is None or runtime.MICROPYTHON, room  # littlefs does not look at the folder


def test_sink_of_a_job_is_null_memory_or_a_file_with_a_path():
    """R-SEC-23: the path comes from the job, never from the network."""
    same(sink.make({"kind": "file", "path": "/a/b"}).path, "/a/b")
    same(sink.make({"kind": "null"}).room(), None)
    same(sink.make({"kind": "memory"}).room(), None)
    for spec in (
        {},
        {"kind": "file"},
        {"kind": "file", "path": ""},
        {"kind": "tape", "path": "x"},
    ):
        same(raises(Refused, sink.make, spec).exit_code, 2)


def test_name_from_the_network_never_names_a_file():
    """R-SEC-23, R-SEC-22: the requested file may be called anything."""
    with Folder() as folder:
        path = folder.at("image")
        for file in ("../../etc/passwd", "/etc/x", "$(reboot)", "C:\\x", "%s%n"):
            run = Run(rom("os-client"), FileServer(b"x"), file, sink=Tape(sink.File(path)))
            same((run.result["outcome"], folder.names()), ("ok", ["image"]))
