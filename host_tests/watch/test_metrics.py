"""`watch --metrics`: read as Prometheus reads it, and never half written."""

import os

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pxebench.job import Refused
from pxebench.watch import memory, metrics

from host_tests.watch.test_memory import WHAT, _boot

_STARTED = "2026-11-23T00:05:00Z"


def _read(entry):
    # {metric: (value, labels)} as Prometheus' own parser has them.
    families = list(text_string_to_metric_families(metrics.text(entry)))
    assert all(family.documentation and family.type == "gauge" for family in families)
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.timestamp is None for sample in samples)
    return {sample.name: (sample.value, sample.labels) for sample in samples}


def test_boot_that_went_well():
    found = _read(_boot(elapsed_ms=120, started=_STARTED))
    assert found["pxebench_boot_up"][0] == 1 and found["pxebench_boot_tried"][0] == 1
    assert found["pxebench_boot_duration_seconds"][0] == 0.12
    assert found["pxebench_boot_size_bytes"][0] == 74213
    assert found["pxebench_boot_timestamp_seconds"][0] == 1795392300
    labels = {name: WHAT[name] for name in ("server", "file", "rom", "endpoint")}
    assert found["pxebench_boot_requests"] == (2, labels)


def test_boot_that_failed_says_its_code():
    found = _read(_boot(outcome="failed", started=_STARTED))
    assert found["pxebench_boot_up"][0] == 0
    assert found["pxebench_boot_info"][1]["code"] == "PXE-E32"


def test_boot_that_could_not_be_tried_is_no_failure():
    found = _read(memory.entry(WHAT, _STARTED, refused="No board on /dev/ttyUSB0."))
    assert found["pxebench_boot_tried"][0] == 0 and "pxebench_boot_up" not in found


def test_any_name_of_a_file_is_a_label():
    name = 'pxe\\"{}\n\udcff=1'
    found = _read(_boot(started=_STARTED, file=name))
    assert found["pxebench_boot_up"][1]["file"] == name.replace("\udcff", "?")


def test_file_is_replaced_as_a_whole_and_others_may_read_it(tmp_path):
    path = tmp_path / "pxe.prom"
    path.write_text("what was there")
    open_before = path.open()
    os.umask(0o022)
    metrics.store(str(path), _boot(started=_STARTED))
    assert open_before.read() == "what was there"
    assert os.listdir(tmp_path) == ["pxe.prom"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_text().endswith("} 1\n")


def test_what_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "pxe.prom").mkdir()
    with pytest.raises(Refused, match="Cannot write .*pxe.prom for --metrics: Is a directory"):
        metrics.store(str(tmp_path / "pxe.prom"), _boot(started=_STARTED))
    assert os.listdir(tmp_path) == ["pxe.prom"]


def test_name_that_the_collector_passes_over_is_refused():
    with pytest.raises(Refused, match=r"end in \.prom"):
        metrics.check("pxe.txt")
