"""Every number on a card is what bundle and data say: made again from them it is the same, and bent by one digit it is found."""

import re

import pytest
from msgspec.structs import replace

from instant_credit.canonical import hash_content
from instant_credit.decision.gate_report import Gate, encode_gate_report
from instant_credit.training.cards.making import CardSources, make_cards
from instant_credit.training.cards.pages import list_false_claims, render_html, render_markdown
from tests.decision.test_gate_report import waiver_of
from tests.training.gates.worlds import STANDARD, Contender, judge, make_better, make_world, train

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?")
NAMES = ("validation", "model", "data")


def sources_of(candidate: Contender) -> CardSources:
    """Judged anew over the world's data."""
    report = judge(candidate)
    assert candidate.manifest is not None
    report_hash = hash_content(encode_gate_report(report))
    return CardSources(
        report_hash=report_hash,
        report=report,
        bundle=candidate.bundle,
        bundle_bytes=len(candidate.bundle_raw),
        manifest=candidate.manifest,
        thresholds=STANDARD,
        waivers=(waiver_of(Gate.COST, report=report_hash), waiver_of(Gate.PROFIT, is_approved=False)),
    )


SOURCES = sources_of(make_better())
CARDS = make_cards(SOURCES)


def test_a_second_training_and_judging_of_the_same_data_makes_the_same_cards() -> None:
    again = make_cards(sources_of(train(make_world())))
    assert {name: render_markdown(card) for name, card in again.items()} == {
        name: render_markdown(card) for name, card in CARDS.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_nothing_false_about_the_data_it_was_made_of(name: str) -> None:
    assert list_false_claims(render_markdown(CARDS[name]), CARDS[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_any_number_bent_by_one_digit_is_found(name: str) -> None:
    text = render_markdown(CARDS[name])
    numbers = list(NUMBER.finditer(text))
    assert len(numbers) > 20
    for number in numbers:
        digit = int(number[0][-1])
        bent = f"{text[: number.end() - 1]}{(digit + 1) % 10}{text[number.end() :]}"
        told = list_false_claims(bent, CARDS[name])
        line = text.count("\n", 0, number.start()) + 1
        assert [one.partition(" says")[0] for one in told] == [f"line {line}"], number[0]


def test_a_line_that_is_left_out_or_added_is_found() -> None:
    text = render_markdown(CARDS["model"])
    lines = text.splitlines()
    assert "is missing" in list_false_claims("\n".join(lines[:-1]), CARDS["model"])[-1]
    assert "nothing belongs there" in list_false_claims(text + "More.\n", CARDS["model"])[-1]


def test_the_validation_report_tells_every_gate_threshold_and_waiver() -> None:
    text = render_markdown(CARDS["validation"])
    for result in SOURCES.report.results:
        assert f"| {result.gate.value} | {result.verdict.value} | " in text
        assert result.sentence in text
    assert "| discrimination.margin_auc | 0.0200 | auc |" in text
    assert "The machine it runs on has room." in text
    assert "nobody yet" in text


def test_the_figures_are_those_of_the_bundle_and_the_data() -> None:
    model, data = (render_markdown(CARDS[name]) for name in ("model", "data"))
    loans, bundle = make_world().loans, make_better().bundle
    assert f"| trees | {bundle.tables.tree_count:,} |" in model
    assert f"| bundle | {len(make_better().bundle_raw):,} bytes |" in model
    assert f"| loans with a known outcome | {loans.loans:,} |" in data
    assert f"| bad among them | {int(loans.labels.sum()):,} |" in data
    assert hash_content(make_better().bundle_raw) in model


def test_a_page_loads_nothing_and_shows_text_as_text() -> None:
    reason = "<script>alert(1)</script> | no"
    loud = replace(SOURCES, waivers=(replace(SOURCES.waivers[0], reason=reason),))
    card = make_cards(loud)["validation"]
    page, text = render_html(card), render_markdown(card)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=", page)
    assert "\\| no |" in text
    assert page.count("<table>") == page.count("</table>")


def test_a_manifest_without_a_digest_of_its_set_still_makes_cards() -> None:
    older = replace(SOURCES, manifest=replace(SOURCES.manifest, training_set=None))
    assert "effective loans" not in render_markdown(make_cards(older)["data"])
