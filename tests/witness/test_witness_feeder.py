"""The feeder between a real ledger and real witnesses, some of them away, some lying; and ledgers that lie."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from witness_parts import (
    ORIGIN,
    Feeder,
    Liar,
    WitnessProcess,
    answer,
    eventually,
    fork,
    grow,
    numbered,
    settings,
    submission,
)

from riad.ledger import verify as verifier
from riad.ledger.cosignature import Cosigner
from riad.ledger.reader import Reader

Start = Callable[..., WitnessProcess]
StartFeeder = Callable[[Path, Path], Feeder]
Lie = Callable[..., Liar]


def policy_of(data_dir: Path, config: Path) -> verifier.Policy:
    from riad import settings as riad_settings
    from riad.ledger import policy

    return policy.parse((data_dir / "ledger.vkey").read_text().splitlines(), riad_settings.load(config).ledger)


def receipt(data_dir: Path, index: int) -> bytes:
    with Reader(data_dir) as reader:
        return reader.receipt(index).encode()


def drip(connection: socket.socket) -> None:
    """Headers that never end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"x: y\r\n")
        time.sleep(0.05)


def hang(connection: socket.socket) -> None:
    connection.settimeout(60)
    connection.recv(1)


def test_a_quorum_among_the_absent_and_the_lying(
    start_witness: Start, start_feeder: StartFeeder, lie: Lie, data_dir: Path, tmp_path: Path
) -> None:
    """Two honest witnesses make the quorum of two; nothing that another answers is kept, and none delays them."""
    honest = [start_witness(), start_witness("--ml-dsa")]
    for each in honest:
        each.add_log(data_dir)
    sent = submission(data_dir, 0)
    away = Cosigner.generate("away.example")
    wrong, stolen, forged = (Cosigner.generate(f"{kind}.example") for kind in ("wrong", "stolen", "forged"))
    of_another_tree = wrong.sign(sent.checkpoint._replace(size=12).text, 1_790_000_000)
    by_somebody_else = Cosigner.generate("stolen.example").sign(sent.checkpoint.text, 1_790_000_000)
    by_log = sent.note.rpartition("\n\n")[2]
    good, bad = (forged.sign(head.text, 1_790_000_000) for head in (sent.checkpoint, sent.checkpoint._replace(size=12)))
    liars = {
        wrong: lie(answer("200 OK", of_another_tree)),
        stolen: lie(answer("200 OK", by_somebody_else)),
        forged: lie(answer("200 OK", good + bad)),
        Cosigner.generate("log.example"): lie(answer("200 OK", by_log)),
        Cosigner.generate("garbage.example"): lie(b"\x00\xff garbage\r\n\r\n"),
        Cosigner.generate("binary.example"): lie(answer("200 OK", b"\xff\x00")),
        Cosigner.generate("huge.example"): lie(lambda c: [c.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 20))]),
        Cosigner.generate("hang.example"): lie(hang),
        Cosigner.generate("drip.example"): lie(drip),
        Cosigner.generate("cut.example"): lie(answer("200 OK", "— x")[:-2]),
        Cosigner.generate("moved.example"): lie(answer("302 Found", "", extra=f"location: {honest[0].url}/\r\n")),
        Cosigner.generate("size.example"): lie(answer("409 Conflict", "9" * 400, "text/x.tlog.size")),
    }
    addresses = [
        (honest[0].url, honest[0].vkeys[0]),
        ("http://127.0.0.1:9", away.verifier.vkey),
        *((liar.url, key.verifier.vkey) for key, liar in liars.items()),
        (honest[1].url + "/", honest[1].vkeys[1]),
    ]
    config = settings(tmp_path / "riad.toml", addresses, quorum=2)
    feeder = start_feeder(data_dir, config)
    assert feeder.ready
    eventually(lambda: feeder.size() == 11 and all(liar.asked for liar in liars.values()))
    grow(data_dir, numbered(9, "b"))
    eventually(lambda: feeder.size() == 20)
    assert sorted(line.split(" ")[1] for line in feeder.witnessed.split("\n")[4:-1]) == [
        ORIGIN,
        "w.example/1",
        "w.example/2",
    ]
    vkey = (data_dir / "ledger.vkey").read_text()
    report = verifier.verify(receipt(data_dir, 15), vkey, policy_of(data_dir, config))
    assert set(report.cosigned) == {"w.example/1", "w.example/2"}
    assert report.asked == 15
    told = {each["witness"]: each for each in feeder.status()["witnesses"]}
    assert told["w.example/1"]["failure"] == ""
    assert told["away.example"]["failure"]
    assert told["moved.example"]["size"] is None
    assert feeder.status()["alarm"] == ""
    assert feeder.end()[0] == 0


