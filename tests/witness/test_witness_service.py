"""The witness over real sockets: what C2SP tlog-witness asks of it, and what it keeps as evidence."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from witness_parts import (
    ENVIRONMENT,
    ORIGIN,
    RIAD,
    WitnessProcess,
    fork,
    grow,
    numbered,
    post,
    submission,
)

from riad.ledger.cosignature import CosignatureVerifier
from riad.ledger.note import Checkpoint, Signer, Verifier


def signed_by_another(data_dir: Path) -> bytes:
    good = submission(data_dir, 0)
    return good._replace(note=Signer.generate(ORIGIN).sign(good.checkpoint.text)).body


def test_it_cosigns_what_extends_what_it_has_seen(witness: WitnessProcess, data_dir: Path) -> None:
    verifier = CosignatureVerifier.parse(witness.vkeys[0])
    first = submission(data_dir, 0)
    status, _, lines = witness.post(first.body)
    assert status == 200
    assert verifier.time(first.note + lines)
    grow(data_dir, numbered(9, "b"))
    second = submission(data_dir, 11)
    status, _, lines = witness.post(second.body)
    assert (status, bool(verifier.time(second.note + lines))) == (200, True)
    # The same again is cosigned again: a log that lost the answer gets another.
    again = submission(data_dir, 20)
    assert witness.post(again.body)[0] == 200


def test_both_kinds_of_key_cosign(start_witness: Callable[..., WitnessProcess], data_dir: Path) -> None:
    one = start_witness("--ml-dsa")
    one.add_log(data_dir)
    sent = submission(data_dir, 0)
    status, _, lines = one.post(sent.body)
    assert (status, len(one.vkeys), lines.count("\n")) == (200, 2, 2)
    assert all(CosignatureVerifier.parse(vkey).time(sent.note + lines) for vkey in one.vkeys)


def test_what_it_refuses(witness: WitnessProcess, data_dir: Path, tmp_path: Path) -> None:
    good = submission(data_dir, 0)
    unknown = Signer.generate("unknown.example/log")
    stranger = good._replace(note=unknown.sign(Checkpoint("unknown.example/log", 11, good.checkpoint.root).text))
    assert witness.post(b"nonsense")[0] == 400
    assert witness.post(good.body.replace(b"old 0", b"old 12"))[0] == 400
    assert witness.post(stranger.body)[0] == 404
    assert witness.post(signed_by_another(data_dir))[0] == 403
    assert witness.post(good.body.replace(b"old 0", b"old 3"))[:1] == (409,)
    assert witness.post(submission(data_dir, 3).body)[1:] == ("text/x.tlog.size", "0\n")
    assert witness.post(good._replace(proof=[bytes(32)]).body)[0] == 422  # from nothing, nothing is to be proved
    assert witness.post(good.body)[0] == 200
    assert witness.post(good.body) == (409, "text/x.tlog.size", "11\n")
    assert witness.post(b"x" * 400_000)[0] == 413
    assert witness.get("/add-checkpoint")[0] == 405
    assert witness.get("/latest?origin=unknown.example/log")[0] == 404
    assert witness.command("status")["forks"] == []


def test_an_older_copy_of_the_log_is_refused_and_accused_of_nothing(
    witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    old = fork(data_dir, tmp_path / "old")
    grow(data_dir, numbered(9, "b"))
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    for size in (0, 11):
        assert witness.post(submission(old, size).body) == (409, "text/x.tlog.size", "20\n")
    assert witness.command("status")["forks"] == []
    assert "20 entries were seen before" in witness.said


@pytest.mark.parametrize(("mine", "theirs"), [(5, 5), (4, 7)])
def test_two_histories_are_refused_and_kept_as_evidence(
    witness: WitnessProcess, data_dir: Path, tmp_path: Path, mine: int, theirs: int
) -> None:
    other = fork(data_dir, tmp_path / "other")
    grow(data_dir, numbered(mine, "mine"))
    grow(other, numbered(theirs, "theirs"))
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    second = submission(other, 11 + mine)
    status, _, _ = witness.post(second.body)
    assert status == (409 if mine == theirs else 422)
    facts = witness.command("status", status=1)
    (found,) = facts["forks"]
    vkey = (data_dir / "ledger.vkey").read_text()
    heads = [Checkpoint.parse(Verifier.parse(vkey).open(found[name])) for name in ("first", "second")]
    assert [head.size for head in heads] == [11 + mine, 11 + theirs]
    assert heads[0].root != heads[1].root
    assert "this log showed two histories" in witness.said
    assert heads[1].root.hex() in witness.said
    assert witness.post(second.body)[0] == status  # said once
    assert witness.said.count("two histories") == 1
    shown = subprocess.run(
        [*RIAD, "witness", "status", "--dir", str(witness.directory)], capture_output=True, text=True, env=ENVIRONMENT
    )
    assert (shown.returncode, "showed two histories" in shown.stdout) == (1, True)
    assert found["first"] in shown.stdout
    assert json.loads(witness.get("/")[1])["forks"] == [found]


def test_from_a_power_of_two_another_history_is_refused_and_cannot_be_proved(
    witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    """Such a proof does not name the root it starts from."""
    other = fork(data_dir, tmp_path / "other")
    grow(data_dir, numbered(5, "mine"))
    grow(other, numbered(7, "theirs"))
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    assert witness.post(submission(other, 16).body)[0] == 422
    assert witness.command("status")["forks"] == []
    assert "does not extend the 16 entries seen" in witness.said


def test_a_true_checkpoint_with_a_false_proof_accuses_nobody(witness: WitnessProcess, data_dir: Path) -> None:
    """Anybody can send that."""
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    grow(data_dir, numbered(9, "b"))
    good = submission(data_dir, 11)
    for proof in ([], good.proof[:-1], good.proof[::-1], [bytes(32), *good.proof[1:]], [*good.proof, bytes(32)]):
        assert witness.post(good._replace(proof=proof).body)[0] == 422
    assert witness.command("status")["forks"] == []
    assert witness.post(good.body)[0] == 200


def test_requests_at_once_never_cosign_two_histories(
    start_witness: Callable[..., WitnessProcess], witness: WitnessProcess, data_dir: Path, tmp_path: Path
) -> None:
    """Twelve histories of one log, each sent several times at once, through two processes on one directory."""
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    bodies = []
    for number in range(12):
        other = fork(data_dir, tmp_path / f"fork{number}")
        grow(other, numbered(3 + number % 2, f"fork{number}-"))
        bodies.append(submission(other, 11).body)
    second = subprocess.Popen(
        [*RIAD, "witness", "up", "--port", "0", "--dir", str(witness.directory), "--json"], stdout=subprocess.PIPE
    )
    try:
        assert second.stdout is not None
        lines = iter(second.stdout.readline, b"}\n")
        port = int(json.loads(b"".join(lines) + b"}")["url"].rsplit(":", 1)[1])
        go, answers = threading.Barrier(36), []

        def send(number: int) -> None:
            go.wait()
            answers.append((number % 12, post((witness.port, port)[number % 2], bodies[number % 12])[0]))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(36)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        second.terminate()
        second.wait(30)
        second.stdout.close() if second.stdout else None
    cosigned = {history for history, status in answers if status == 200}
    assert (len(answers), len(cosigned)) == (36, 1)
    seen = witness.command("logs")["logs"][0]
    (winner,) = cosigned
    assert seen["root"] in (submission(tmp_path / f"fork{winner}", 11).checkpoint.root.hex(),)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_its_memory(witness: WitnessProcess, data_dir: Path, number: int) -> None:
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    before = witness.get(f"/latest?origin={ORIGIN}")
    assert witness.stop(number) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    witness.start()
    assert witness.get(f"/latest?origin={ORIGIN}") == before
    assert witness.post(submission(data_dir, 0).body) == (409, "text/x.tlog.size", "11\n")


def test_a_crash_forgets_nothing_that_was_cosigned(witness: WitnessProcess, data_dir: Path) -> None:
    """Killed five times while a log grows: what it remembers is never behind a cosignature that left."""
    answered = [0]
    bodies, old = [], 0
    for number in range(200):
        sent = submission(data_dir, old)
        bodies.append(sent.body)
        old = sent.checkpoint.size
        grow(data_dir, numbered(1, f"{number}-"))
    for _ in range(5):
        target = answered[-1] + 20

        reached = threading.Event()

        def send(target: int = target, reached: threading.Event = reached) -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                while True:
                    seen = json.loads(witness.get("/")[1])["logs"][0]["size"]
                    status, _, lines = witness.post(bodies[seen - 10 if seen else 0])
                    assert status == 200, lines
                    answered.append(seen + 1 if seen else 11)
                    if answered[-1] >= target:
                        reached.set()

        thread = threading.Thread(target=send)
        thread.start()
        reached.wait(60)
        witness.stop(signal.SIGKILL)
        thread.join(60)
        witness.start()
        assert json.loads(witness.get("/")[1])["logs"][0]["size"] >= answered[-1]
    assert answered[-1] >= 100


def test_a_log_that_is_removed_and_added_again_is_remembered(witness: WitnessProcess, data_dir: Path) -> None:
    assert witness.post(submission(data_dir, 0).body)[0] == 200
    assert witness.command("remove-log", ORIGIN)["origin"] == ORIGIN
    assert witness.post(submission(data_dir, 11).body)[0] == 404
    assert witness.command("logs")["logs"] == []
    witness.add_log(data_dir)
    assert witness.post(submission(data_dir, 0).body) == (409, "text/x.tlog.size", "11\n")


def test_it_publishes_what_it_has_seen(witness: WitnessProcess, data_dir: Path) -> None:
    facts = json.loads(witness.get("/")[1])
    assert (facts["witness"], facts["vkeys"], facts["logs"][0]["size"]) == (witness.name, witness.vkeys, 0)
    sent = submission(data_dir, 0)
    junk = Signer.generate("junk.example").sign(sent.checkpoint.text).rpartition("\n\n")[2]
    status, _, lines = witness.post(sent._replace(note=sent.note + junk).body)
    assert status == 200
    assert witness.get(f"/latest?origin={ORIGIN}") == (200, sent.note + lines)  # and not what strangers signed
    log = json.loads(witness.get("/")[1])["logs"][0]
    assert (log["size"], log["root"], log["checkpoint"]) == (11, sent.checkpoint.root.hex(), sent.note + lines)


def test_no_body_is_an_error_of_the_witness(witness: WitnessProcess, data_dir: Path) -> None:
    """Whatever is sent, the answer is one that the protocol knows, and nothing but the true log is cosigned."""
    good = submission(data_dir, 0).body
    lines = good.split(b"\n")
    connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=20)
    line = st.sampled_from([*lines, b"old 11", b"old 5", b"", b"0", b"99999999999999999999", b"\xff", "— a b".encode()])
    cut = st.tuples(st.integers(0, len(good)), st.binary(max_size=20), st.integers(0, len(good)))

    @hypothesis_settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(
        st.binary(max_size=400)
        | st.lists(line, max_size=12).map(b"\n".join)
        | cut.map(lambda parts: good[: parts[0]] + parts[1] + good[parts[2] :])
    )
    def check(body: bytes) -> None:
        connection.request("POST", "/add-checkpoint", body)
        response = connection.getresponse()
        response.read()
        assert response.status in (200, 400, 403, 404, 409, 422)
        if response.status == 200:
            assert body.endswith(b"\n".join(lines[-4:]))

    check()
    connection.close()
    assert witness.command("status")["forks"] == []
    assert "Traceback" not in witness.said
