"""The step `ipxe`: iPXE images of the distribution, to boot in demo and tests."""

import shutil
from pathlib import Path

from provisioning.apt import has_apt, own_apt, unpack
from provisioning.folder import (
    TOOLS,
    Failure,
    digest_of,
    is_done,
    megabytes,
    put_in_place,
    set_done,
)


def provide_ipxe():
    """The distribution's iPXE images, in .tools/ipxe."""
    digest = digest_of(__file__)
    images = TOOLS / "ipxe"
    if is_done("ipxe", digest, images / "undionly.kpxe"):
        return None
    root = Path("/")
    if has_apt():
        root = TOOLS / "apt/ipxe"
        unpack(own_apt().fetch(["ipxe"]), root)
    # Some of Debian's images are links to /boot, which is not unpacked there: real files only.
    patterns = ("usr/lib/ipxe/*", "usr/share/ipxe/*", "boot/ipxe*")
    files = [f for p in patterns for f in root.glob(p) if f.is_file() and not f.is_symlink()]
    if "undionly.kpxe" not in [f.name for f in files]:
        raise Failure("no undionly.kpxe to be had: get an iPXE image and give it as IMAGE=path")
    ready = TOOLS / "ipxe.new"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    for file in files:
        shutil.copy(file, ready)
    put_in_place(ready, images)
    set_done("ipxe", digest)
    return f"{len(list(images.iterdir()))} iPXE images in .tools/ipxe, {megabytes(images)}"
