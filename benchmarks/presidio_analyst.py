"""Presidio, answering on standard input: runs in an environment of its own, started by ``benchmarks.presidio``.

Imports nothing of ours. Each line is a JSON object, each answer one line of JSON:

    {"models": {"en": "…"}, "recognizers": ["EmailRecognizer", …], "entities": [...]}   first, once: {"ready": true}
    {"language": "fr", "texts": [...]}          {"findings": [[[entity, start, end, score], …], …]}
    {"language": "fr", "text": "…", "budget": 0.15}    {"seconds": CPU of one call, the mean of as many as fit}
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpEngineProvider
from presidio_mena import register_mena_recognizers

# It would ask the internet for the list of domain suffixes; the copy in its package serves as well.
tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


class Analyst:
    """One analyzer, with the same recognizers for every language it has a model for."""

    def __init__(self, models: dict[str, str], recognizers: list[str], entities: list[str]) -> None:
        languages = sorted(models)
        listed = [{"lang_code": language, "model_name": model} for language, model in models.items()]
        provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": listed})
        registry = RecognizerRegistry(supported_languages=languages)
        for language in languages:
            for name in recognizers:
                registry.add_recognizer(getattr(predefined_recognizers, name)(supported_language=language))
        register_mena_recognizers(registry, languages=languages)
        self._analyzer = AnalyzerEngine(
            registry=registry, nlp_engine=provider.create_engine(), supported_languages=languages
        )
        self._entities = entities

    def find(self, text: str, language: str) -> list[list[Any]]:
        found = self._analyzer.analyze(text, language=language, entities=self._entities)
        return [[one.entity_type, one.start, one.end, one.score] for one in found]

    def cost(self, text: str, language: str, budget: float) -> float:
        began = time.process_time()
        calls = 0
        while not calls or time.process_time() - began < budget:
            self.find(text, language)
            calls += 1
        return (time.process_time() - began) / calls

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "texts" in asked:
            return {"findings": [self.find(text, asked["language"]) for text in asked["texts"]]}
        return {"seconds": self.cost(asked["text"], asked["language"], asked["budget"])}


def main() -> None:
    analyst = Analyst(**json.loads(sys.stdin.readline()))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(analyst.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
