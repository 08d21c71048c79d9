"""Every capture of a real client: named right, or as a declared tie; never as another client."""

from pathlib import Path

import pytest

from host_tests.explain import clients, told


@pytest.mark.parametrize("tag", sorted(clients.FAMILIES))
def test_a_client_is_named_right_or_as_a_tie(tag):
    names = [name for name in clients.captures() if clients.tag(name) == tag]
    assert names, f"there is no capture of {tag}"
    wrong = {name: found for name in names if (found := clients.judged(name))[0] == "wrong"}
    assert not wrong


def test_the_table_has_every_client_and_none_is_wrong():
    text = Path(__file__).with_name("README.md").read_text("utf-8")
    text = text.split("<!-- end of clients -->")[0]
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    named = {row[1]: row[5] for row in rows if len(row) == 7}
    assert {tag: named.get(tag) for tag in clients.FAMILIES} == dict.fromkeys(clients.FAMILIES, "")


# Two programs that nothing tells apart: each is named where the other's file is not there.
_TWINS = {"atftp": {"tftp-hpa"}, "tftphpa": {"atftp", "os-client"}}


@pytest.mark.parametrize("tag", sorted(clients.MADE_FROM))
def test_without_its_own_rom_file_a_client_is_another_version_or_none_of_the_known(tag):
    names = [name for name in clients.captures() if clients.tag(name) == tag]
    others = {}
    for name in names[:: max(1, len(names) // 4)]:
        word, ids = clients.independent(name)
        if word == "other" and not set(ids) <= _TWINS.get(tag, set()):
            others[name] = ids
    assert not others


def test_every_rom_that_is_not_excluded_is_a_candidate_and_the_best_come_first():
    result = told.of(told.capture("ipxe-boot1"))
    rows = result["clients"][0]["candidates"]
    assert rows[0]["rom"].startswith("ipxe")
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    assert all(row["for"] or row["against"] for row in rows)


def test_a_machine_that_chainloads_is_two_clients_with_one_address():
    first, second = told.of(told.capture("pxelinux-boot1"))["clients"]
    assert first["ip"] == second["ip"]
    assert (first["program"], second["program"], second["of"]) == (1, 2, 2)
    assert told.best(first)[0].startswith("ipxe") and told.best(second) == ["pxelinux"]
