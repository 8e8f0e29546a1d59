"""The three cards of a candidate, generated out of its bundle, its training manifest and its gate report.

*Model card*         what the model is, what it may be used for, how it does: Mitchell et al. (2019), "Model cards for model reporting".
*Data card*          what it was fitted on and judged on: Gebru et al. (2021), "Datasheets for datasets".
*Validation report*  what every gate said, by which thresholds, and what was waived.

Nobody types a number here, and no figure is computed here that the documents do not hold: whoever has bundle, manifest and report makes the
same cards.
"""

from typing import Final

from msgspec import Struct

from instant_credit.decision.gate_report import NEVER_WAIVED, Figure, Gate, GateReport, Waiver, WindowTold
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition
from instant_credit.record.documents import get_document
from instant_credit.record.pool import Record
from instant_credit.record.waivers import list_waivers, read_gate_report
from instant_credit.score.bundle import Bundle, decode_bundle
from instant_credit.training.cards.card import Card, Section, list_pairs, say, say_interval
from instant_credit.training.gates.gathering import read_definition
from instant_credit.training.gates.thresholds import Thresholds, decode_thresholds, list_thresholds
from instant_credit.training.manifest import TrainingManifest, decode_training

_USE: Final = (
    "The model estimates how likely a loan of this product is to go bad, for a policy that turns the estimate into an answer. It decides "
    "nothing by itself."
)
_NOT_FOR: Final = (
    "It is not for another product, for applicants unlike those of the book, for prices that no policy caps, or for anything but credit. "
    "Attributes that the law prohibits never reach it."
)
_SELECTED: Final = "A book holds loans that were granted. What is said here says nothing sure about applicants unlike those who got one."
_LABEL: Final = "A loan is good or bad by the label definition that the model was trained by, as known on the day; what is neither, or too young to tell, is left out."


class CardSources(Struct, frozen=True, kw_only=True):
    """What cards are made from. `bundle_bytes` is the size of the bundle's canonical bytes, `definition` that of the labels."""

    report_hash: str
    report: GateReport
    bundle: Bundle
    bundle_bytes: int
    manifest: TrainingManifest
    thresholds: Thresholds
    definition: LabelDefinition = AS_LAST_SEEN
    waivers: tuple[Waiver, ...] = ()


async def read_cards(record: Record, report_hash: str) -> dict[str, Card]:
    """The cards of a recorded report, by name: validation, model, data.

    Raises
    ------
    NotFound : the report or one of its documents is not in the record.
    """
    report = await read_gate_report(record, report_hash)
    bundle_raw = await get_document(record, report.candidate_hash)
    manifest = decode_training(await get_document(record, report.training_hash))
    return make_cards(
        CardSources(
            report_hash=report_hash,
            report=report,
            bundle=decode_bundle(bundle_raw),
            bundle_bytes=len(bundle_raw),
            manifest=manifest,
            thresholds=decode_thresholds(await get_document(record, report.thresholds_hash)),
            definition=await read_definition(record, manifest),
            waivers=await list_waivers(record, report_hash),
        )
    )


def make_cards(sources: CardSources) -> dict[str, Card]:
    """All three by name."""
    return {
        "validation": make_validation_report(sources),
        "model": make_model_card(sources),
        "data": make_data_card(sources),
    }


