"""kill −9 of the whole platform's processes while requests flow to a stand-in abroad that writes down what reaches it.

The ledger holds no content, so a request is known on both sides of the border by its *mark*: at the stand-in it
follows from the request's number, which travels as ``seed``; in the ledger from its project, its model, and how many
e-mail addresses were found in it. Marks are all different for some thousands of requests, and are counted after that.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from riad.settings import load
from riad.tenants.keys import KeyStore
from tests.baddays.abroad import Abroad
from tests.baddays.history import History
from tests.cli.cli_parts import children, eventually
from tests.running import RunningRiad, site

PROJECTS = 40
THREADS = 6
MODELS = 30  # names for one model abroad
ADDRESSES = 60  # e-mail addresses in one text, at most
VICTIMS = ("owner", "worker", "workers", "owner and workers", "supervisor", "everything")
KINDS = ("clear", "pseudonymised", "refused", "national")


class Answer(NamedTuple):
    """What a caller was told: the head of an answer is enough, its body may have been cut off."""

    number: int
    status: int
    receipt: str


@dataclass
class Tally:
    """What was done, how often, and what was seen."""

    kills: Counter[str] = field(default_factory=Counter)  # processes killed, by victim
    restarts: dict[str, list[float]] = field(default_factory=dict)  # seconds, by what came back
    asked: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    crossings: int = 0
    unanswered_crossings: int = 0

    @property
    def total(self) -> int:
        return sum(self.kills.values())


class Traffic:
    """Callers that never stop: every request has a number, and what came of it is kept."""

    def __init__(self, riad: RunningRiad, keys: list[str]) -> None:
        self.answers: list[Answer] = []
        self.asked = 0
        self.broken = 0
        self._riad, self._keys = riad, keys
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(THREADS)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def flow(self, more: int) -> None:
        """Wait until so many more were answered well."""
        enough = self._good() + more
        eventually(lambda: self._good() >= enough, 60)

    def _good(self) -> int:
        return sum(1 for answer in self.answers if answer.status == 200)

    def _ask_on(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                number, self.asked = self.asked, self.asked + 1
            try:
                answer = self._ask(number)
            except (OSError, http.client.HTTPException):
                self.broken += 1
                time.sleep(0.05)  # refused at once: the callers must not take the time that the start needs
                continue
            self.answers.append(answer)
            time.sleep(0.005 if answer.status in (200, 403) else 0.03)

    def _ask(self, number: int) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._riad.port, timeout=30)
        with contextlib.closing(connection):
            body, headers = self._request(number)
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            response = connection.getresponse()
            receipt = response.headers.get("x-riad-receipt", "")
            with contextlib.suppress(OSError, http.client.HTTPException):
                response.read()  # cut short it still was an answer: its head is out
            return Answer(number, response.status, receipt)

    def _request(self, number: int) -> tuple[dict[str, Any], dict[str, str]]:
        kind = kind_of(number)
        text = "What is the boiling point of water?" if kind == "clear" else people(number)
        body = {"model": mark(number).model, "seed": number, "messages": [{"role": "user", "content": text}]}
        headers = {"authorization": f"Bearer {self._keys[number % PROJECTS]}", "content-type": "application/json"}
        return body | ({"stream": True} if number % 3 == 0 else {}), headers


class Mark(NamedTuple):
    """By what a request is known where its content is not."""

    project: str
    model: str
    addresses: int


def kind_of(number: int) -> str:
    return KINDS[number // PROJECTS % len(KINDS)]


def mark(number: int) -> Mark:
    turn = number // (PROJECTS * len(KINDS))
    kind = kind_of(number)
    if kind == "clear":
        return Mark(f"p{number % PROJECTS}", f"virginia-m{turn % MODELS}", 0)
    model = {"pseudonymised": "paris-echo", "national": "rabat-echo", "refused": "virginia-echo"}[kind]
    return Mark(f"p{number % PROJECTS}", model, 1 + turn % ADDRESSES)


def mark_of(entry: dict[str, Any]) -> Mark:
    """The same from a decision in the ledger."""
    return Mark(entry["project"], entry["model"], entry["findings"].get("EMAIL", 0))


def people(number: int) -> str:
    """A text about as many persons as the request's mark says."""
    addresses = ", ".join(f"client{number}.{at}@example.ma" for at in range(mark(number).addresses))
    return f"Answer these: {addresses}."


