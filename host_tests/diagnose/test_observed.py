"""What the experiments show together, where a plain reading of a result would say too much."""

import pytest
from pxebench import job
from pxebench.diagnose import observe
from pxerom.job import load_rom

_ANSWERED = {"answer": "oack", "options": [["blksize", "1456"]]}


def _boot(second):
    """A boot whose size probe went well; `second`: how its request for the file ended."""
    transfers = [
        {**job.TRANSFER, "outcome": "aborted", "server_tid": 40001},
        {**job.TRANSFER, "outcome": "timeout", "server_tid": None, **second},
    ]
    return {"result": {"transfers": transfers, "image": None, "ended": None}, "blocks": None}


@pytest.mark.parametrize(
    ("second", "unheard"),
    [
        ({}, True),
        ({"outcome": "refused"}, False),  # an OACK came that this ROM refuses
        ({"unused": "0006626c"}, False),  # one came that it ignores
        ({"server_tid": 40002}, False),
    ],
)
def test_request_after_the_probe_is_unanswered_only_where_nothing_came(second, unheard):
    flat = load_rom("intel-undi")[0]
    by = {"rom": [_boot(second)], "data": [{"asks": [_ANSWERED]}]}
    assert observe._after_probe(by, flat) is unheard
