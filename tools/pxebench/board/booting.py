"""One fetch on a board, for programs: the pytest plugin's and labgrid's."""

from pxebench import job
from pxebench.options import read_config


def boot(
    port, url, rom="intel-undi", out=None, max_time_s=None, config=None, kind=None, mount=False,
    name=None,
):  # fmt: skip
    """Boot `url` as `rom` (an id, a file or a dict) on the board on `port`; (the result, [its
    events]).  `config`: a mapping, or the path of one; `name`: what sentences call the board.
    Raises `job.Refused` when the board or the job is not in order."""
    from pxebench.endpoints import serial

    host, number, file = job.parse_url(url)
    wanted = job.fetch_job(
        job.load_rom(rom) if isinstance(rom, str) and rom.endswith(".json") else rom,
        job.resolve(host),
        number,
        file,
        out=out,
        max_time_ms=max_time_s and round(max_time_s * 1000),
    )
    settings = read_config(config) if isinstance(config, str) else config
    events = []
    result = serial.run(wanted, events.append, port, settings, mount, kind, name=name)
    return result, events
