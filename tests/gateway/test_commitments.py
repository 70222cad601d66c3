"""Commitments through the real door: revealed, fetched, verified by the stranger's program, erased."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from riad.ledger import verify as verifier
from riad.ledger.files import Files
from riad.ledger.record_keys import RecordKeys
from tests.running import RIAD, House, RunningRiad, ScriptedEngine, site

PERSON = "Salam, smiti Fatima Zahra Benali, CIN dyali BK123456, tel 0612345678."
REVEAL = {"x_riad_commitment": "reveal"}


def body(model: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def check(
    tmp_path: Path, riad: RunningRiad, receipt: bytes, key: str, *, prompt: bytes = b"", answer: bytes = b""
) -> Any:
    """What the stranger's program says of a text, with nothing but receipt, public key and record key."""
    (tmp_path / "receipt").write_bytes(receipt)
    (tmp_path / "text").write_bytes(prompt or answer)
    command = [sys.executable, "-I", verifier.__file__, str(tmp_path / "receipt"), "--json"]
    command += ["--key", str(Files(riad.data_dir).vkey), "--record-key", key]
    command += ["--prompt" if prompt else "--answer", str(tmp_path / "text")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60).stdout)


def outcome_receipt(riad: RunningRiad, key: str, name: str) -> bytes:
    deadline = time.monotonic() + 10
    while True:
        status, _, raw = riad.get(f"/v1/receipts/{name}?part=outcome", key)
        if status == 200 or time.monotonic() > deadline:
            assert status == 200, raw
            return raw
        assert json.loads(raw)["error"]["code"] == "outcome_not_found"
        time.sleep(0.02)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["rabat-echo", "paris-echo", "rabat-tools", "paris-tools"])
def test_a_holder_proves_her_prompt_and_her_answer(
    house: House, key: str, tmp_path: Path, model: str, stream: bool
) -> None:
    """At home and across a border, where what the engine saw is not what the caller sent."""
    riad, sent = house.riad, body(model, PERSON, stream=stream, n=2, temperature=0.5)
    status, headers, answer = riad.post("/v1/chat/completions", key, sent, **REVEAL)
    assert status == 200
    record_key, name = headers["x-riad-record-key"], headers["x-riad-receipt"]
    _, _, receipt = riad.get(f"/v1/receipts/{name}", key)
    prompt = json.dumps({**sent, "stream": False}, indent=1).encode()
    assert check(tmp_path, riad, receipt, record_key, prompt=prompt)["ok"] is True
    assert check(tmp_path, riad, receipt, record_key, prompt=prompt.replace(b"BK123456", b"BK123457"))["step"] == 7
    outcome = outcome_receipt(riad, key, name)
    assert check(tmp_path, riad, outcome, record_key, answer=answer)["ok"] is True
    altered = answer.replace(b"save", b"open").replace(b"Sal", b"Sel")
    assert check(tmp_path, riad, outcome, record_key, answer=altered)["step"] == 7


def test_the_text_alone_is_enough(house: House, key: str, tmp_path: Path) -> None:
    _, headers, _ = house.riad.chat(key, "paris-echo", PERSON, headers=REVEAL)
    outcome = outcome_receipt(house.riad, key, headers["x-riad-receipt"])
    record_key = headers["x-riad-record-key"]
    assert check(tmp_path, house.riad, outcome, record_key, answer=PERSON.encode())["ok"] is True


def test_completions_and_embeddings(house: House, key: str, tmp_path: Path) -> None:
    riad = house.riad
    sent = {"model": "rabat-echo", "prompt": "Salam", "suffix": "!"}
    _, headers, answer = riad.post("/v1/completions", key, sent, **REVEAL)
    record_key, name = headers["x-riad-record-key"], headers["x-riad-receipt"]
    _, _, receipt = riad.get(f"/v1/receipts/{name}", key)
    assert check(tmp_path, riad, receipt, record_key, prompt=json.dumps(sent).encode())["ok"] is True
    assert check(tmp_path, riad, outcome_receipt(riad, key, name), record_key, answer=answer)["ok"] is True
    sent = {"model": "rabat-embed", "input": ["Salam", "Wa salam"]}
    _, headers, _ = riad.post("/v1/embeddings", key, sent, **REVEAL)
    decision, outcome = riad.of_request(headers["x-request-id"])
    assert "prompt_commitment" in decision
    assert "answer_commitment" not in outcome


