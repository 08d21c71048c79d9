"""Power-up of a board: config.json in, the boots it asks for, result.json out.

Left to others: the link (`link` and `nic` of the board's folder), the boot (`pxerom.fetch`), the
ROM's screen (`pxerom.screen`). The fields of config.json are the table `FIELDS`, those of its
`link` are `link.FIELDS`; boards/README.md explains both.

1. A config that cannot be used ends in one sentence: the field, and what was expected there. No
   value is shown: one of them is the Wi-Fi password. Only `link.connect` gets the settings.
2. However it ends (a failure, a broken config, Ctrl-C), the prompt works afterwards: a running
   watchdog cannot be stopped, so it is still fed.
3. The outcome is on the screen and in result.json; the next boot reads neither.
"""

import json
import sys

from nic import MISSING, LinkDown, SettingError, check, text, whole
from pxerom import agent, job, runtime
from pxerom.failure import Refused
from pxerom.runtime import is_ipv4, is_uuid, sleep_ms, ticks_add, ticks_diff, ticks_ms

# The RP2040's watchdog cannot wait any longer; a boot feeds it about once a second, erasing flash
# may take half of one.
_WATCHDOG_MAX_MS = 8388 if sys.platform == "rp2" else 60000


def _watchdog(value):
    return whole(5000, _WATCHDOG_MAX_MS)(value)


def _rom(value):
    return isinstance(value, dict) or text(1, 200)(value)


def _server(value):
    return value == "dhcp" or is_ipv4(value) and 0 < int(value.split(".")[0]) < 224


def _menu(value):
    return value == "first" or whole(1, 99)(value)


def _settings(value):
    return isinstance(value, dict)


def _lease(value):
    return value in ("dhcp", "stack")


_FILE = "the name of the file to boot, 1 to 400 bytes"

# name, default, what is expected, the test
FIELDS = (
    ("board", None, "the name of a folder of boards/, or null", text(1, 40)),
    ("link", MISSING, "an object with the settings of the board's link", _settings),
    ("rom", "intel-undi", "the id of a ROM, or the path of its file", _rom),
    ("server", MISSING, "dhcp, or the numeric IPv4 address of a TFTP server", _server),
    ("port", 69, "a whole number 1..65535", whole(1, 65535)),
    ("file", None, _FILE, text(1, 400)),
    ("lease", "dhcp", "dhcp, or stack for the address of the board's own", _lease),
    ("release", False, "true or false", lambda value: value is True or value is False),
    ("uuid", None, "a UUID as 32 hexadecimal digits, or null", is_uuid),
    ("menu", None, "the number of an entry, first, or null for keys and time-out", _menu),
    ("image", None, "the name of a file to keep the image in, or null", text(1, 200)),
    ("every_s", None, "a whole number 1..86400, or null to boot once", whole(1, 86400)),
    (
        "watchdog_ms",
        None,
        "a whole number 5000..%d, or null for no watchdog" % _WATCHDOG_MAX_MS,
        _watchdog,
    ),
    ("max_time_s", None, "a whole number 1..3600, or null", whole(1, 3600)),
)

# What a job takes as it is; the link's settings are not among them (rule 1).
_JOB = ("server", "port", "file", "lease", "release", "uuid", "menu")


def checked(settings, link_fields):
    """The settings with defaults in place, those of the link too (`link.FIELDS`); also the bench's
    check before it deploys a config. Raises SettingError."""
    settings = check(settings, FIELDS)
    settings["link"] = check(settings["link"], link_fields, "link")
    if settings["server"] == "dhcp":
        if settings["file"] is not None:
            raise SettingError("file: DHCP names it where server is dhcp, expected none")
        if settings["link"].get("address"):
            settings["lease"] = "stack"  # with a static address DHCP is not asked
    elif settings["file"] is None:
        raise SettingError("file: is missing, expected " + _FILE)
    return settings


def read(path):
    """What a config file holds. Raises SettingError."""
    try:
        with open(path) as file:
            return json.load(file)
    except OSError:
        raise SettingError("cannot be read; `pxebench board deploy --config FILE` puts one here")
    except ValueError:
        raise SettingError("is not valid JSON, look for a missing comma, quote or brace")


def run(folder="", write=runtime.write_out):
    """Boot as the config file in `folder` says; returns the last result, or None without one."""
    try:
        return _run(folder, write)
    except SettingError as error:
        write("config.json: %s.\n" % error)
    except ImportError as error:
        write("This board lacks a part of pxerom, or has the wrong firmware: %s.\n" % error)
    except MemoryError:
        write("\nThis board has not enough memory left; a reset gives it back.\n")
    except KeyboardInterrupt:
        write("\nStopped by Ctrl-C.\n")
    return None


