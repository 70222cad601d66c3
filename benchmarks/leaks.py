"""A stranger's check of the whole: ``pii-leak-benchmark`` drives a live Riad and reads what reached the model.

    python -m benchmarks.leaks [--seeds 3]

The only site that serves the model is a lawful European one, so every request crosses the border and is masked. The
package plays both ends. *request*: its ``ci`` command sends synthetic personal data and credentials through Riad to its
own server, searches everything that arrives (request line, headers, body; decoded, joined, look-alikes folded) and asks
for the values back in the streamed answer. *everywhere*: its second profile puts them in a message, a system prompt, an
unknown key and a tool's description; its server answers with them and with values of its own (*answer*), whole and cut,
in the text and in fields no API has, which a project that masks answers keeps from the caller. All its values are
American but e-mail addresses and cards. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import promises
from benchmarks.environments import ROOT, python_peer
from benchmarks.processes import Children, Unavailable, end_cleanly, free_port, wait_for

REQUIREMENT = "pii-leak-benchmark==0.6.0"
MODEL = "conformance-model"  # the only one its server knows
CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "GITHUB_TOKEN", "SLACK_TOKEN"})
PATIENCE = 180.0  # seconds for one command
_SITE = """
[[sites]]
name = "paris"
title = "European cloud"
engine = "openai"
url = "http://127.0.0.1:{port}/v1"
models = ["{model}"]
country = "FR"
operator_country = "FR"
parent_country = "FR"
keys_country = "FR"
admin_country = "FR"
contract = "processor_terms"
retention_days = 0
trains_on_data = false
stand_in = true
"""


class Riad:
    """A Riad of its own in a folder, in front of one port; ``command`` keeps it running."""

    def __init__(self, folder: Path, upstream: int) -> None:
        """Raises ``Unavailable`` when no key can be made."""
        folder.mkdir()
        config = folder / "riad.toml"
        config.write_text(_SITE.format(port=upstream, model=MODEL))
        self.port = free_port()
        self._where = ["--data-dir", str(folder / "data"), "--config", str(config)]
        self.command = [sys.executable, "-m", "riad", "up", "--port", str(self.port), *self._where]
        self.key = self._make_key()

    def mask_answers(self) -> None:
        """What an answer says of persons who were not in its prompt is masked too. Raises ``Unavailable``."""
        command = [sys.executable, "-m", "riad", "tenants", "project", "bench", "leaks", "--answers", "mask"]
        answer = _run([*command, *self._where], {})
        if answer.returncode != 0:
            raise Unavailable(f"its answers could not be masked: {_last_words(answer)}")

    def _make_key(self) -> str:
        named = ["--tenant", "bench", "--project", "leaks", "--purpose", "customer_support"]
        command = [sys.executable, "-m", "riad", "keys", "create", *named, "--legal-basis", "consent", "--json"]
        answer = _run([*command, *self._where], {})
        if answer.returncode != 0:
            raise Unavailable(f"no key could be made: {_last_words(answer)}")
        return str(json.loads(answer.stdout)["key"])

    def ready(self) -> bool:
        """Its site answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def request_path(programs: Path, folder: Path, seeds: Sequence[str]) -> list[dict[str, Any]]:
    """What its ``ci`` command reports, for each seed. Raises ``Unavailable`` when a run measured nothing."""
    capture = free_port()
    riad = Riad(folder / "riad", capture)
    reports = []
    for seed in seeds:
        out = folder / f"request-{seed}"
        # It starts Riad itself, once its own server listens: a site that cannot be reached at first is left alone.
        command = [str(programs / "pii-leak-benchmark"), "ci", "--target-base-url", f"http://127.0.0.1:{riad.port}/v1"]
        command += ["--target-model", MODEL, "--capture-port", str(capture), "--seed", seed, "--out", str(out)]
        answer = _run([*command, "--start-command", shlex.join(riad.command)], {"CONFORMANCE_TARGET_API_KEY": riad.key})
        if answer.returncode not in (0, 1):
            raise Unavailable(f"its check measured nothing: {_reason(out / 'current.json') or _last_words(answer)}")
        reports.append(json.loads((out / "current.json").read_text()))
    return reports


