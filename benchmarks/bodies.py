"""The requests sent: one realistic chat body of about half a kilobyte, French and Darija, the same for everybody."""

from __future__ import annotations

import json

SYSTEM = "Tu es l'assistant d'un service public marocain. Réponds brièvement, dans la langue de la question."
PLAIN = (
    "السلام، بغيت نعرف شنو هي الوثائق اللي خاصني باش نجدد البطاقة الوطنية، وشحال كياخد ديال الوقت؟ "
    "Merci de préciser aussi les horaires du bureau et s'il faut prendre rendez-vous avant de venir."
)
# Invented: the identity card, the telephone and the person belong to nobody. Same length as PLAIN, give or take.
PERSONAL = (
    "السلام، سميتي Fatima Zahra El Amrani، رقم البطاقة ديالي BE482915، والتيليفون 06 61 23 45 67. "
    "Je voudrais renouveler ma carte nationale: quels documents faut-il apporter, et sous quel délai?"
)


def chat(model: str, *, text: str = PLAIN, stream: bool = False, max_tokens: int = 16) -> bytes:
    """One chat completion request as JSON bytes; the engine stand-in streams ``max_tokens`` tokens."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}],
        "max_tokens": max_tokens,
        "temperature": 0.2,
    }
    if stream:
        body["stream"] = True
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
