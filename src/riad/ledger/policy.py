"""This platform's policy, for strangers: its logs' keys, its witnesses, how many must cosign (C2SP tlog-policy).

Read and weighed by the verifier's own code (``verify``), so that what counts as witnessed here is what counts at a
stranger's desk.
"""

from __future__ import annotations

from collections.abc import Sequence

from riad.errors import BadSettings
from riad.ledger import verify
from riad.settings import Ledger
from riad.texts import N_


def text(vkeys: Sequence[str], ledger: Ledger) -> str:
    """The policy file of a platform. Raises ``BadSettings`` where a witness's key is none."""
    names = [f"w{number}" for number in range(1, len(ledger.witnesses) + 1)]
    lines = [f"log {vkey}" for vkey in vkeys]
    lines += [f"witness {name} {each.key} {each.url}" for name, each in zip(names, ledger.witnesses, strict=True)]
    if names:
        lines.append(f"group witnesses {ledger.needed} {' '.join(names)}")
    lines.append(f"quorum {'witnesses' if names else 'none'}")
    written = "\n".join(lines) + "\n"
    try:
        verify.parse_policy(written.encode())
    except verify.BadPolicy as error:
        raise BadSettings(
            N_("A [[ledger.witnesses]] table is wrong: {error}."),
            remedy=N_("Its key is the line that `riad witness key` prints; each witness has its own."),
            error=N_(error.message),
        ) from None
    return written


def parse(vkeys: Sequence[str], ledger: Ledger) -> verify.Policy:
    """The same, read."""
    return verify.parse_policy(text(vkeys, ledger).encode())
