"""Every error Riad raises on purpose, in one tree.

RiadError                       code               HTTP
├── Refused                                              the platform will not do this
│   ├── Unauthenticated         invalid_api_key    401
│   ├── Forbidden               forbidden          403   known caller, outside what its key may do
│   ├── Unlawful                unlawful           403   no lawful route; carries decision, articles, remedy
│   ├── NotFound                not_found          404
│   │   └── Erased              erased             410   it was there, and was destroyed for good
│   └── LimitReached            rate_limit_exceeded 429  says when to come back
├── BadRequest                  invalid_request    400   what was sent cannot be understood
│   ├── TooLarge                request_too_large  413
│   └── BadSettings             invalid_settings   500   riad.toml or the environment; CLI exit status 2
├── Unavailable                 unavailable        503   try again later
│   ├── EngineFailed            engine_failed      502   a site's engine answered badly or not at all
│   ├── EngineTimeout           engine_timeout     504
│   └── LedgerUnavailable       ledger_unavailable 503   no evidence, no answer
│       └── LedgerFull          ledger_full        429
└── EvidenceBroken              evidence_broken    500   a receipt, checkpoint or log that does not verify

``message`` and ``remedy`` are English sentences marked with ``N_`` (see texts.py), with named placeholders that
``values`` fills; the door renders them in the caller's language. ``code`` is stable: programs rely on it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from riad.texts import Message, translate


class RiadError(Exception):
    """An error with a stable code, an HTTP status, and what to do next."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        /,
        *,
        remedy: str = "",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        detail: dict[str, Any] | None = None,
        **values: object,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.param = param
        self.retry_after = retry_after
        self.detail = detail or {}
        self.values = values
        if code is not None:
            self.code = code  # type: ignore[misc]  # an instance may be more precise than its class

    def render(self, language: str = "en") -> str:
        """The message, then the remedy, in that language."""
        values = {name: _in(language, value) for name, value in self.values.items()}
        return " ".join(translate(part, language, **values) for part in (self.message, self.remedy) if part)

    def __str__(self) -> str:
        return self.render()


def _in(language: str, value: object) -> object:
    """A value that is itself a sentence of ours, or one text a language, in that language."""
    if isinstance(value, Message):
        return translate(value, language)
    if isinstance(value, dict):
        return value.get(language) or value.get("en", "")
    return value


class Refused(RiadError):
    status = 403
    type = "invalid_request_error"


class Unauthenticated(Refused):
    code = "invalid_api_key"
    status = 401


class Forbidden(Refused):
    code = "forbidden"
    type = "permission_error"


class Unlawful(Refused):
    code = "unlawful"
    type = "permission_error"


class NotFound(Refused):
    code = "not_found"
    status = 404


class Erased(NotFound):
    code = "erased"
    status = 410


class LimitReached(Refused):
    code = "rate_limit_exceeded"
    status = 429
    type = "rate_limit_error"


class BadRequest(RiadError):
    code = "invalid_request"
    status = 400
    type = "invalid_request_error"


class TooLarge(BadRequest):
    code = "request_too_large"
    status = 413


class BadSettings(BadRequest):
    code = "invalid_settings"
    status = 500


class Unavailable(RiadError):
    code = "unavailable"
    status = 503


class EngineFailed(Unavailable):
    code = "engine_failed"
    status = 502


class EngineTimeout(Unavailable):
    code = "engine_timeout"
    status = 504


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"


class LedgerFull(LedgerUnavailable):
    code = "ledger_full"
    status = 429


class EvidenceBroken(RiadError):
    code = "evidence_broken"
