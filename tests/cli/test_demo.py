"""``riad demo``: the main job, with real weights and real requests."""

from __future__ import annotations

import json
import os
import subprocess

from tests.cli.cli_parts import weights_or_skip
from tests.running import RIAD


def test_every_step_is_as_it_should_be() -> None:
    weights_or_skip()
    environment = {**os.environ, "RIAD_LANG": "en"}
    done = subprocess.run([*RIAD, "demo", "--json"], capture_output=True, text=True, env=environment, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is True
    home, europe, america, receipts = told["steps"]
    assert (home["site"], home["crossing"], home["decision"]) == ("rabat", "none", "allow")
    assert (europe["site"], europe["crossing"]) == ("paris", "pseudonymised")
    assert "[PERSON_1]" in str(europe["crossed"])
    for private in ("Benali", "BK123456", "0612345678"):
        assert private in str(home["question"])
        assert private not in str(europe["crossed"])
    assert "Benali" in europe["answer"]
    assert "deny" in america["decision"]
    assert len({step["receipt"] for step in (home, europe, america)}) == 3
    assert receipts["step"] == 4