def make_model_card(sources: CardSources) -> Card:
    """What the model is and how it does."""
    bundle, manifest, report = sources.bundle, sources.manifest, sources.report
    tables, asked = bundle.tables, [one for one in report.variables if one.trees]
    pairs = (
        ("product", manifest.product),
        ("trees", say(tables.tree_count)),
        ("deepest tree", say(int(tables.depths.max()))),
        ("variables in use", f"{say(len(asked))} of {say(len(bundle.variables))}"),
        ("calibration", f"slope {say(bundle.calibration.slope)}, intercept {say(bundle.calibration.intercept)}"),
        ("calibrated by", "all loans" if bundle.segment_variable is None else bundle.segment_variable),
        (
            "points",
            f"{say(bundle.scale.points)} at {say(bundle.scale.odds)} to 1, {say(bundle.scale.points_to_double)} double the odds",
        ),
        ("bundle", say(sources.bundle_bytes, "bytes")),
        ("engine", say(bundle.engine_version)),
    )
    return Card(
        title=f"Model card: {manifest.product}, model {report.candidate_hash[:12]}",
        sources=_name_sources(sources),
        sections=(
            Section(title="Use", sentences=(_USE, _NOT_FOR)),
            list_pairs("Model", pairs),
            _tell_making(manifest),
            _tell_parts(manifest),
            _tell_figures("Discrimination and calibration out of time", report, Gate.DISCRIMINATION, Gate.CALIBRATION),
            _tell_figures("Groups", report, Gate.FAIRNESS),
            _tell_figures("Reasons", report, Gate.REASONS),
            _tell_variables(sources),
            Section(
                title="Limits",
                sentences=(_SELECTED, *(one.sentence for one in report.results if one.gate in report.stopped_by)),
            ),
        ),
    )


def make_data_card(sources: CardSources) -> Card:
    """What the model was fitted on and judged on."""
    manifest, report = sources.manifest, sources.report
    told = manifest.training_set
    size: tuple[tuple[str, str], ...] = ()
    digests: tuple[tuple[str, str], ...] = ()
    if told is not None:
        size = (
            ("loans with a known outcome", say(told.loans)),
            ("bad among them", say(told.bads)),
            ("persons", say(told.persons_count)),
            ("sampling weights", "in force" if told.is_weighted else "none"),
            ("effective loans", say(told.effective_loans)),
        )
        names = ("columns", "matrix", "labels", "days", "persons", "weights")
        digests = tuple((name, getattr(told, name)) for name in names)
    return Card(
        title=f"Data card: book {manifest.book}, product {manifest.product}",
        sources=_name_sources(sources),
        sections=(
            list_pairs(
                "Book",
                (
                    ("book", manifest.book),
                    ("Cases", say(manifest.cases)),
                    (
                        "labels",
                        f"{sources.definition.name}, version {say(sources.definition.version)}: {sources.definition.title}",
                    ),
                    ("labels of the fit as known on", manifest.known_on.isoformat()),
                    ("labels of the judging as known on", report.known_on.isoformat()),
                    *size,
                ),
                _LABEL,
                _SELECTED,
            ),
            Section(
                title="Left out",
                head=("why", "Cases"),
                rows=tuple((one.reason, say(one.count)) for one in manifest.left_out),
            ),
            _tell_parts(manifest),
            Section(
                title="Judged over",
                head=("window", "loans", "bad", "bad rate", "from", "to"),
                rows=tuple(
                    _tell_window(name, window)
                    for name, window in (("fitted on", report.fit), ("judged on", report.test))
                    if window is not None
                ),
            ),
            list_pairs(
                "Cases decided again",
                (("Cases", say(report.cases)), ("with a known outcome", say(report.labelled_cases))),
            ),
            _tell_variables(sources),
            list_pairs("Digests", digests, "Equal digests are equal data, row by row; they tell nothing of anybody."),
        ),
    )


