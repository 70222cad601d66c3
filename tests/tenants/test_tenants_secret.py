from __future__ import annotations

import multiprocessing
import stat
import threading
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from riad.errors import BadSettings
from riad.tenants.secret import Secret, server_secret


def _pseudonym(directory: Path, barrier: threading.Barrier, answers: Queue[str]) -> None:
    barrier.wait(60)
    answers.put(server_secret(directory).pseudonym("x"))


@pytest.fixture(autouse=True)
def no_shared_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RIAD_SECRET", raising=False)


def test_processes_that_make_the_secret_at_once_agree(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    started = [context.Process(target=_pseudonym, args=(tmp_path, barrier, answers)) for _ in range(3)]
    for process in started:
        process.start()
    assert len({answers.get(timeout=60) for _ in started}) == 1
    for process in started:
        process.join(60)
    answers.close()
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]  # nothing is left of those who lost


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    server_secret(tmp_path)
    path = tmp_path / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(BadSettings, match="chmod 600"):
        server_secret(tmp_path)


def test_it_is_the_same_after_a_restart_and_another_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = server_secret(tmp_path / "a").pseudonym("acme")
    assert server_secret(tmp_path / "a").pseudonym("acme") == first
    assert server_secret(tmp_path / "b").pseudonym("acme") != first


def test_the_environment_comes_first_and_takes_the_files_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = server_secret(tmp_path).pseudonym("acme")
    monkeypatch.setenv("RIAD_SECRET", (tmp_path / "secret").read_text())
    assert server_secret(tmp_path / "nowhere").pseudonym("acme") == here
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("content", ["", "short", "\n" * 100])
def test_a_secret_too_short_is_refused(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(content)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(BadSettings, match="fewer than 32"):
        server_secret(tmp_path)
    monkeypatch.setenv("RIAD_SECRET", content.strip() or "x")
    with pytest.raises(BadSettings, match="fewer than 32"):
        server_secret(tmp_path)


def test_a_secret_that_is_not_text_or_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xff" * 64)
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(BadSettings, match="cannot be read"):
        server_secret(tmp_path)
    (tmp_path / "secret").unlink()
    (tmp_path / "secret").mkdir()
    with pytest.raises(BadSettings, match="cannot be read"):
        server_secret(tmp_path)


def test_uses_are_apart_and_nothing_shows_it() -> None:
    value = "0123456789abcdef" * 4
    secret = Secret(value)
    assert len({secret.derive("a"), secret.derive("b"), secret.digest("a"), secret.pseudonym("a")}) == 4
    assert len(secret.pseudonym("a")) == 32
    assert len(secret.digest("a")) == 32
    assert value not in repr(secret)


def test_each_project_masks_with_a_key_of_its_own() -> None:
    secret, other = Secret("s" * 32), Secret("o" * 32)
    made = [
        secret.masking_key("acme", "a"),
        secret.masking_key("acme", "b"),
        secret.masking_key("acm", "ea"),
        other.masking_key("acme", "a"),
        secret.derive("masking"),
    ]
    assert len(set(made)) == len(made)
    assert all(len(key) == 32 for key in made)
    assert secret.masking_key("acme", "a") == made[0]


def test_a_subject_has_a_tag_apart_for_each_tenant_and_secret() -> None:
    one, other = Secret("a" * 32), Secret("b" * 32)
    tags = [one.subject("acme", "é"), one.subject("acme", "e"), one.subject("rival", "é"), other.subject("acme", "é")]
    assert {len(tag) for tag in tags} == {16}
    assert len(set(tags)) == 4
    assert Secret("a" * 32).subject("acme", "é") == tags[0]
