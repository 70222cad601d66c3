"""Policies: C2SP tlog-policy, and the verifier that asks witnesses by one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result
from witness_parts import ORIGIN, grow, numbered, settings, submission

from riad.cli.ledger import app
from riad.errors import BadRequest, BadSettings
from riad.ledger import verify as verifier
from riad.ledger.cosignature import ED25519, ML_DSA_44, Cosigner, MLDSA44PrivateKey
from riad.ledger.note import Signer
from riad.ledger.reader import Reader
from riad.ledger.verify import BadPolicy, BadReceipt, Policy, parse_policy, verify

LOG = Signer(ORIGIN, bytes(range(32))).verifier.vkey
MORE = ML_DSA_44 if MLDSA44PrivateKey is not None else ED25519
WITNESSES = [Cosigner(f"w.example/{n}", MORE if n == 5 else ED25519, bytes([n]) * 32) for n in range(6)]
NAMED = "".join(f"witness W{n} {each.verifier.vkey}\n" for n, each in enumerate(WITNESSES))
NESTED = NAMED + (
    "group X 2 W0 W1 W2\n"
    "group\tY   any W3 W4 W5  \n"
    "# both\n"
    "  group X-and-Y all X Y\n"
    "\n"
    f"log {LOG} https://log.example/\n"
    "quorum X-and-Y"
)


def policy(text: str) -> Policy:
    return parse_policy(text.encode())


@pytest.mark.parametrize(
    ("cosigned", "reached"),
    [
        ("", False),
        ("W0 W1", False),
        ("W3 W4 W5", False),
        ("W0 W3 W4 W5", False),
        ("W0 W1 W3", True),
        ("W1 W2 W5", True),
        ("W0 W1 W2 W3 W4 W5", True),
    ],
)
def test_nested_groups(cosigned: str, reached: bool) -> None:
    parsed = policy(NESTED)
    assert parsed.logs == [LOG]
    assert parsed.reached(cosigned.split()) is reached


def test_a_quorum_of_one_witness_and_of_none() -> None:
    assert not policy(NAMED + "quorum W2\n").reached(["W1"])
    assert policy(NAMED + "quorum W2\n").reached(["W2"])
    assert policy("quorum none\n").reached([])
    names = policy(
        f"witness é\udcff {WITNESSES[0].verifier.vkey}\nquorum none\n".encode(errors="surrogateescape").decode(
            "utf-8", "replace"
        )
    )
    assert len(names.witnesses) == 1


@given(st.sets(st.sampled_from([f"W{n}" for n in range(6)])), st.sampled_from([f"W{n}" for n in range(6)]))
def test_one_more_cosignature_never_hurts(cosigned: set[str], another: str) -> None:
    parsed = policy(NESTED)
    assert parsed.reached(cosigned) <= parsed.reached({*cosigned, another})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        NAMED,
        NAMED + "quorum W9\n",
        NAMED + "quorum W1 W2\n",
        NAMED + "quorum W1\nquorum W1\n",
        "quorum W0\n" + NAMED,
        NAMED + "quorum\n",
        NAMED + "group G 3 W0 W1\nquorum G\n",
        NAMED + "group G 0 W0 W1\nquorum G\n",
        NAMED + "group G 02 W0 W1\nquorum G\n",
        NAMED + "group G most W0 W1\nquorum G\n",
        NAMED + "group G all\nquorum G\n",
        NAMED + "group G all W0 W0\nquorum G\n",
        NAMED + "group G all none\nquorum G\n",
        NAMED + "group G all H\ngroup H all G\nquorum G\n",
        NAMED + "group G all W0 W1\ngroup H all W1 W2\nquorum H\n",
        NAMED + "group W0 all W1\nquorum W0\n",
        NAMED + "group none all W1\nquorum none\n",
        f"witness none {WITNESSES[0].verifier.vkey}\nquorum none\n",
        f"witness A {WITNESSES[0].verifier.vkey}\nwitness A {WITNESSES[1].verifier.vkey}\nquorum A\n",
        f"witness A {WITNESSES[0].verifier.vkey}\nwitness B {WITNESSES[0].verifier.vkey}\nquorum A\n",
        f"witness A {WITNESSES[0].verifier.vkey[:-4]}\nquorum A\n",
        f"witness A {LOG}\nquorum A\n",
        f"witness A {WITNESSES[0].verifier.vkey} https://a b\nquorum A\n",
        f"log {WITNESSES[0].verifier.vkey}\nquorum none\n",
        f"log {LOG}\nlog {LOG}\nquorum none\n",
        "log\nquorum none\n",
        "nonsense\nquorum none\n",
        "quorum none\r\n",
        "quorum none\x00\n",
        "quorum\u00a0none\n",
    ],
)
def test_a_bad_policy_is_none(text: str) -> None:
    with pytest.raises(BadPolicy):
        policy(text)


@given(st.binary(max_size=200) | st.lists(st.sampled_from(NESTED.split() + ["\n"] * 9)).map(" ".join).map(str.encode))
def test_any_file_is_a_policy_or_refused(data: bytes) -> None:
    try:
        parsed = parse_policy(data)
    except BadPolicy:
        return
    assert parsed.reached(parsed.witnesses)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    grow(tmp_path / "data", numbered(11))
    return tmp_path / "data"


def receipt(data_dir: Path, times: dict[int, int]) -> bytes:
    """A receipt that these witnesses cosigned at these times."""
    text = submission(data_dir, 0).checkpoint.text
    with Reader(data_dir) as reader:
        raw = reader.receipt(4) + "".join(WITNESSES[number].sign(text, time) for number, time in times.items())
    return raw.encode()


def key(data_dir: Path) -> str:
    return (data_dir / "ledger.vkey").read_text().strip()


def test_the_witness_step(data_dir: Path) -> None:
    nested = policy(NESTED)
    report = verify(receipt(data_dir, {5: 1_790_000_050, 0: 1_790_000_000, 1: 1_790_000_010}), key(data_dir), nested)
    assert report.cosigned == {"w.example/0": 1_790_000_000, "w.example/1": 1_790_000_010, "w.example/5": 1_790_000_050}
    said = "\n".join(verifier.describe(report))
    assert "Witnessed: 3 of the policy's 6" in said
    assert "The entry was in the log by 2026-09-21 14:14:10 UTC" in said  # when the quorum was reached, not before
    assert "witnessed: 3 of 6" in said
    assert "unwitnessed" not in said
    with pytest.raises(BadReceipt) as caught:
        verify(receipt(data_dir, {0: 5, 1: 5}), key(data_dir), nested)
    assert caught.value.step == 6
    assert "2 of the policy's 6" in verifier.failure(caught.value)
    unasked = verify(receipt(data_dir, {0: 5, 1: 5}), key(data_dir), policy("quorum none\n"))
    assert (unasked.cosigned, unasked.strangers) == ({}, 2)


def test_a_cosignature_that_is_none_spoils_the_receipt(data_dir: Path) -> None:
    """Even where the others make the quorum: somebody changed it."""
    nested = policy(NESTED)
    good = receipt(data_dir, {0: 5, 1: 5, 3: 5})
    text = submission(data_dir, 0).checkpoint.text
    lines = [
        WITNESSES[2].sign(text.replace("\n11\n", "\n12\n"), 5),
        WITNESSES[5].sign(text.replace("\n11\n", "\n12\n"), 5),
        WITNESSES[2].sign(text, 5).replace(" ", " ")[:-6] + "A==\n",
    ]
    assert verify(good, key(data_dir), nested)
    for line in lines:
        with pytest.raises(BadReceipt):
            verify(good + line.encode(), key(data_dir), nested)
    stranger = Cosigner.generate("w.example/2").sign(text, 5)
    assert verify(good + stranger.encode(), key(data_dir), nested).strangers == 1


def test_every_changed_byte_of_a_cosignature_is_noticed(data_dir: Path) -> None:
    rule = policy(NAMED + "quorum W0\n")
    good = receipt(data_dir, {0: 1_790_000_000})
    assert verify(good, key(data_dir), rule)
    start = good.rindex("—".encode())
    for at in range(start, len(good)):
        for other in {good[at] ^ 1 << bit for bit in range(8)}:
            with pytest.raises(BadReceipt):
                verify(good[:at] + bytes([other]) + good[at + 1 :], key(data_dir), rule)


def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", verifier.__file__, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd="/", timeout=60)


def test_as_a_stranger_runs_it(data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text(NESTED.replace(LOG, key(data_dir)))
    good = receipt(data_dir, {0: 5, 1: 5, 5: 5})
    done = run("-", "--policy", file, "--json", stdin=good)
    found = json.loads(done.stdout)
    assert (done.returncode, found["witnessed"], found["of"], len(found["witnesses"])) == (0, True, 6, 3)
    assert run("-", "--policy", file, stdin=receipt(data_dir, {0: 5})).returncode == 1
    assert run("-", "--policy", file, "--key", key(data_dir), stdin=good).returncode == 0
    assert run("-", "--policy", file, "--key", LOG, stdin=good).returncode == 1
    alone = run("-", "--key", key(data_dir), stdin=good).stdout.decode()
    assert "unwitnessed: 3 other signatures, none checked" in alone
    assert "could show others another one" in alone
    file.write_text(NAMED + "quorum none\n")
    assert run("-", "--policy", file, stdin=good).returncode == 2  # it names no log
    assert run("-", "--policy", file, "--key", key(data_dir), stdin=good).returncode == 0
    for arguments in (("--policy", tmp_path / "none"), ("--policy", sys.executable), ()):
        done = run("-", *arguments, stdin=good)
        assert done.returncode == 2
        assert b"Traceback" not in done.stderr


def invoke(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def test_this_platforms_own_policy(data_dir: Path, tmp_path: Path) -> None:
    addresses = [(f"https://{n}.example", WITNESSES[n].verifier.vkey) for n in range(3)]
    options = ("--data-dir", data_dir, "--config", settings(tmp_path / "riad.toml", addresses))
    text = invoke("policy", *options).stdout
    assert json.loads(invoke("policy", *options, "--json").stdout)["policy"] == text
    parsed = policy(text)
    assert (parsed.logs, len(parsed.witnesses), parsed.quorum) == ([key(data_dir)], 3, "witnesses")
    assert parsed.groups["witnesses"][0] == 2  # more than half
    assert "https://2.example" in text
    good, poor = receipt(data_dir, {0: 5, 2: 5}), receipt(data_dir, {0: 5})
    assert "witnessed: 2 of 3" in invoke("verify", "-", *options, stdin=good).stdout
    result = invoke("verify", "-", *options, stdin=poor)
    assert (result.exit_code, "step 6 failed" in result.stdout) == (1, True)
    assert invoke("verify", "-", "--key", key(data_dir), *options, stdin=poor).exit_code == 0
    (tmp_path / "policy").write_text(text)
    assert invoke("verify", "-", "--policy", tmp_path / "policy", stdin=good).exit_code == 0
    assert invoke("verify", "-", "--policy", tmp_path / "policy", stdin=poor).exit_code == 1
    alone = invoke("policy", "--data-dir", data_dir, "--config", settings(tmp_path / "none.toml", []))
    assert alone.stdout == f"log {key(data_dir)}\nquorum none\n"


def test_bad_policies_on_the_command_line(data_dir: Path, tmp_path: Path) -> None:
    def problem(*arguments: object) -> Any:
        return invoke(*arguments, "--data-dir", data_dir, stdin=receipt(data_dir, {})).exception

    (tmp_path / "bad").write_text("nonsense\n")
    assert isinstance(problem("verify", "-", "--policy", tmp_path / "bad"), BadRequest)
    assert isinstance(problem("verify", "-", "--policy", tmp_path / "none"), BadRequest)
    twice = settings(tmp_path / "riad.toml", [("https://a.example", WITNESSES[0].verifier.vkey)] * 2)
    assert isinstance(problem("policy", "--config", twice), BadSettings)
    for url, vkey in (
        ("a.example", "x"),
        ("https://a b", "x"),
        ("https://a.example", "x y"),
        ("https://a.example", "x"),
    ):
        wrong = settings(tmp_path / "riad.toml", [(url, vkey)])
        assert isinstance(problem("policy", "--config", wrong), BadSettings)