def test_nothing_is_revealed_unasked(riad: RunningRiad, key: str) -> None:
    for model in ("rabat-echo", "virginia-echo"):
        _, headers, _ = riad.chat(key, model, PERSON)
        assert "x-riad-receipt" in headers
        assert "x-riad-record-key" not in headers


def test_a_refusal_reveals_its_key_too(riad: RunningRiad, key: str, tmp_path: Path) -> None:
    sent = body("virginia-echo", PERSON)
    status, headers, answer = riad.post("/v1/chat/completions", key, sent, **REVEAL)
    assert status == 403
    assert headers["x-riad-record-key"].encode() not in answer
    _, _, receipt = riad.get(f"/v1/receipts/{headers['x-riad-receipt']}", key)
    record_key = headers["x-riad-record-key"]
    assert check(tmp_path, riad, receipt, record_key, prompt=json.dumps(sent).encode())["ok"] is True
    status, _, raw = riad.get(f"/v1/receipts/{headers['x-riad-receipt']}?part=outcome", key)
    assert (status, json.loads(raw)["error"]["code"]) == (404, "outcome_not_found")


def test_a_failure_that_was_recorded_reveals_its_key(riad: RunningRiad, key: str) -> None:
    status, headers, _ = riad.chat(key, "rabat-500", "hello", headers=REVEAL)
    assert (status, len(headers["x-riad-record-key"])) == (502, 64)
    status, headers, _ = riad.chat(key, "nobody's", "hello", headers=REVEAL)
    assert (status, headers.get("x-riad-record-key")) == (404, None)  # nothing was recorded


def test_a_fallback_is_recorded_under_the_same_key(riad: RunningRiad, key: str, tmp_path: Path) -> None:
    sent = body("both", "hello")
    _, headers, _ = riad.post("/v1/chat/completions", key, sent, **REVEAL)
    decisions = [e for e in riad.of_request(headers["x-request-id"]) if e["kind"] == "decision"]
    assert [entry["attempt"] for entry in decisions] == [0, 1]
    assert len({entry["prompt_commitment"] for entry in decisions}) == 1


def test_equal_prompts_have_unequal_commitments(riad: RunningRiad, key: str) -> None:
    made = set()
    for _ in range(3):
        _, headers, _ = riad.chat(key, "rabat-echo", "the same")
        made |= {entry.get("prompt_commitment") or entry["answer_commitment"]
                 for entry in riad.of_request(headers["x-request-id"])}  # fmt: skip
    assert len(made) == 6


def test_a_stream_cut_in_the_middle_commits_to_what_was_sent(riad: RunningRiad, key: str, tmp_path: Path) -> None:
    sent = body("rabat-die", "a text of some length", stream=True)
    status, headers, raw = riad.post("/v1/chat/completions", key, sent, **REVEAL)
    assert status == 200
    outcome = outcome_receipt(riad, key, headers["x-riad-receipt"])
    assert check(tmp_path, riad, outcome, headers["x-riad-record-key"], answer=raw)["ok"] is True


def test_where_nothing_was_sent_there_is_no_answer_commitment(riad: RunningRiad, key: str) -> None:
    _, headers, _ = riad.chat(key, "rabat-500", "hello")
    outcomes = [e for e in riad.of_request(headers["x-request-id"]) if e["kind"] == "outcome"]
    assert [outcome.get("answer_commitment") for outcome in outcomes] == [None]