def make_validation_report(sources: CardSources) -> Card:
    """What every gate said, by which thresholds, and what was waived."""
    report = sources.report
    stopped = ", ".join(report.stopped_by)
    verdict = "Every gate lets the candidate pass." if report.passes else f"The candidate is stopped by {stopped}."
    lacking = (
        f"Not enough stops nobody at {', '.join(report.may_lack)}."
        if report.may_lack
        else "Not enough stops at every gate."
    )
    return Card(
        title=f"Validation report: {report.product}, model {report.candidate_hash[:12]}",
        sources=_name_sources(sources),
        sections=(
            Section(
                title="Verdict",
                sentences=(verdict, lacking, f"{' and '.join(sorted(NEVER_WAIVED)).capitalize()} are never waived."),
                head=("gate", "verdict", "in words"),
                rows=tuple(
                    (one.gate.value, one.verdict.value.replace("_", " "), one.sentence) for one in report.results
                ),
            ),
            Section(
                title="Waivers",
                head=("gate", "until", "proposed by", "approved by", "reason"),
                rows=tuple(
                    (
                        one.gate.value,
                        one.until_on.isoformat(),
                        one.proposed_by.id,
                        "nobody yet" if one.approved_by is None else one.approved_by.id,
                        one.reason,
                    )
                    for one in sources.waivers
                ),
            ),
            *(_tell_figures(f"Gate {one.gate.value}", report, one.gate) for one in report.results if one.figures),
            Section(
                title=f"Thresholds: {report.thresholds_name}",
                head=("threshold", "value", "unit"),
                rows=tuple((one.place, say(one.value), one.unit) for one in list_thresholds(sources.thresholds)),
            ),
        ),
    )


def _name_sources(sources: CardSources) -> tuple[tuple[str, str], ...]:
    report = sources.report
    named = [
        ("gate report", sources.report_hash),
        ("model bundle", report.candidate_hash),
        ("training manifest", report.training_hash),
        ("product", report.product_hash),
        ("thresholds", report.thresholds_hash),
    ]
    if report.champion_hash is not None:
        named.append(("champion's bundle", report.champion_hash))
    if report.labels_hash is not None:
        named.append(("label definition", report.labels_hash))
    if report.policy_hash is not None:
        named.append(("policy", report.policy_hash))
    return tuple(named)


def _tell_making(manifest: TrainingManifest) -> Section:
    parameters = manifest.parameters
    pairs = [(name, f"{getattr(parameters, name)}") for name in parameters.__struct_fields__]
    pairs += [(f"version of {name}", version) for name, version in sorted(manifest.versions.items())]
    return list_pairs(
        "Making", tuple(pairs), "The same book, product, parameters and versions give the same bundle again."
    )


def _tell_parts(manifest: TrainingManifest) -> Section:
    return Section(
        title="Training",
        head=("part", "loans", "bad", "bad rate", "from", "to"),
        rows=tuple(
            (
                one.name,
                say(one.loans),
                say(one.bads),
                say(one.bad_rate),
                one.first_on.isoformat(),
                one.last_on.isoformat(),
            )
            for one in manifest.parts
        ),
    )


def _tell_window(name: str, window: WindowTold) -> tuple[str, ...]:
    return (
        name,
        say(window.loans),
        say(window.bads),
        say(window.bad_rate),
        window.first_on.isoformat(),
        window.last_on.isoformat(),
    )


def _tell_figures(title: str, report: GateReport, *gates: Gate) -> Section:
    results = [report.result_of(gate) for gate in gates]
    return Section(
        title=title,
        sentences=tuple(one.sentence for one in results),
        head=("figure", "value", "95% interval", "limit"),
        rows=tuple(_tell_figure(figure) for one in results for figure in one.figures),
    )


def _tell_figure(figure: Figure) -> tuple[str, ...]:
    limit = ""
    if figure.limit is not None and figure.bound is not None:
        limit = f"{figure.bound.replace('_', ' ')} {say(figure.limit, figure.unit)}"
    return (figure.name, say(figure.value, figure.unit), say_interval(figure.low, figure.high), limit)


def _tell_variables(sources: CardSources) -> Section:
    directions = dict(zip(sources.bundle.variables, sources.bundle.directions, strict=True))
    return Section(
        title="Variables",
        head=("variable", "direction", "trees", "missing, fitted on", "missing, judged on"),
        rows=tuple(
            (
                one.name,
                directions[one.name].value,
                say(one.trees),
                say(one.missing_share_fit),
                say(one.missing_share_test),
            )
            for one in sources.report.variables
        ),
    )
