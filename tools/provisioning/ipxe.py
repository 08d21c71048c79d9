"""The step `ipxe`: iPXE images of the distribution, to boot in demo and tests."""

import shutil
from pathlib import Path

from provisioning import apt, folder


def provide_ipxe():
    """The distribution's iPXE images, in .tools/ipxe."""
    digest = folder.digest_of(__file__)
    images = folder.TOOLS / "ipxe"
    if folder.is_done("ipxe", digest, images / "undionly.kpxe"):
        return None
    root = Path("/")
    if apt.has_apt():
        root = folder.TOOLS / "apt/ipxe"
        apt.unpack(apt.own_apt().fetch(["ipxe"]), root)
    # Some of Debian's images are links to /boot, which is not unpacked there: real files only.
    patterns = ("usr/lib/ipxe/*", "usr/share/ipxe/*", "boot/ipxe*")
    files = [f for p in patterns for f in root.glob(p) if f.is_file() and not f.is_symlink()]
    if "undionly.kpxe" not in [f.name for f in files]:
        raise folder.Failure(
            "no undionly.kpxe to be had: get an iPXE image and give it as IMAGE=path"
        )
    with folder.replacing(images) as (new, _):
        for file in files:
            shutil.copy(file, new)
    folder.set_done("ipxe", digest)
    return f"{len(list(images.iterdir()))} iPXE images in .tools/ipxe, {folder.megabytes(images)}"