def test_a_caller_who_leaves_has_a_commitment_to_what_went_out(riad: RunningRiad, key: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", riad.port, timeout=20)
    raw = json.dumps(body("rabat-slow", "x", stream=True))
    sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", raw, sent)
    response = connection.getresponse()
    number = response.headers["x-request-id"]
    response.read1(100)
    response.close()
    connection.close()
    outcome = riad.of_request(number)[-1]
    assert (outcome["status"], len(outcome["answer_commitment"])) == ("client_gone", 64)


def test_the_key_is_fetched_later_by_its_own_organisation(riad: RunningRiad, key: str) -> None:
    _, headers, _ = riad.chat(key, "rabat-echo", "hello", headers=REVEAL)
    path = f"/v1/receipts/{headers['x-riad-receipt']}/key"
    status, sent, raw = riad.get(path, key)
    expected = {"receipt": headers["x-riad-receipt"], "record_key": headers["x-riad-record-key"]}
    assert (status, json.loads(raw)) == (200, expected)
    assert sent["cache-control"] == "private, no-store"
    made = riad.command("keys", "create", "--tenant", "rival", "--project", "p", "--purpose", "customer_support")
    for caller, wanted in ((str(made["key"]), 404), (None, 401), ("riad_wrong", 401)):
        assert riad.get(path, caller)[0] == wanted
    wrong = headers["x-riad-receipt"][:-1] + "x"
    for name in (wrong, "0-" + "0" * 32, "nonsense", "9" * 17 + "-" + "0" * 32):
        assert riad.get(f"/v1/receipts/{name}/key", key)[0] == 404
        assert riad.get(f"/v1/receipts/{name}?part=outcome", key)[0] == 404
    assert riad.get(f"/v1/receipts/{headers['x-riad-receipt']}?part=x", key)[0] == 400
    assert riad.request("POST", path, key, b"{}")[0] == 405


def test_the_command_verifies_with_the_platforms_own_keys(riad: RunningRiad, key: str, tmp_path: Path) -> None:
    sent = body("rabat-echo", "Salam")
    _, headers, answer = riad.post("/v1/chat/completions", key, sent)
    name = headers["x-riad-receipt"]
    (tmp_path / "decision").write_bytes(riad.get(f"/v1/receipts/{name}", key)[2])
    (tmp_path / "outcome").write_bytes(outcome_receipt(riad, key, name))
    (tmp_path / "prompt").write_text(json.dumps(sent))
    (tmp_path / "answer").write_bytes(answer)
    done = riad.command("ledger", "verify", str(tmp_path / "decision"), "--prompt", str(tmp_path / "prompt"))
    assert (done["ok"], done["steps"][-1]["step"]) == (True, 7)
    done = riad.command("ledger", "verify", str(tmp_path / "outcome"), "--answer", str(tmp_path / "answer"))
    assert done["ok"] is True
    for arguments in (
        ["--record-key", "0" * 64],
        ["--prompt", "p", "--answer", "a"],
        ["--prompt", str(tmp_path / "no")],
    ):
        command = [*RIAD, "ledger", "verify", str(tmp_path / "decision"), *arguments, *riad.where]
        assert subprocess.run(command, capture_output=True).returncode == 2


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x_riad_commitment", "show"),
        ("x_riad_commitment", ""),
        ("x_riad_experiment", ""),
        ("x_riad_experiment", "two words"),
        ("x_riad_experiment", "a" * 65),
        ("x_riad_experiment", "é"),
    ],
)
def test_headers_that_are_not_understood(riad: RunningRiad, key: str, header: str, value: str) -> None:
    status, headers, raw = riad.chat(key, "rabat-echo", "hello", headers={header: value})
    assert (status, raw["error"]["code"], raw["error"]["param"]) == (400, "invalid_header", header.replace("_", "-"))
    assert "x-riad-record-key" not in headers


def test_an_experiment_is_recorded(riad: RunningRiad, key: str) -> None:
    _, headers, _ = riad.chat(key, "rabat-echo", "hello", headers={"x_riad_experiment": "Trial-1.b_2"})
    assert riad.of_request(headers["x-request-id"])[0]["experiment"] == "Trial-1.b_2"
    _, headers, _ = riad.chat(key, "rabat-echo", "hello")
    assert "experiment" not in riad.of_request(headers["x-request-id"])[0]


# Erasure, on a platform of its own


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRiad, str]]:
    engine = ScriptedEngine()
    config = site("rabat", "MA", engine.url, ["echo"]).replace("rabat-echo", "home") + site(
        "paris", "FR", engine.url, ["echo"]
    ).replace("retention_days = 0", "retention_days = 0\njoules_per_token = {prompt = 0.5, completion = 2}")
    config = config.replace('served_as = "echo"', f'served_as = "echo", digest = "sha256:{"a" * 64}"', 1)
    riad = RunningRiad(tmp_path_factory.mktemp("erase"), config + "[ledger]\nkeys_dir = 'KEYS'\n".replace(
        "KEYS", str(tmp_path_factory.mktemp("elsewhere") / "keys")), workers=1)  # fmt: skip
    yield riad, riad.key()
    riad.stop()
    engine.stop()


