"""How what crosses is masked: as the project chose, or more strictly where the law asks; and what comes back."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from riad.gateway.plan import Planner
from riad.law import Law, Pack
from riad.law.pack import find
from riad.ledger.entry import UNSET
from riad.settings import Settings
from riad.sites.catalogue import Catalogue
from riad.sites.health import Board
from tests.gateway.test_disclosures import ASKED, COUNTS, NEW, outcome, read
from tests.gateway.test_flow import KEY, PERSON, PRIVATE, SITES, Hand, asked, whole
from tests.running import House, RunningRiad
from tests.scripted_engine import enciphered

VALUES = ("Fatima", "Benali", "0612345678")
MODES = ("placeholders", "surrogates", "tokens", "redaction")
REVERSIBLE = ("placeholders", "surrogates")


@pytest.fixture(scope="module")
def keys(riad: RunningRiad) -> dict[str, str]:
    """A key of a project for each way to mask, and of another that uses tokens."""
    made = {}
    for name in (*MODES, "tokens-too"):
        options = ("--tenant", "acme", "--project", name, "--purpose", "customer_support")
        made[name] = str(riad.command("keys", "create", *options)["key"])
        riad.command("tenants", "project", "acme", name, "--masking", name.removesuffix("-too"))
    return made


def crossed(house: House) -> str:
    text: str = json.loads(house.paris.log()["bodies"][-1])["messages"][-1]["content"]
    return text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_what_crosses_and_what_comes_back(house: House, keys: dict[str, str], mode: str, stream: bool) -> None:
    status, headers, answer = house.riad.chat(keys[mode], "paris-echo", ASKED, stream=stream)
    assert status == 200, answer
    assert headers["x-riad-masking"] == mode
    received = crossed(house)
    assert not any(value in received for value in VALUES)
    got = read(answer, stream)
    if mode in REVERSIBLE:
        assert got == ASKED
    else:
        assert got == received  # the marks as they are
    decision, ended = house.riad.of_request(headers["x-request-id"])
    assert decision["masking"] == mode
    assert "answer_findings" not in ended  # a surrogate is nobody


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_tool_arguments_in_every_mode(house: House, keys: dict[str, str], mode: str, stream: bool) -> None:
    _, _, answer = house.riad.chat(keys[mode], "paris-tools", ASKED, stream=stream)
    if stream:
        events = [json.loads(line[6:]) for line in answer.split(b"\n") if line.startswith(b"data: {")]
        calls = [c for e in events for choice in e["choices"] for c in choice["delta"].get("tool_calls", ())]
        arguments = "".join(call["function"].get("arguments", "") for call in calls)
    else:
        arguments = answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    got = json.loads(arguments)["text"]
    assert got == (ASKED if mode in REVERSIBLE else crossed(house))


def test_surrogates_are_people_who_are_not_there(house: House, keys: dict[str, str]) -> None:
    house.riad.chat(keys["surrogates"], "paris-echo", ASKED)
    received = crossed(house)
    assert "[" not in received
    assert received.startswith("smiti ")


def test_only_the_answers_own_persons_are_new(riad: RunningRiad, keys: dict[str, str]) -> None:
    for mode in MODES:
        _, headers, _ = riad.chat(keys[mode], "paris-oracle", f"{ASKED} {enciphered(NEW)}")
        assert outcome(riad, headers)["answer_findings"] == COUNTS, mode


def test_tokens_are_the_same_for_one_project_only(house: House, keys: dict[str, str]) -> None:
    told = []
    for name in ("tokens", "tokens", "tokens-too"):
        house.riad.chat(keys[name], "paris-echo", ASKED)
        told.append(crossed(house))
    assert told[0] == told[1] != told[2]


def test_a_change_is_known_within_a_second(house: House, keys: dict[str, str]) -> None:
    riad = house.riad
    made = riad.command("keys", "create", "--tenant", "acme", "--project", "changing", "--purpose", "customer_support")
    for mode in ("redaction", "placeholders"):
        riad.command("tenants", "project", "acme", "changing", "--masking", mode)
        time.sleep(1)
        used = {riad.chat(made["key"], "paris-echo", ASKED)[1]["x-riad-masking"] for _ in range(8)}  # both workers
        assert used == {mode}


# The law's own wish


@pytest.fixture
def strict(tmp_path: Path) -> Planner:
    """A planner under a pack whose rule for pseudonymised crossings asks for redaction. No shipped pack does."""
    folder = shutil.copytree(find("ma"), tmp_path / "ma")
    file, rule = folder / "transfer.cedar", '@id("ma-0908-43-pseudonymised")'
    assert rule in file.read_text()
    file.write_text(file.read_text().replace(rule, f'{rule} @masking("redaction")'))
    catalogue = Catalogue(Settings(sites=SITES), {})
    return Planner(Law([Pack(folder)]), catalogue, Board(catalogue.berths))


def played(model: str, planner: Planner | None, **choice: Any) -> Hand:
    key = msgspec.structs.replace(KEY, **choice)
    return Hand(asked(model, PERSON), whole("wakha"), key=key, planner=planner)


@pytest.mark.parametrize("masking", MODES)
def test_the_law_may_ask_for_more(strict: Planner, masking: str) -> None:
    hand = played("european", strict, masking=masking)
    assert hand.headers[b"x-riad-masking"] == b"redaction"
    assert hand.entries[0].masking == "redaction"
    assert hand.dispatched
    assert not any(private in hand.dispatched[0].body for private in PRIVATE)
    assert b"_1]" not in hand.dispatched[0].body


@pytest.mark.parametrize("masking", MODES)
def test_without_its_wish_the_project_decides(masking: str) -> None:
    hand = played("european", None, masking=masking)
    assert hand.entries[0].masking == masking


def test_what_stays_at_home_is_not_masked(strict: Planner) -> None:
    hand = played("home", strict, masking="redaction")
    assert hand.entries[0].masking is UNSET
    assert b"x-riad-masking" not in hand.headers
    assert all(private in hand.dispatched[0].body for private in PRIVATE)
