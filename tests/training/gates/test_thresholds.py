import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.decision.gate_report import Gate
from instant_credit.errors import Refused
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.training.gates.thresholds import (
    Thresholds,
    decode_thresholds,
    encode_thresholds,
    list_thresholds,
    read_thresholds,
)
from tests.budget import examples

TEXT = read_starter("gates", "standard")
STANDARD = read_thresholds(TEXT)


@pytest.mark.parametrize("name", list_starters("gates"))
def test_every_shipped_document_is_read(name: str) -> None:
    assert read_thresholds(read_starter("gates", name)).name == name


def test_every_threshold_has_a_unit() -> None:
    told = list_thresholds(STANDARD)
    document = msgspec.json.decode(encode_thresholds(STANDARD))
    numbers = sum(len(section) for section in document.values() if isinstance(section, dict)) + 1
    assert len(told) == numbers
    assert all(one.unit for one in told)
    assert ("discrimination.margin_auc", 0.02, "auc") in [(one.place, one.value, one.unit) for one in told]


def test_the_schema_tells_units_too() -> None:
    schema = msgspec.json.encode(msgspec.json.schema(Thresholds)).decode()
    assert all(f'"unit":"{one.unit}"' in schema for one in list_thresholds(STANDARD))
    assert {one.unit for one in list_thresholds(STANDARD)} >= {
        "auc",
        "share",
        "log_odds",
        "index",
        "ratio",
        "ppm",
        "us",
        "bytes",
    }


def test_thresholds_survive_their_canonical_form() -> None:
    assert decode_thresholds(encode_thresholds(STANDARD)) == STANDARD


@pytest.mark.parametrize(
    ("former", "latter", "message"),
    [
        ("gap_auc_max = 0.10", "gap_auc_max = 1.5", "gap_auc_max"),
        ("gap_auc_max = 0.10", "", "gap_auc_max"),
        ("gap_auc_max = 0.10", "gap_auc_max = 0.1\ngap_ks_max = 0.1", "gap_ks_max"),
        ("margin_auc = 0.02", 'margin_auc = "two"', "margin_auc"),
        ("slope_min = 0.70", "slope_min = 1.20", "slope_min lies below 1"),
        ('may_lack = ["fairness"]', 'may_lack = ["leakage"]', "may not lack"),
        ('may_lack = ["fairness"]', 'may_lack = ["beauty"]', "beauty"),
        ("[profit]", "[loss]", "loss"),
    ],
)
def test_a_threshold_that_is_missing_unknown_or_out_of_range_is_refused_by_name(
    former: str, latter: str, message: str
) -> None:
    assert former in TEXT
    with pytest.raises(Refused, match=message):
        read_thresholds(TEXT.replace(former, latter, 1))


@examples(30)
@given(st.data())
def test_whatever_a_document_says_within_its_ranges_is_read_back_as_it_was(data: st.DataObject) -> None:
    document = msgspec.json.decode(encode_thresholds(STANDARD))
    for section in ("leakage", "overfit", "discrimination", "reasons"):
        for name, value in document[section].items():
            if isinstance(value, float):
                document[section][name] = data.draw(st.floats(0.01, 0.99))
    document["may_lack"] = sorted(data.draw(st.sets(st.sampled_from([Gate.FAIRNESS, Gate.PROFIT, Gate.COST]))))
    told = msgspec.convert(document, Thresholds)
    assert decode_thresholds(encode_thresholds(told)) == told