class Platform:
    """``riad up`` with sites at home and abroad, its callers, and the log as an outsider remembers it."""

    def __init__(self, directory: Path, chance: random.Random, tally: Tally) -> None:
        self.tally = tally
        self._chance = chance
        self.sites = {"rabat": Abroad(0.005), "paris": Abroad(0.01), "virginia": Abroad(0.01)}
        countries = {"rabat": "MA", "paris": "FR", "virginia": "US"}
        models = {"virginia": ["echo", *(f"m{number}" for number in range(MODELS))]}
        config = "".join(
            site(name, countries[name], server.url, models.get(name, ["echo"])) for name, server in self.sites.items()
        )
        self.riad = RunningRiad(directory, config, environment={"RIAD_LANG": "en"})
        store = KeyStore.open(load(self.riad.config, data_dir=self.riad.data_dir).database_url, self.riad.data_dir)
        named = {"tenant": "acme", "purpose": "customer_support"}
        self.traffic = Traffic(self.riad, [store.create(project=f"p{at}", **named)[0] for at in range(PROJECTS)])
        store.close()
        self._history = History(self.riad.data_dir, chance)
        self._entries: list[dict[str, Any]] = []

    def close(self) -> None:
        self.riad.stop()
        for server in self.sites.values():
            server.stop()

    def kill(self, victim: str) -> None:
        """Kill it in the middle of the traffic, see it come back, and look at what it left."""
        self.traffic.flow(self._chance.randrange(1, 12))
        time.sleep(self._chance.uniform(0, 0.02))
        owner, workers = children(self.riad, "ledger.owner"), children(self.riad, "gateway.worker")
        assert self.riad.process is not None
        supervisor = psutil.Process(self.riad.process.pid)
        dying = {
            "owner": owner,
            "worker": workers[:1],
            "workers": workers,
            "owner and workers": [*owner, *workers],
            "supervisor": [supervisor],
            "everything": [supervisor, *owner, *workers],
        }[victim]
        began = time.monotonic()
        for process in dying:
            process.kill()
        self.tally.kills[victim] += len(dying)
        if supervisor in dying:
            self.riad.process.wait()
            assert self.riad.process.stdout is not None
            self.riad.process.stdout.close()
            began = time.monotonic()  # from the moment that somebody starts it again
            self.riad.start()
        else:
            eventually(lambda: self._replaced("ledger.owner", owner, dying))
            eventually(lambda: self._replaced("gateway.worker", workers, dying))
            self.riad.wait_ready()
        self.tally.restarts.setdefault(victim, []).append(time.monotonic() - began)
        self.look()

    def look(self) -> None:
        """The log verifies, and holds what callers were told and what the stand-ins saw, whatever died."""
        # What crossed and what was answered is taken before the log is read: its decision must be there by then.
        crossings = {name: list(server.crossings) for name, server in self.sites.items()}
        answers = list(self.traffic.answers)
        self._entries += [json.loads(entry) for entry in self._history.read()]
        for answer in answers:
            if answer.status == 200 or answer.receipt:
                index, _, request = answer.receipt.partition("-")
                entry = self._entries[int(index)]
                assert (entry["kind"], entry["id"]) == ("decision", request)
                assert mark_of(entry) == mark(answer.number)
                assert (entry["outcome"] == "allow") == (answer.status == 200), (answer, entry)
        decided = [entry for entry in self._entries if entry["kind"] == "decision"]
        for name in ("paris", "virginia"):
            allowed = Counter(mark_of(e) for e in decided if (e["site"], e["outcome"]) == (name, "allow"))
            whole = [crossing for crossing in crossings[name] if crossing.body]
            numbers = [crossing.number for crossing in whole if crossing.number is not None]
            assert len(numbers) == len(whole), "somebody crossed who cannot be told"
            crossed = Counter(map(mark, numbers))
            assert crossed <= allowed, f"crossed without a decision: {crossed - allowed}"
            assert not any(kind_of(number) in ("refused", "national") for number in numbers)
        assert not any(
            b"@example.ma" in crossing.body for name in ("paris", "virginia") for crossing in crossings[name]
        )

    def conclude(self) -> None:
        """Once the callers have left: count."""
        self.look()
        told = {answer.number for answer in self.traffic.answers if answer.status == 200}
        crossed = [crossing.number for name in ("paris", "virginia") for crossing in self.sites[name].crossings]
        self.tally.asked += self.traffic.asked
        self.tally.answers.update(str(answer.status) for answer in self.traffic.answers)
        self.tally.answers["broken"] += self.traffic.broken
        self.tally.crossings += len(crossed)
        self.tally.unanswered_crossings += sum(1 for number in crossed if number not in told)

    def _replaced(self, module: str, before: list[psutil.Process], dying: list[psutil.Process]) -> bool:
        now = children(self.riad, module)
        return len(now) == len(before) and not set(now) & set(dying)


def kill_platforms(directory: Path, rounds: int, say: bool = False, seed: int = 1) -> Tally:
    """Each victim once in each round, in any order."""
    chance, tally = random.Random(seed), Tally()
    platform = Platform(directory, chance, tally)
    try:
        with platform.traffic:
            for number in range(1, rounds + 1):
                for victim in chance.sample(VICTIMS, len(VICTIMS)):
                    platform.kill(victim)
                if say:
                    print(f"platform: round {number} of {rounds}, {tally.total} kills", flush=True)
        platform.conclude()
    finally:
        platform.close()
    return tally
