"""The step `browser`: a headless Chromium, for the tests of pages.

Only `make test` needs it: it is 100 MB to fetch and 310 MB unpacked. It brings its fonts, so that
text is equally wide on every machine.
"""

from provisioning import apt, folder
from provisioning.servers import answer, system_program

NAME = "chromium-headless-shell"
PACKAGES = (NAME, "fonts-dejavu-core")
# Programs that do as well, where there is no apt.
OTHERS = ("chromium", "chromium-browser", "google-chrome")

FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{root}/usr/share/fonts</dir>
  <cachedir>{root}/fonts.cache</cachedir>
  <alias><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""


def provide_browser():
    """A headless Chromium, for the tests of the report."""
    root = folder.TOOLS / "browser"
    digest = folder.digest_of(__file__)
    if folder.is_done("browser", digest, folder.BIN / NAME):
        return None
    if not apt.has_apt():
        for name in OTHERS:
            path = system_program(name, ["--version"], "Chrom")
            if path:
                folder.write_wrapper(NAME, [path])
                return f"{path} is the browser"
        return f"no apt here: for the tests of the report, install {OTHERS[0]} yourself"
    with folder.replacing(root) as (new, _):
        debs = apt.unpack_programs(PACKAGES, new)
    fetched = sum(deb.stat().st_size for deb in debs) / 1e6
    (root / "fonts.conf").write_text(FONTS_CONF.format(root=root))
    # PulseAudio's own library is one folder further down, and its path is built in.
    folders = [apt.library_path(root), *(str(f) for f in root.glob("usr/lib/*/pulseaudio"))]
    folder.write_wrapper(
        NAME,
        [root / "usr/lib/chromium" / NAME],  # usr/bin has a script with a fixed path
        LD_LIBRARY_PATH=":".join(folders),
        FONTCONFIG_FILE=str(root / "fonts.conf"),
    )
    said = answer([folder.BIN / NAME, "--version"])
    if "Chrom" not in said:
        said = said.strip().partition("\n")[0]
        raise folder.Failure(f"the browser of the package {NAME} does not start: {said!r}")
    folder.set_done("browser", digest)
    return f"{said.strip()}, {fetched:.0f} MB fetched, {folder.megabytes(root)} in .tools/browser"
