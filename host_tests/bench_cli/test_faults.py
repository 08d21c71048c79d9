"""`--fault` as a user meets it: refused where it is nonsense, the same on every endpoint."""

import json

import dpkt
import pytest
from pxebench import faults, job


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["rude"], "There is no fault rude; there are lose-ack, double-ack, late-ack,"),
        (["lose-ack"], "lose-ack takes percent from 1 to 100, as lose-ack:20, not nothing."),
        (["lose-ack:"], "not nothing."),
        (["lose-ack:0"], "from 1 to 100"),
        (["lose-ack:101"], "from 1 to 100"),
        (["lose-ack:2.5"], "not 2.5."),
        (["lose-ack:20%"], "not 20%."),
        (["lose-ack:\u0663"], "not \u0663."),
        (["lose-ack:" + "9" * 5000], "from 1 to 100"),
        (["lose-ack:5", "lose-ack:6"], "--fault lose-ack is given twice."),
        (["double-ack:2"], "--fault double-ack takes no number: write it as double-ack."),
        (["late-ack:60001"], "milliseconds from 1 to 60000"),
        (["silent-after:-1"], "a block's number from 0 to 65535"),
        (["abort-at:70000"], "a block's number from 0 to 65535"),
        (["silent-after:5", "abort-at:9"], "abort-at:9 would never come"),
        (["lose-ack:100", "double-ack"], "leaves no ACK"),
        (["seed:3"], "There is no fault seed"),
        (["\x1b[2J"], r"There is no fault \x1b[2J"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(words, sentence):
    with pytest.raises(job.Refused) as refusal:
        faults.parse(words)
    assert refusal.value.exit_code == 2
    assert sentence in refusal.value.message
    assert refusal.value.message.endswith(".") and len(refusal.value.message) < 6000


def test_seed_goes_with_a_fault():
    with pytest.raises(job.Refused, match="--seed"):
        faults.parse([], 1)


def test_faults_of_a_job_are_whole_numbers():
    assert faults.parse([]) is None
    assert faults.parse(["lose-ack:20", "wrong-tid"]) == {
        "seed": 1,
        "lose-ack": 20,
        "wrong-tid": 1,
    }
    assert faults.parse(["abort-at:0"], 9) == {"seed": 9, "abort-at": 0}


def test_cli_refuses_before_anything_is_sent(bench):
    run = bench.fetch("tftp://127.0.0.1:9/x", "--fault", "lose-ack:many")
    assert run.returncode == 2
    assert run.stderr == (
        "pxebench: --fault lose-ack takes percent from 1 to 100, as lose-ack:20, not many.\n"
    )


def _acks(path):
    found = []
    with open(path, "rb") as file:
        for _, packet in dpkt.pcap.Reader(file):
            udp = bytes(dpkt.ip.IP(packet).data.data)
            if udp[:2] == b"\0\4":
                found.append(int.from_bytes(udp[2:4], "big"))
    return found


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_endpoints_misbehave_alike_and_say_so(bench, served, endpoint, tmp_path):
    words = ["--rom", "os-client", "--endpoint", endpoint, "--json", "-", "--pcap", "p.pcap"]
    words += ["--fault", "lose-ack:10", "--fault", "double-ack", "--seed", "5"]
    run = bench.fetch(served.url("small.bin"), *words)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)["faults"]
    assert told["asked"] == {"double-ack": 1, "lose-ack": 10}
    # 21 blocks, and one more ACK for each that was lost: the server sent its block again.
    assert (told["seed"], told["lost"], told["acks"], told["doubled"]) == (5, 1, 22, 21)
    assert _acks(tmp_path / "p.pcap") == [n for n in range(1, 22) for _ in "12"]


@pytest.mark.parametrize("endpoint", ["local", "micropython"])
def test_transfer_that_was_called_off_on_purpose_failed_and_says_why(bench, served, endpoint):
    words = ["--rom", "os-client", "--endpoint", endpoint, "--json", "r.json"]
    run = bench.fetch(served.url("small.bin"), *words, "--fault", "abort-at:3")
    assert run.returncode == 1
    assert "The fault that was asked for ended the boot after" in run.stderr
    assert "  faults   abort-at:3: 3 ACKs were due\n" in run.stderr
    result = json.loads((bench.folder / "r.json").read_text())
    assert result["ended"]["by"] == "fault"
    assert result["transfers"][0]["error"] == {"code": 0, "message": "TFTP Aborted"}


def test_fault_of_a_killed_boot_is_reported_all_the_same(bench, served):
    words = ["--rom", "os-client", "--json", "r.json", "--fault", "silent-after:2"]
    run = bench.fetch(served.url("small.bin"), *words, "--max-time", "1")
    assert run.returncode == 1
    told = json.loads((bench.folder / "r.json").read_text())["faults"]
    assert (told["asked"], told["acks"] - told["withheld"]) == ({"silent-after": 2}, 2)


def test_unknown_tid_that_a_real_server_meets_changes_nothing(bench, served):
    words = ["--rom", "os-client", "--json", "-", "--fault", "wrong-tid"]
    run = bench.fetch(served.url("small.bin"), *words)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)["faults"]
    assert (told["strange"], told["acks"]) == (21, 21)


def test_normal_fetch_says_nothing_of_faults(bench, served):
    run = bench.fetch(served.url("small.bin"), "--rom", "os-client", "--json", "-")
    assert json.loads(run.stdout)["faults"] is None
    assert "faults" not in run.stderr