def test_without_the_quorum_nothing_is_witnessed(
    start_feeder: StartFeeder, witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    away = Cosigner.generate("away.example").verifier.vkey
    addresses = [(witness.url, witness.vkeys[0]), ("http://127.0.0.1:9", away)]
    config = settings(tmp_path / "riad.toml", addresses)  # more than half of two: both
    feeder = start_feeder(data_dir, config)
    eventually(lambda: any(each["size"] for each in feeder.status()["witnesses"]))
    assert feeder.witnessed == ""
    raw, vkey = receipt(data_dir, 3), (data_dir / "ledger.vkey").read_text()
    assert not verifier.verify(raw, vkey).cosigned
    with pytest.raises(verifier.BadReceipt) as caught:
        verifier.verify(raw, vkey, policy_of(data_dir, config))
    assert caught.value.step == 6


def test_a_new_entry_has_an_unwitnessed_receipt_until_the_next_round(
    start_feeder: StartFeeder, witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    config = settings(tmp_path / "riad.toml", [(witness.url, witness.vkeys[0])])
    feeder = start_feeder(data_dir, config)
    eventually(lambda: feeder.size() == 11)
    feeder.end()
    grow(data_dir, numbered(9, "b"))
    rule, vkey = policy_of(data_dir, config), (data_dir / "ledger.vkey").read_text()
    assert verifier.verify(receipt(data_dir, 3), vkey, rule).size == 11
    with pytest.raises(verifier.BadReceipt):
        verifier.verify(receipt(data_dir, 11), vkey, rule)
    assert verifier.verify(receipt(data_dir, 11), vkey).size == 20
    feeder = start_feeder(data_dir, config)
    eventually(lambda: feeder.size() == 20)
    assert verifier.verify(receipt(data_dir, 11), vkey, rule).cosigned


@pytest.mark.parametrize("spoiled", [b"", b"\xff", b"nonsense\n", None])
def test_a_spoiled_file_makes_receipts_unwitnessed_never_wrong(data_dir: Path, spoiled: bytes | None) -> None:
    note = submission(data_dir, 0).note
    file = data_dir / "ledger.witnessed"
    file.write_bytes(note.replace("\n11\n", "\n12\n").encode() if spoiled is None else spoiled)
    report = verifier.verify(receipt(data_dir, 3), (data_dir / "ledger.vkey").read_text())
    assert (report.size, report.cosigned) == (11, {})


def test_a_witness_that_comes_back_is_asked_again(
    start_feeder: StartFeeder, witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    feeder = start_feeder(data_dir, settings(tmp_path / "riad.toml", [(witness.url, witness.vkeys[0])]))
    eventually(lambda: feeder.size() == 11)
    witness.stop(signal.SIGKILL)
    grow(data_dir, numbered(5, "b"))
    eventually(lambda: feeder.status()["witnesses"][0]["failure"])
    assert feeder.size() == 11
    witness.start()
    eventually(lambda: feeder.size() == 16)
    _, said = feeder.end()
    assert "did not cosign" in said
    assert "cosigns again" in said


def test_two_histories_shown_to_two_witnesses(
    start_witness: Start, start_feeder: StartFeeder, data_dir: Path, tmp_path: Path
) -> None:
    """Each alone is content; the quorum of both is reached by neither history, and the second view is refused."""
    one, two = start_witness(), start_witness()
    for each in (one, two):
        each.add_log(data_dir)
    other = fork(data_dir, tmp_path / "other")
    grow(data_dir, numbered(4, "mine"))
    grow(other, numbered(7, "theirs"))
    assert one.post(submission(data_dir, 0).body)[0] == 200
    assert two.post(submission(other, 0).body)[0] == 200
    addresses = [(each.url, each.vkeys[0]) for each in (one, two)]
    config = settings(tmp_path / "riad.toml", addresses, quorum=2)
    feeder = start_feeder(other, config)
    status, said = feeder.end()
    assert (feeder.ready, status) == (False, 1)
    assert "w.example/1 has cosigned another history" in said
    assert "docs/reference/witness.md" in said
    assert not (other / "ledger.witnessed").exists()
    assert len(one.command("status", status=1)["forks"]) == 1
    feeder = start_feeder(data_dir, config)
    assert (feeder.ready, feeder.end()[0]) == (False, 1)  # its own history is smaller than the second witness's
    assert not (data_dir / "ledger.witnessed").exists()


def test_a_ledger_that_was_rolled_back_is_noticed(
    start_feeder: StartFeeder, witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    """One witness that shows a checkpoint signed by the ledger's own key is enough, whatever the quorum."""
    away = [("http://127.0.0.1:9", Cosigner.generate(f"away{n}.example").verifier.vkey) for n in range(2)]
    config = settings(tmp_path / "riad.toml", [*away, (witness.url, witness.vkeys[0])], quorum=3)
    backup = fork(data_dir, tmp_path / "backup")
    grow(data_dir, numbered(9, "b"))
    assert start_feeder(data_dir, config).ready
    feeder = start_feeder(backup, config)
    status, said = feeder.end()
    assert (feeder.ready, status) == (False, 1)
    assert "has seen 20 entries of this ledger, but it holds 11" in said
    assert feeder.status()["alarm"]
    assert witness.command("status")["forks"] == []
    grow(backup, numbered(12, "c"))  # and once it has gone on from there, it is another history
    feeder = start_feeder(backup, config)
    assert (feeder.ready, feeder.end()[0]) == (False, 1)
    assert start_feeder(data_dir, config).ready  # the way back: the newest copy


def test_a_bare_word_counts_as_much_as_the_quorum(
    start_feeder: StartFeeder, lie: Lie, data_dir: Path, tmp_path: Path
) -> None:
    """One that lies about what it has seen cannot stop a platform whose quorum is two; two can."""
    liars = [lie(answer("409 Conflict", "1000000\n", "text/x.tlog.size")) for _ in range(2)]
    keys = [Cosigner.generate(f"w.example/{n}").verifier.vkey for n in range(3)]
    one = [(liars[0].url, keys[0]), ("http://127.0.0.1:9", keys[1]), ("http://127.0.0.1:9", keys[2])]
    feeder = start_feeder(data_dir, settings(tmp_path / "one.toml", one))
    assert feeder.ready
    eventually(lambda: feeder.status()["witnesses"][0]["accuses"])
    assert feeder.status()["alarm"] == ""
    assert "has seen 1000000 entries" in feeder.end()[1]
    two = [(liars[0].url, keys[0]), (liars[1].url, keys[1]), ("http://127.0.0.1:9", keys[2])]
    feeder = start_feeder(data_dir, settings(tmp_path / "two.toml", two))
    assert (feeder.ready, feeder.end()[0]) == (False, 1)


@pytest.mark.parametrize(
    "forged",
    ["", "nonsense", "\udcff", "{note}", "{bigger_note}", "{stranger}"],
)
def test_a_forged_proof_proves_nothing(
    start_feeder: StartFeeder, lie: Lie, data_dir: Path, tmp_path: Path, forged: str
) -> None:
    """A larger size that only somebody else's key signed, or a note of ours with its size changed."""
    sent = submission(data_dir, 0)
    stranger = Cosigner.generate("stranger.example")
    made = {
        "note": sent.note,
        "bigger_note": sent.note.replace("\n11\n", "\n99\n"),
        "stranger": f"{ORIGIN}\n99\n{'A' * 43}=\n\n" + stranger.sign(sent.checkpoint.text, 5),
    }
    body = forged.format(**made).encode(errors="surrogateescape")

    def reply(connection: socket.socket) -> None:
        connection.sendall(answer("409 Conflict", "1000000\n", "text/x.tlog.size"))

    class Both(Liar):
        def _one(self, connection: socket.socket) -> None:
            with connection:
                asked = connection.recv(65536)
                self.asked += 1
                connection.sendall(answer("200 OK", body)) if asked.startswith(b"GET") else reply(connection)

    liar = Both(b"")
    keys = [Cosigner.generate(f"w.example/{n}").verifier.vkey for n in range(3)]
    addresses = [(liar.url, keys[0]), ("http://127.0.0.1:9", keys[1]), ("http://127.0.0.1:9", keys[2])]
    feeder = start_feeder(data_dir, settings(tmp_path / "riad.toml", addresses))
    assert feeder.ready
    eventually(lambda: liar.asked > 1)
    feeder.end()
    liar.close()
    assert feeder.status()["alarm"] == ""


@pytest.mark.parametrize(
    ("key", "quorum", "says"),
    [
        ("nonsense", 0, "ledger.witnesses"),
        ("a+b+c", 0, "ledger.witnesses"),
        (None, 2, "quorum"),
        (None, -1, "quorum"),
    ],
)
def test_bad_settings(
    start_feeder: StartFeeder, data_dir: Path, tmp_path: Path, key: str | None, quorum: int, says: str
) -> None:
    given = Cosigner.generate("w.example").verifier.vkey if key is None else key
    feeder = start_feeder(data_dir, settings(tmp_path / "riad.toml", [("http://127.0.0.1:9", given)], quorum=quorum))
    status, said = feeder.end()
    assert (feeder.ready, status) == (False, 2)
    assert says in said
    assert "Traceback" not in said


def test_without_a_ledger(start_feeder: StartFeeder, tmp_path: Path) -> None:
    key = Cosigner.generate("w.example").verifier.vkey
    feeder = start_feeder(tmp_path / "none", settings(tmp_path / "riad.toml", [("http://127.0.0.1:9", key)]))
    status, said = feeder.end()
    assert (feeder.ready, status) == (False, 1)
    assert "There is no ledger" in said


def test_it_ends_with_its_supervisor(
    start_feeder: StartFeeder, witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    feeder = start_feeder(data_dir, settings(tmp_path / "riad.toml", [(witness.url, witness.vkeys[0])]))
    assert feeder.ready
    assert feeder.process.stdin is not None
    feeder.process.stdin.close()
    assert feeder.process.wait(30) == 0
    feeder.process.stdin = None