def everywhere(programs: Path, folder: Path, seed: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of its second profile, and the metrics behind it.

    Its server comes and goes with each case; a stand-in that passes everything on stands still before it. Raises
    ``Unavailable`` when a case could not be scored.
    """
    capture, stand_in, out = free_port(), free_port(), folder / "everywhere"
    riad = Riad(folder / "riad-everywhere", stand_in)
    riad.mask_answers()
    relay = ["-m", "riad.sites.standin", "--port", str(stand_in), "--label", "European cloud", "--model", MODEL]
    with Children(folder) as children:
        children.start("stand-in", [sys.executable, *relay, "--engine-url", f"http://127.0.0.1:{capture}/v1"], cwd=ROOT)
        child = children.start("riad", riad.command, cwd=ROOT)
        wait_for(child, riad.ready, 30.0)
        command = [str(programs / "pii-leak-benchmark-v2"), "--out", str(out), "--only", "riad", "--model", MODEL]
        command += ["--gateway-url", f"http://127.0.0.1:{riad.port}/v1/chat/completions", "--seed", seed]
        command += ["--upstream-port", str(capture), "--json-out", str(out / "summary.json")]
        answer = _run(command, {"CONFORMANCE_TARGET_API_KEY": riad.key})
    try:
        summary: dict[str, Any] = json.loads((out / "summary.json").read_text())["rows"][0]
        metrics: dict[str, Any] = json.loads((out / "riad.json").read_text())["metrics"]
    except (OSError, ValueError, KeyError, IndexError):
        raise Unavailable(f"its second profile gave no result: {_last_words(answer)}") from None
    if summary["inconclusive"]:
        raise Unavailable(f"its second profile could not score {summary['inconclusive']} cases: {_last_words(answer)}")
    return summary, metrics


def of_requests(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Over all runs: how often each type leaked, and whether values came back restored in a whole stream."""
    leaked: Counter[str] = Counter({entity: 0 for report in reports for entity in report["entities"]})
    failed: Counter[str] = Counter({check: 0 for report in reports for check in report["required_checks"]})
    for report in reports:
        leaked.update(entity for entity, state in report["entities"].items() if state != "contained")
        failed.update(check for check, passed in report["required_checks"].items() if not passed)
    return {
        "runs": len(reports),
        "leaked_personal_data": {entity: n for entity, n in sorted(leaked.items()) if entity not in CREDENTIALS},
        "leaked_credentials": {entity: n for entity, n in sorted(leaked.items()) if entity in CREDENTIALS},
        "failed_checks": dict(sorted(failed.items())),
    }


def of_everywhere(summary: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """Its second profile: types that leaked from any place of a request, and what the answers brought, and where."""
    carriers = metrics["by_axis"]["carrier"]
    return {
        "cases": summary["cases_applicable"],
        "leaked_types": summary["request_path_leak"],
        "restored_share": summary["fidelity_rate"],
        "answer_let_through_whole": summary["leak_single_chunk"],
        "answer_let_through_cut": summary["leak_adversarial"],
        "answer_let_through_in_content": carriers["sse-delta-content"]["leak_rate"],
        "answer_let_through_in_unknown_fields": carriers["sse-json-field"]["leak_rate"],
    }


def _run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{Path(command[0]).name} was not done after {PATIENCE:.0f} s") from None


def _last_words(answer: subprocess.CompletedProcess[str]) -> str:
    words = (answer.stderr or answer.stdout).strip().splitlines() or ["no word why"]
    return words[-1].strip()[:200]


def _reason(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["reason"])[:300]
    except (OSError, ValueError, KeyError):
        return ""


def main() -> int:
    """Exit code 1 when it could not be measured; a leak is a result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaks", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="runs with values of their own")
    options = parser.parse_args()
    end_cleanly()
    try:
        programs = python_peer("leaks", REQUIREMENT) / "bin"
        with tempfile.TemporaryDirectory(prefix="riad-leaks-") as directory:
            folder = Path(directory)
            requests = of_requests(request_path(programs, folder, [f"{n:04x}" for n in range(max(1, options.seeds))]))
            second = of_everywhere(*everywhere(programs, folder, "a1b2c3d4e5f60001"))
    except Unavailable as reason:
        print(f"[leaks] {reason}", file=sys.stderr)
        return 1
    leaked = [requests["leaked_personal_data"], requests["leaked_credentials"]]
    document: dict[str, Any] = {"package": REQUIREMENT, "request": requests, "everywhere": second}
    document["summary"] = {
        "leaks": sum(count for counts in leaked for count in counts.values()),
        "leaks_everywhere": len(second["leaked_types"]),
    }
    document["promises"] = promises.kept(document, promises.LEAKS)
    print(json.dumps(document, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