def _run(folder, write):
    import link

    settings = checked(read(folder + "config.json"), link.FIELDS)
    feed = _watchdog_feeder(settings["watchdog_ms"])
    result = None
    try:
        while True:
            result = _boot(settings, link, write, feed)
            _keep(result, folder + "result.json", write)
            every_s = settings["every_s"]
            if not every_s or _by_user(result):
                return result
            write("The next boot is in %d s; Ctrl-C stops.\n" % every_s)
            _rest(every_s * 1000, feed)
    finally:
        if feed:
            _feed_on(feed)


def _by_user(result):
    return result.get("ended") and result["ended"]["by"] == "user"


# --- one boot ------------------------------------------------------------------------------------


def _boot(settings, link, write, feed):
    # The link, then the boot, as one result.
    mac = None
    boots = settings["server"] == "dhcp"
    try:
        runtime.tidy()
        write("Bringing the link up.\n")
        nic = link.connect(settings["link"], feed, boots and settings["lease"] == "dhcp")
        mac = nic.mac
        write("%s, %s, %s, mask %s" % (nic.name, nic.mac, nic.ip, nic.mask))
        write(", gateway %s\n\n" % nic.gateway)
        result = _run_job(settings, boots, write, feed, nic)
    except LinkDown as down:
        status = down.status()
        write("%s: %s\n" % (status["code"], status["text"]))
        rom = settings["rom"]
        result = job.result(rom if isinstance(rom, str) else None, status=status)
    result["endpoint"] = {
        "kind": "board",
        "runtime": runtime.version(),
        "board": settings["board"],
        "mac": mac,
    }
    result.setdefault("lease", None)
    write("\n%s\n" % _summary(result))
    return result


def _run_job(settings, boots, write, feed, nic):
    # The settings as a job; its events go to the screen only.
    try:
        loaded = job.load_rom(settings["rom"], boots)
    except Refused as refusal:
        return _refused(refusal.message)
    rom = loaded[0]
    _tell_room(settings, rom, write)
    wanted = {name: settings[name] for name in _JOB}
    if boots:
        wanted["job"] = "boot"
        del wanted["server"]  # the word "dhcp", not an address
        from pxerom.boot import pressed as keys
        from pxerom.screen_boot import BootScreen as Screen
    else:
        wanted["job"] = "fetch"
        keys = None
        from pxerom.screen import Screen
    wanted["sink"] = _sink(settings)
    wanted["max_time_ms"] = settings["max_time_s"] and settings["max_time_s"] * 1000
    screen = Screen(rom, write)

    def show(event):
        screen.event(event)
        if event["event"] == "warning":
            write("%s\n" % event["text"])

    result = agent.run(wanted, show, feed, nic, keys, loaded)
    return _refused(result["message"]) if result.pop("event") == "refused" else result


def _refused(message):
    return {"schema": 1, "outcome": "refused", "message": message}


def _tell_room(settings, rom, write):
    # A ROM that asks for the size refuses a file that is too large before its first block.
    for request in rom["tftp"]["requests"]:
        for name, _ in request["options"]:
            if name.lower() == "tsize":
                return
    free = runtime.free_bytes(settings["image"]) if settings["image"] else None
    if free is not None:
        write(
            "%s may have %d bytes. This ROM does not ask the server for the size of the file: a "
            "larger one is noticed only when the flash is full.\n\n" % (settings["image"], free)
        )


def _sink(settings):
    image = settings["image"]
    return {"kind": "file", "path": image} if image else {"kind": "null"}


def _summary(result):
    # A line for what the ROM's own screen does not show.
    image = result.get("image")
    if image:
        return "%s, %d bytes, SHA-256 %s" % (image["kind"], image["bytes"], image["sha256"])
    status = result.get("status")
    if status:
        return "%s %s" % (_sentence(status["detail"]), status["advice"])
    ended = result.get("ended")
    if ended:
        return "Stopped by Ctrl-C."
    return result.get("message", "")


def _sentence(words):
    return words if words[-1:] == "." else words + "."


def _keep(result, path, write):
    # The old result stays until the new one is whole.
    try:
        with open(path + ".part", "w") as file:
            json.dump(result, file)
        runtime.replace(path + ".part", path)
    except OSError as error:
        write("Cannot write %s: %s.\n" % (path, runtime.why(error)))


# --- waiting and the watchdog --------------------------------------------------------------------


def _rest(wait_ms, feed):
    end = ticks_add(ticks_ms(), wait_ms)
    while ticks_diff(end, ticks_ms()) > 0:
        if feed:
            feed()
        sleep_ms(min(500, max(1, ticks_diff(end, ticks_ms()))))


def _watchdog_feeder(watchdog_ms):
    if watchdog_ms is None:
        return None
    from machine import WDT

    return WDT(timeout=watchdog_ms).feed


def _feed_on(feed):
    from machine import Timer

    try:
        timer = Timer(-1)  # rp2: a timer of software
    except ValueError:
        timer = Timer(0)  # ESP32 before 1.27 has only those of hardware
    timer.init(period=1000, callback=lambda timer: feed())