def ask(own: tuple[RunningRiad, str], text: str = "hello", model: str = "home", **more: Any) -> tuple[str, bytes]:
    """→ the receipt's name, and the receipt."""
    riad, key = own
    _, headers, _ = riad.post("/v1/chat/completions", key, body(model, text, **more))
    return headers["x-riad-receipt"], riad.get(f"/v1/receipts/{headers['x-riad-receipt']}", key)[2]


def key_status(own: tuple[RunningRiad, str], name: str) -> tuple[int, str]:
    status, _, raw = own[0].get(f"/v1/receipts/{name}/key", own[1])
    return status, json.loads(raw).get("error", {}).get("code", "")


def erase(riad: RunningRiad, *arguments: str) -> Any:
    return riad.command("ledger", "erase", *arguments)


def erasures(riad: RunningRiad) -> list[dict[str, Any]]:
    return [entry for entry in riad.entries() if entry["kind"] == "erasure"]


def test_the_weights_and_the_energy_are_recorded_where_declared(own: tuple[RunningRiad, str]) -> None:
    riad, key = own
    _, headers, _ = riad.chat(key, "home", "hello")
    decision, outcome = riad.of_request(headers["x-request-id"])
    assert decision["model_digest"] == "sha256:" + "a" * 64
    assert "energy" not in outcome
    _, headers, _ = riad.chat(key, "paris-echo", "hello")
    decision, outcome = riad.of_request(headers["x-request-id"])
    assert "model_digest" not in decision
    assert outcome["energy"] == 7 * 500 + 5 * 2000


def test_a_persons_records_are_erased_and_their_proofs_stay(own: tuple[RunningRiad, str], tmp_path: Path) -> None:
    riad, _key = own
    hers = [ask(own, PERSON, "paris-echo", user="fatima"), ask(own, safety_identifier="fatima", user="other")]
    others = [ask(own, user="ahmed"), ask(own), ask(own, user=7), ask(own, user="other")]
    (tmp_path / "prompt").write_text(json.dumps(body("paris-echo", PERSON)))
    person = ("--subject", "fatima", "--tenant", "acme")
    before = len(erasures(riad))
    planned = erase(riad, *person, "--dry-run")
    assert (planned["keys"], planned["entries"], planned["dry_run"]) == (2, [], True)
    assert all(key_status(own, name)[0] == 200 for name, _ in hers)
    done = erase(riad, *person, "--yes")
    assert (done["keys"], done["scope"]) == (2, "subject")
    assert done["sites"] == [
        {"site": "paris", "country": "FR", "crossing": "pseudonymised", "retention_days": 0, "records": 1}
    ]
    assert [key_status(own, name) for name, _ in hers] == [(410, "record_key_erased")] * 2
    assert all(key_status(own, name)[0] == 200 for name, _ in others)
    (entry,) = erasures(riad)[before:]
    assert {name: entry[name] for name in ("basis", "count", "scope", "v")} == {
        "basis": "request", "count": 2, "scope": "subject", "v": 1}  # fmt: skip
    for name, receipt in hers:
        (tmp_path / "old").write_bytes(receipt)
        (tmp_path / "new").write_bytes(riad.get(f"/v1/receipts/{name}", own[1])[2])
        for file in ("old", "new"):
            assert riad.command("ledger", "verify", str(tmp_path / file))["ok"] is True
    command = [*RIAD, "ledger", "verify", str(tmp_path / "old"), "--prompt", str(tmp_path / "prompt"), *riad.where]
    said = subprocess.run(command, capture_output=True, text=True)
    assert (said.returncode, "7. The record key was destroyed" in said.stdout) == (1, True), said
    again = erase(riad, *person, "--yes")
    assert (again["keys"], again["entries"]) == (0, [])


def test_one_record_a_project_a_tenant(own: tuple[RunningRiad, str]) -> None:
    riad, _key = own
    (one, _), (two, _) = ask(own), ask(own)
    assert erase(riad, "--record", one, "--basis", "authority", "--yes")["keys"] == 1
    assert [key_status(own, name)[0] for name in (one, two)] == [410, 200]
    made = riad.command("keys", "create", "--tenant", "acme", "--project", "billing", "--purpose", "customer_support")
    _, headers, _ = riad.chat(str(made["key"]), "home", "hello")
    assert erase(riad, "--tenant", "acme", "--project", "billing", "--basis", "retention", "--yes")["keys"] == 1
    assert [key_status(own, name)[0] for name in (headers["x-riad-receipt"], two)] == [410, 200]
    assert erase(riad, "--tenant", "acme", "--basis", "operator", "--yes")["keys"] >= 1
    assert key_status(own, two)[0] == 410
    assert [entry["scope"] for entry in erasures(riad)[-3:]] == ["record", "project", "tenant"]
    (fresh, _) = ask(own)
    assert key_status(own, fresh)[0] == 200


