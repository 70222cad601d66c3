"""Who found what: the peer's words in ours, spans counted, time against size."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import hostile, leaks, presidio, privacy_tables, restoring
from benchmarks.accuracy import Found, compare, scores, settled
from benchmarks.texts import MIXED, sized, thirds
from riad.privacy.evaluate import read

SAMPLES = read(
    "\n".join(
        [
            "fr | Je suis ⟦PERSON Ahmed Benali⟧, tél. ⟦PHONE 0612345678⟧",
            "fr | Une recette de tajine.",
            "es | Soy ⟦PERSON Ana⟧, DNI ⟦DNI 12345678Z⟧",
        ]
    ).encode()
)


def found(type_: str, start: int, end: int) -> Found:
    return Found(frozenset([type_]), start, end)


PERFECT = [[found(span.type, span.start, span.end) for span in sample.spans] for sample in SAMPLES]


def test_the_peers_entities_become_ours_and_the_rest_is_left_out() -> None:
    findings = [["PERSON", 0, 5, 0.85], ["LOCATION", 10, 15, 0.85], ["US_BANK_NUMBER", 20, 30, 0.05]]
    assert presidio.spans(findings) == [found("PERSON", 0, 5)]


def test_of_the_peers_findings_that_overlap_the_best_counts_then_the_longest() -> None:
    findings = [["PHONE_NUMBER", 0, 10, 0.4], ["MA_RIB", 0, 24, 1.0], ["EMAIL_ADDRESS", 30, 50, 0.5]]
    findings += [["PERSON", 30, 35, 0.5], ["PERSON", 50, 55, 0.3]]
    assert presidio.spans(findings) == [found("RIB", 0, 24), found("EMAIL", 30, 50), found("PERSON", 50, 55)]


def test_every_type_the_peer_knows_is_one_of_its_counterparts() -> None:
    assert frozenset().union(*presidio.COUNTERPARTS.values()) == presidio.KNOWN
    assert {"PERSON", "PHONE", "EMAIL", "IBAN", "CARD", "IP", "CIN", "RIB", "ICE"} <= presidio.KNOWN
    assert not {"LOCATION", "DATE_TIME", "DOB", "ADDRESS"} & (presidio.KNOWN | presidio.COUNTERPARTS.keys())


def test_a_perfect_sheet_scores_one_and_an_empty_one_none() -> None:
    assert scores(SAMPLES, PERFECT) == {"f1": 1.0, "f1_exact": 1.0, "precision": 1.0, "recall": 1.0}
    nothing = scores(SAMPLES, [[], [], []])
    assert (nothing["f1"], nothing["precision"], nothing["recall"]) == (0.0, 1.0, 0.0)


def test_overlap_is_right_but_not_exact_and_another_type_is_wrong() -> None:
    first = SAMPLES[0].spans[0]
    sheet = [[found("PERSON", first.start, first.end - 1), found("CIN", 27, 37)], [found("PERSON", 0, 3)], PERFECT[2]]
    counted = scores(SAMPLES, sheet)
    assert (counted["precision"], counted["recall"]) == (0.6, 0.75)  # 3 of 5 findings, 3 of 4 spans
    assert counted["f1"] == pytest.approx(2 * 3 / (2 * 3 + 2 + 1), abs=1e-4)
    assert counted["f1_exact"] == pytest.approx(2 * 2 / (2 * 2 + 3 + 2), abs=1e-4)


def test_known_types_leave_out_the_others_on_both_sides() -> None:
    sheet = [[*PERFECT[0][:1], found("DOB", 30, 34)], [], PERFECT[2][:1]]
    assert scores(SAMPLES, sheet, {"PERSON"})["f1"] == 1.0
    assert scores(SAMPLES, sheet)["f1"] < 1.0


def test_a_finding_with_two_types_is_right_with_either() -> None:
    span = SAMPLES[2].spans[1]
    either = [Found(frozenset({"DNI", "NIF"}), span.start, span.end)]
    assert settled(SAMPLES[2], either)[0].type == "DNI"
    assert scores(SAMPLES[2:], [[PERFECT[2][0], *either]])["f1"] == 1.0
    assert scores(SAMPLES[2:], [[PERFECT[2][0], *either]], {"DNI"})["recall"] == 1.0


def test_a_sheet_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        scores(SAMPLES, PERFECT[:2])


def test_the_peer_is_scored_with_its_better_model_in_each_language() -> None:
    theirs = {"en": [[], [found("PERSON", 0, 3)], PERFECT[2]], "fr": [PERFECT[0], [], []]}
    result = compare(SAMPLES, PERFECT, theirs, {"PERSON"})
    assert [row["presidio"]["model"] for row in result["languages"].values()] == ["fr", "en"]
    assert result["all"]["presidio"]["f1"] == 1.0
    assert result["without_personal_data"] == {"texts": 1, "riad_left_alone": 1, "presidio_left_alone": 1}
    assert {name: (row["texts"], row["spans"]) for name, row in result["languages"].items()} == {
        "fr": (2, 2),
        "es": (1, 2),
    }


def test_without_a_peer_there_is_no_column_of_it() -> None:
    result = compare(SAMPLES, PERFECT, {}, {"PERSON"})
    assert "presidio" not in result["languages"]["fr"]
    assert "presidio" not in result["all"]


@given(st.floats(0.5, 3), st.floats(1e-9, 1e-3))
def test_the_exponent_of_a_power_is_its_power(power: float, factor: float) -> None:
    points = [(size, factor * size**power) for size in hostile.sizes(10e6)]
    assert hostile.exponent(points) == pytest.approx(power, abs=1e-6)


def test_the_exponent_of_one_size_is_unknown_and_time_is_above_zero() -> None:
    assert math.isnan(hostile.exponent([(10_000, 1.0)]))
    with pytest.raises(ValueError, match="domain"):
        hostile.exponent([(10_000, 0.0), (20_000, 1.0)])


def test_sizes_grow_by_the_root_of_ten_up_to_the_largest() -> None:
    assert hostile.sizes(1e6) == [10_000, 31_623, 100_000, 316_228, 1_000_000]
    assert hostile.sizes(5) == [10_000]


def busy(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_a_size_that_would_take_too_long_is_left_out() -> None:
    lengths = hostile.sizes(10e6)
    linear = hostile.Case(lambda text: busy(len(text) * 1e-6), "a", lengths)
    quadratic = hostile.Case(lambda text: busy(len(text) ** 2 * 1e-11), "a", lengths)
    hostile.measure([linear, quadratic], len(lengths), most=0.5, total=60)
    assert len(linear.times) == 4  # 10 to 316 ms; then 1 s
    assert len(quadratic.times) == 3  # 1, 10 and 100 ms; then 1 s, where a line through the last two would end at 0.3
    assert quadratic.result()["left_out"] == lengths[3:]
    assert linear.result()["exponent"] == pytest.approx(1, abs=0.1)
    assert quadratic.result()["exponent"] is None  # of one size from 100 kB on


def test_when_time_is_over_every_case_has_come_equally_far() -> None:
    lengths = hostile.sizes(10e6)
    slow, quick = (hostile.Case(lambda text, each=each: busy(len(text) * each), "a", lengths) for each in (1e-6, 1e-9))
    hostile.measure([slow, quick], len(lengths), most=60, total=0.1)
    assert len(slow.times) == 2  # 10 and 32 ms; then 100
    assert len(quick.times) == len(lengths)
    assert slow.result()["mb_s"] == pytest.approx(1, rel=0.1)


def test_texts_are_cut_to_their_size_and_whole() -> None:
    for size in (200, 1024, 100_000):
        assert size - 4 < len(sized(MIXED, size).encode()) <= size
    assert "".join(thirds(MIXED)) == MIXED


def test_placeholders_come_in_pieces_and_are_held_back_until_whole() -> None:
    stream = restoring.tokens("Bonjour [PERSON_1], merci")
    assert stream == ["Bonjour", " [", "PERSON", "_", "1", "],", " merci"]
    assert restoring.held(stream, {"[PERSON_1]": "Ahmed"}) == [0, 1, 7, 8, 9, 0, 0]
    assert restoring.longest([0, 1, 7, 8, 9, 0, 2]) == 4
    assert restoring.longest([0, 0]) == 0


def test_leaks_are_counted_over_runs_and_apart() -> None:
    one = {"entities": {"EMAIL": "contained", "SSN": "leak", "SLACK_TOKEN": "leak"}}
    two = {"entities": {"EMAIL": "contained", "SSN": "not measured", "SLACK_TOKEN": "contained"}}
    counted = leaks.of_requests([{**one, "required_checks": {"a": True}}, {**two, "required_checks": {"a": False}}])
    assert counted == {
        "runs": 2,
        "leaked_personal_data": {"EMAIL": 0, "SSN": 2},
        "leaked_credentials": {"SLACK_TOKEN": 1},
        "failed_checks": {"a": 1},
    }


def test_the_second_profile_says_where_an_answer_leaked() -> None:
    summary = {"cases_applicable": 32, "request_path_leak": [], "fidelity_rate": 1.0}
    summary |= {"leak_single_chunk": 0.25, "leak_adversarial": 0.5}
    carriers = {"sse-delta-content": {"leak_rate": 0.0}, "sse-json-field": {"leak_rate": 1.0}}
    counted = leaks.of_everywhere(summary, {"by_axis": {"carrier": carriers}})
    assert (counted["leaked_types"], counted["restored_share"]) == ([], 1.0)
    assert (counted["answer_let_through_whole"], counted["answer_let_through_cut"]) == (0.25, 0.5)
    assert (counted["answer_let_through_in_content"], counted["answer_let_through_in_unknown_fields"]) == (0.0, 1.0)


def test_the_table_says_what_was_left_out_and_who_was_missing() -> None:
    facts = dict.fromkeys(("date", "processor", "cores", "memory_gb", "system", "python", "commit"), "x")
    three = {"median": 2.0, "min": 1.0, "max": 3.0}
    document = {
        "machine": facts,
        "peer": {"title": "Presidio", "reason": "no wheel"},
        "speed": {"mixed, 1 KB": {"riad": three}},
        "document": {"mb": 10.0, "riad": three},
        "accuracy": {"texts": 3, **compare(SAMPLES, PERFECT, {}, {"PERSON"})},
        "parts": {"mask_500b_us": three},
        "streamed_token": restoring.measure(),
        "hostile": {"a|b": {"seconds": {"10000": 0.01}, "exponent": None, "mb_s": 1.0, "left_out": [31623]}},
        "start": {"first_scan_s": 0.1, "memory_mb": 7.0},
        "promises": [],
    }
    text = privacy_tables.privacy(document)
    assert "Presidio did not take part: no wheel." in text
    assert "| mixed, 1 KB | 2.00 (1.00–3.00) | – | – |" in text
    assert "| fr | 2 | 2 | 1.000 | – |" in text
    assert "| a\\|b | 0.01 | left out | – | 1.00 |" in text
    assert "Of 1 texts without personal data, left alone by Riad 1." in text
