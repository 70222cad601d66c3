"""What is attached to a request: read, masked and encoded again where it is text; personal where nobody can read it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.running import House, RunningRiad

NAME, PHONE, CIN = "Fatima Zahra Benali", "0612345678", "BK123456"
PRIVATE = ("Fatima", "Benali", PHONE, CIN)
CSV = f"nom;téléphone;cin\nMadame {NAME};{PHONE};CIN {CIN}\n"
JSON = {"client": f"Madame {NAME}", "tel": PHONE, "cin": f"CIN {CIN}"}
IMAGE = "data:image/png;base64,iVBORw0KGgo="


def data(text: str, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


@pytest.fixture(scope="module")
def reviewer(riad: RunningRiad) -> str:
    made = riad.command("keys", "create", "--tenant", "acme", "--project", "images", "--purpose", "image_review")
    return str(made["key"])


def sent(house: House, key: str, content: Any, model: str = "paris-echo", **headers: str) -> tuple[int, Any, str]:
    """Ask; → status, headers and what Paris received, escapes and base64 undone."""
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    status, told, raw = house.riad.post("/v1/chat/completions", key, body, **headers)
    return status, told, house.paris.log()["bodies"][-1] if status == 200 else raw.decode()


@pytest.mark.parametrize(
    "text",
    [
        CSV,
        json.dumps(JSON),
        json.dumps({"arguments": json.dumps({"inner": json.dumps(JSON)})}),
        f"| nom | tel |\n|---|---|\n| Madame {NAME} | {PHONE} |\n\nCIN {CIN}",
        f"<table><tr><td>Madame&nbsp;{NAME}</td><td>&#48;612345678</td></tr></table><p>CIN&nbsp;{CIN}</p>",
        f'client = "Madame {NAME}"  # tel {PHONE}\nprint("CIN {CIN}")',
    ],
    ids=["csv", "json", "json in json in json", "markdown", "html", "code"],
)
def test_text_of_every_kind_is_masked_and_comes_back(house: House, key: str, text: str) -> None:
    status, headers, received = sent(house, key, text)
    assert status == 200, received
    assert headers["x-riad-crossing"] == "pseudonymised"
    assert not any(private in received for private in PRIVATE)
    assert "612345678" not in received
    _, _, answer = house.riad.chat(key, "paris-echo", text)
    assert answer["choices"][0]["message"]["content"].count("[") <= text.count("[")


@pytest.mark.parametrize(
    ("text", "kind"), [(CSV, "text/csv"), (json.dumps(JSON), "application/json"), (CSV, "text/plain;charset=utf-8")]
)
def test_a_file_that_is_text_is_masked_inside(house: House, key: str, text: str, kind: str) -> None:
    file = {"type": "file", "file": {"filename": "clients.csv", "file_data": data(text, kind)}}
    status, headers, received = sent(house, key, [{"type": "text", "text": "résume"}, file])
    assert status == 200, received
    assert headers["x-riad-crossing"] == "pseudonymised"
    crossed = json.loads(received)["messages"][0]["content"][1]["file"]["file_data"]
    assert crossed.startswith(f"data:{kind};base64,")
    clear = base64.b64decode(crossed.partition(",")[2]).decode()
    assert "[PERSON_1]" in clear
    assert not any(private in clear for private in PRIVATE)
    if kind == "application/json":
        assert json.loads(clear).keys() == JSON.keys()
    findings = house.riad.of_request(headers["x-request-id"])[0]["findings"]
    assert findings == {"PERSON": 1, "PHONE": 1, "CIN": 1}


MEDIA = {
    "image": {"type": "image_url", "image_url": {"url": IMAGE}},
    "sound": {"type": "input_audio", "input_audio": {"data": "QUJD" * 100, "format": "wav"}},
    "pdf": {"type": "file", "file": {"filename": "a.pdf", "file_data": data("%PDF", "application/pdf")}},
    "file by number": {"type": "file", "file": {"file_id": "file-1"}},
    "document": {"type": "document_url", "document_url": data("%PDF", "application/pdf")},
    "broken text": {"type": "file", "file": {"file_data": "data:text/csv;base64,Q"}},
}


@pytest.mark.parametrize("part", MEDIA.values(), ids=MEDIA.keys())
def test_what_cannot_be_read_counts_as_personal(house: House, key: str, part: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "décris"}, part]
    status, headers, _ = sent(house, key, content, "rabat-echo")
    assert status == 200
    assert house.riad.of_request(headers["x-request-id"])[0]["persons"] == "personal"
    for declared in ("persons=none", "state=none"):  # declared, but not under a purpose that permits it
        status, _, told = sent(house, key, content, x_riad_data_class=declared)
        assert status == 403, told


@pytest.mark.parametrize("part", MEDIA.values(), ids=MEDIA.keys())
def test_a_caller_may_vouch_under_a_purpose_that_permits_it(house: House, reviewer: str, part: dict[str, Any]) -> None:
    content = [{"type": "text", "text": "décris"}, part]
    assert sent(house, reviewer, content)[0] == 403  # nothing declared
    assert sent(house, reviewer, content, x_riad_data_class="state=none")[0] == 403  # not in so many words
    assert sent(house, reviewer, content, x_riad_data_class="persons=personal")[0] == 403
    status, headers, received = sent(house, reviewer, content, x_riad_data_class="persons=none")
    assert status == 200, received
    assert headers["x-riad-crossing"] == "clear"
    assert json.loads(received)["messages"][0]["content"] == content


def test_vouching_speaks_for_the_image_alone(house: House, reviewer: str) -> None:
    content = [{"type": "text", "text": f"voici Madame {NAME}, tel {PHONE}"}, MEDIA["image"]]
    status, headers, received = sent(house, reviewer, content, x_riad_data_class="persons=none")
    assert status == 200, received
    assert headers["x-riad-crossing"] == "pseudonymised"
    assert not any(private in received for private in PRIVATE)
    assert IMAGE in received


def test_an_image_among_texts_to_embed_counts_too(house: House, key: str) -> None:
    status, _, _ = house.riad.post("/v1/embeddings", key, {"model": "paris-embed", "input": IMAGE})
    assert status == 403