def test_killed_between_keys_and_record_it_is_finished_by_the_next(own: tuple[RunningRiad, str]) -> None:
    """The owner is halted, so that the command has destroyed the keys and waits to record it; there it is killed."""
    riad, _key = own
    name, _ = ask(own, user="hind")
    other, _ = ask(own, user="omar")
    before = len(erasures(riad))
    owner = int(Files(riad.data_dir).lock.read_text())
    os.kill(owner, signal.SIGSTOP)
    try:
        command = [*RIAD, "ledger", "erase", "--subject", "hind", "--tenant", "acme", "--yes", *riad.where, "--json"]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        keys_dir = Path(riad.config.read_text().partition("keys_dir = '")[2].partition("'")[0])
        deadline = time.monotonic() + 30
        with RecordKeys(keys_dir) as keys:
            while not keys.pending() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert [pending.count for pending in keys.pending()] == [1]
        child.kill()
        child.wait()
    finally:
        os.kill(owner, signal.SIGCONT)
    assert key_status(own, name)[0] == 410
    done = erase(riad, "--subject", "omar", "--tenant", "acme", "--yes")
    assert (done["keys"], [entry["count"] for entry in done["entries"]]) == (1, [1, 1])
    found = {entry["id"]: entry["count"] for entry in erasures(riad)[before:]}
    assert found == {entry["id"]: 1 for entry in done["entries"]}
    assert key_status(own, other)[0] == 410


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--subject", "x"),
        ("--project", "support"),
        ("--record", "0-" + "0" * 32, "--tenant", "acme"),
        ("--subject", "x", "--project", "support", "--tenant", "acme"),
        ("--subject", "", "--tenant", "acme"),
        ("--tenant", "nobody"),
        ("--tenant", "acme", "--project", "nothing"),
        ("--record", "nonsense"),
        ("--record", "0-" + "0" * 32),
        ("--record", "99999-" + "0" * 32),
        ("--tenant", "acme", "--basis", "Fatima asked"),
    ],
)
def test_wrong_usage_destroys_nothing(own: tuple[RunningRiad, str], arguments: tuple[str, ...]) -> None:
    riad, _key = own
    name, _ = ask(own)
    command = [*RIAD, "ledger", "erase", *arguments, "--yes", *riad.where, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "error" in json.loads(done.stdout)) == (2, True), done
    assert key_status(own, name)[0] == 200


def test_nobody_is_asked_means_no(own: tuple[RunningRiad, str]) -> None:
    riad, _key = own
    name, _ = ask(own)
    command = [*RIAD, "ledger", "erase", "--tenant", "acme", *riad.where]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, "--dry-run" in done.stderr) == (2, True)
    assert key_status(own, name)[0] == 200


@pytest.mark.parametrize(("said", "status", "left"), [(b"n\n", 130, 200), (b"y\n", 0, 410)])
def test_a_person_is_asked(own: tuple[RunningRiad, str], said: bytes, status: int, left: int) -> None:
    riad, _key = own
    name, _ = ask(own, user="salma")
    terminal, end = pty.openpty()
    os.write(terminal, said)
    command = [*RIAD, "ledger", "erase", "--record", name, *riad.where]
    done = subprocess.run(command, capture_output=True, text=True, stdin=end)
    os.close(end)
    os.close(terminal)
    assert (done.returncode, "1 record keys will be destroyed for good" in done.stderr) == (status, True), done
    assert key_status(own, name)[0] == left


def test_the_platform_at_rest_is_erased_from_as_well(own: tuple[RunningRiad, str]) -> None:
    """Runs last: it stops the platform."""
    riad, _key = own
    name, _ = ask(own, user="zineb")
    before = len(erasures(riad))
    riad.stop()
    command = [*RIAD, "ledger", "erase", "--subject", "zineb", "--tenant", "acme", "--yes", *riad.where]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 record keys are destroyed" in done.stdout
    assert "What this does not reach:" in done.stdout
    riad.start()
    assert len(erasures(riad)) == before + 1
    assert key_status(own, name)[0] == 410
