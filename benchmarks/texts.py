"""What the privacy benchmarks scan: everyday prompts without personal data, one full of it, and how to size them."""

from __future__ import annotations

FRENCH = (
    "Bonjour, peux-tu m'aider à rédiger un courriel professionnel pour demander un délai supplémentaire à mon "
    "responsable ? Le projet avance bien mais nous attendons encore les données de la direction régionale. Il "
    "faudrait rester poli et concis, et proposer une nouvelle date de remise à la fin du mois. Merci d'avance. "
)
ARABIZI = (
    "salam khouya, bghit n3ref kifach ndir demande dyal lpasspor jdid f rabat, chno lwra9 li khassni njib m3aya o "
    "ch7al kaykhelso nas 3la had lkhedma. wach kayn chi site web fin n9der ndir rendez-vous bla manmchi ltemma? "
)
ARABIC = (
    "السلام عليكم، بغيت نسولك على الطريقة ديال تقديم طلب القرض السكني فالبنك، شنو هما الوثائق المطلوبة وشحال كتبقى "
    "المعالجة ديال الملف؟ وواش ممكن نخلص قبل الوقت بلا غرامة. شكرا بزاف على المساعدة ديالكم "
)
ENGLISH = (
    "Explain the difference between supervised and unsupervised learning to a student of economics, with two concrete "
    "examples for each, and keep it under three hundred words. Then compare cost, data needs and typical errors. "
)
DENSE = (
    "Bonjour, je m'appelle Ahmed Benjelloun, CIN BK451236, tél. 06 61 23 45 67, RIB 011 519 0000012050005349 21. "
    "سميتي محمد العلوي ورقم الهاتف ٠٦٦١٢٣٤٥٦٧. smiti hamza lgrini, email hamza@exemple.ma. Le dossier de Mme Salma "
    "Tazi, née le 12/03/1985, est complet. "
)
CLEAN = {"french": FRENCH, "arabizi": ARABIZI, "arabic": ARABIC, "english": ENGLISH}
MIXED = (FRENCH + ARABIZI + ARABIC + ENGLISH) * 3 + DENSE  # one person in three kilobytes and a half


def thirds(text: str) -> list[str]:
    """The text as three messages."""
    third = len(text) // 3
    return [text[:third], text[third : 2 * third], text[2 * third :]]


def sized(text: str, size: int) -> str:
    """The text repeated to about ``size`` bytes of UTF-8."""
    data = (text * (size // len(text.encode()) + 1)).encode()
    return data[:size].decode("utf-8", "ignore")
