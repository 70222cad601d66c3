"""The model of how a word looks: names it was not given by hand, words of every language, and its file."""

from __future__ import annotations

from hashlib import sha256

import pytest

from riad.errors import BadSettings
from riad.privacy import likeness as module
from riad.privacy.likeness import LONGEST, WEIGHTS, likeness


@pytest.mark.parametrize("word", ["benzarrouk", "ouhmidouch", "errazkaoui", "bn3issi", "بنزروق", "أوحميد", "رحموني"])
def test_invented_and_rare_names_look_like_names(word: str) -> None:
    assert likeness(word) > 1


@pytest.mark.parametrize(
    "word", ["comment", "service", "directeur", "assurance", "student", "الوطنية", "المدرسة", "الاتصال"]
)
def test_words_do_not(word: str) -> None:
    assert likeness(word) < -1


def test_tifinagh_is_read_in_latin_letters() -> None:
    assert likeness("ⵃⴰⵎⵎⵓ") == likeness("hammu")


def test_any_text_has_an_answer_and_long_words_are_cut() -> None:
    for word in ("", "\ud800", "é", "\U0001f600", "ا"):
        assert isinstance(likeness(word), float)
    assert likeness("a" * LONGEST) == likeness("a" * 10_000)


def test_the_weights_are_small_and_those_that_were_measured() -> None:
    assert WEIGHTS.stat().st_size <= 400_000
    assert sha256(WEIGHTS.read_bytes()).hexdigest() == module.DIGEST


def test_other_weights_are_refused(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    damaged = tmp_path / "names.bin"
    damaged.write_bytes(WEIGHTS.read_bytes()[:-1] + b"\x01")
    monkeypatch.setattr(module, "WEIGHTS", damaged)
    module._tables.cache_clear()  # type: ignore[attr-defined]
    with pytest.raises(BadSettings):
        likeness("salma")
    monkeypatch.undo()
    module._tables.cache_clear()  # type: ignore[attr-defined]
