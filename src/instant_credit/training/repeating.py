"""Repeating a training: from its manifest alone, to the same bundle. Edge.

    manifest -> product, plan, parameters or how they were found, segment, day
    book     -> training set as known on that day -> its digests beside the manifest's -> trained again -> bundle hash beside the manifest's

Nothing is written to the record: what is the same is there already, and what is not must not be taken for it. A search tries again, in
a folder that is thrown away, as many trials as the manifest holds; how many its minutes allowed is known from there.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec.structs import replace

from instant_credit.application.document import decode_product
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, decode_definition
from instant_credit.record.documents import DocumentKind, get_document, list_documents
from instant_credit.record.pool import Record
from instant_credit.training.dataset import TrainingSet, gather_training_set
from instant_credit.training.digest import digest_loans, digest_rejects, list_differences
from instant_credit.training.fitting.fit import FitParameters, Watch
from instant_credit.training.fitting.search import Searching
from instant_credit.training.fitting.space import SPACE
from instant_credit.training.inference import name_propensity
from instant_credit.training.making import Progress
from instant_credit.training.manifest import TrainingManifest, decode_training
from instant_credit.training.plans import recall_plan
from instant_credit.training.workshop import Training, build_training

_SAME_VERSIONS: Final = "every version is as then, so it is the machine that differs: its processor or system libraries"


async def recall_training(record: Record, training_hash: str) -> TrainingManifest:
    """A training's manifest.

    Raises
    ------
    Refused : the record holds no training of this hash; the message says which hash is wanted.
    """
    listed = {row.content_hash for row in await list_documents(record, DocumentKind.TRAINING)}
    if training_hash not in listed:
        raise Refused(
            f"the record holds no training {training_hash}: give the hash that `train` printed after Training:, not that of the bundle"
        )
    return decode_training(await get_document(record, training_hash))


async def repeat_training(
    record: Record,
    training_hash: str,
    *,
    progress: Progress = lambda _stage, _done: None,
    watch: Watch | None = None,
) -> Training:
    """Train again as a manifest says; the training returned has the manifest's bundle.

    Raises
    ------
    Refused : the manifest cannot be repeated, the book holds other loans than then, or the bundle differs; the message says what of it.
    """
    manifest = await recall_training(record, training_hash)
    _check_manifest(manifest, training_hash)
    training_set = await gather_training_set(
        record,
        book=manifest.book,
        product=decode_product(await get_document(record, manifest.product_hash)),
        known_on=manifest.known_on,
        definition=await _recall_definition(record, manifest),
        with_rejects=manifest.inference is not None,
        propensity=name_propensity(manifest.inference),
        progress=lambda done: progress("read", done),
    )
    return rebuild_training(training_set, manifest, progress, watch)


async def _recall_definition(record: Record, manifest: TrainingManifest) -> LabelDefinition:
    return AS_LAST_SEEN if manifest.labels is None else decode_definition(await get_document(record, manifest.labels))


def rebuild_training(
    training_set: TrainingSet,
    manifest: TrainingManifest,
    progress: Progress = lambda _stage, _done: None,
    watch: Watch | None = None,
) -> Training:
    """The same as `repeat_training`, of loans that were read already."""
    assert manifest.training_set is not None
    progress("compare with the loans of then", 0)
    differences = list_differences(manifest.training_set, digest_loans(training_set))
    if training_set.rejects is not None and digest_rejects(training_set.rejects) != manifest.rejects:
        differences.append("its declined applicants are others")
    if differences:
        raise Refused(
            f"book {manifest.book} as known on {manifest.known_on} is not what it was: {'; '.join(differences)}. Loans that were imported "
            "or corrected since, or persons who were erased, make it another training; train on the book as it is now"
        )
    with TemporaryDirectory() as folder:
        training = build_training(
            training_set,
            recall_plan(manifest.plan),
            _recall_parameters(manifest),
            progress,
            watch=watch,
            segment=manifest.segment,
            searching=_recall_search(manifest, Path(folder)),
            selecting=None if manifest.selection is None else manifest.selection.options,
            inference=manifest.inference,
        )
    if training.bundle_hash != manifest.bundle_hash:
        raise Refused(
            f"the repeat gave bundle {training.bundle_hash}, the training gave {manifest.bundle_hash}, from the same loans: "
            f"{_tell_versions(manifest.versions, training.manifest.versions)}"
        )
    return replace(training, plan_why="the same loans as then")


def _check_manifest(manifest: TrainingManifest, training_hash: str) -> None:
    if manifest.training_set is None:
        raise Refused(
            f"training {training_hash} was recorded by a version that did not keep digests of its loans, and cannot be repeated: train "
            f"again on book {manifest.book}"
        )


def _recall_parameters(manifest: TrainingManifest) -> FitParameters | str | None:
    """What was given: parameters, or a preset's name; None = they were chosen."""
    if manifest.choice is None:
        return manifest.parameters
    return manifest.choice.preset if manifest.choice.is_asked else None


def _recall_search(manifest: TrainingManifest, folder: Path) -> Searching | None:
    if manifest.search is None:
        return None
    if manifest.search.space != SPACE.told:
        raise Refused("the training searched through another space than this version of the program does")
    counts = tuple(len(one.trials) for one in (*manifest.fold_searches, manifest.search))
    return Searching(options=manifest.search.options, folder=folder, counts=counts)


def _tell_versions(then: dict[str, str], now: dict[str, str]) -> str:
    changed = [
        f"{name} was {then.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if not changed:
        return _SAME_VERSIONS
    return f"{', '.join(changed)}. Install those versions and repeat"
