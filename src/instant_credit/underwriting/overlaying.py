"""Edge. The releases of arms: parts of recorded releases laid over the live one, composed when the first application draws them.

    live release, {part: release hash} ─► manifest and policy (decision/overlay) ─► recorded ─► compiled with models that are held already

What an arm decides with is in the record before it decides, so every Decision can be made again. Models are few and held whole; overlays are
many and hold no model of their own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from msgspec import UNSET

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.decision.overlay import Overlaid, Parts, overlay
from instant_credit.decision.release import Release, decode_manifest, recompose
from instant_credit.errors import Refused
from instant_credit.experiment.plan import Part
from instant_credit.record.documents import get_document, put_documents
from instant_credit.record.pool import Record
from instant_credit.underwriting.releases import load_release

MODELS_MAX: Final = 16
"""Other models than the live ones that the arms of a process decide by."""
OVERLAYS_MAX: Final = 4_096
"""Composed releases that a process holds; the one not used longest goes."""
ACTOR: Final = Actor(kind=ActorKind.JOB, id="experiments")

_Key = tuple[str, tuple[tuple[Part, str], ...]]


class Overlays:
    """Composes arms' releases and holds them.

    Parameters
    ----------
    record : the open system of record; composed manifests and policies are kept in it.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._held: OrderedDict[_Key, Release] = OrderedDict()
        self._parts: dict[str, Parts] = {}
        self._models: dict[str, Release] = {}
        self._composing = asyncio.Lock()

    def held(self, live: Release, laid: Mapping[Part, str]) -> Release | None:
        """The composed release, None when it is not in memory yet; the live one itself where nothing is laid over it."""
        if not laid:
            return live
        key = _name(live, laid)
        found = self._held.get(key)
        if found is not None:
            self._held.move_to_end(key)
        return found

    async def compose(self, live: Release, laid: Mapping[Part, str]) -> Release:
        """The composed release, recorded and ready to decide.

        Raises
        ------
        NotFound : a release that is laid over, or one of its documents, is not in the record.
        Refused : the parts do not fit together, or arms decide by more than `MODELS_MAX` models.
        Unavailable : the record did not answer.
        """
        async with self._composing:
            found = self.held(live, laid)
            if found is not None:
                return found
            sources = {part: await self._read_parts(release_hash) for part, release_hash in laid.items()}
            overlaid = await asyncio.to_thread(overlay, await self._read_parts(live.hash), sources)
            model_of = live if Part.MODEL not in laid else await self._find_model(laid[Part.MODEL])
            release = await asyncio.to_thread(_complete, live, model_of, overlaid)
            await put_documents(self._record, overlaid.made, ACTOR)
            self._held[_name(live, laid)] = release
            if len(self._held) > OVERLAYS_MAX:
                self._held.popitem(last=False)
            return release

    async def _read_parts(self, release_hash: str) -> Parts:
        found = self._parts.get(release_hash)
        if found is None:
            manifest = decode_manifest(await get_document(self._record, release_hash))
            losses = () if manifest.losses_hash is UNSET else (manifest.losses_hash,)
            names = (manifest.product_hash, manifest.policy_hash, *losses)
            documents = {name: await get_document(self._record, name) for name in names}
            if len(self._parts) >= OVERLAYS_MAX:
                self._parts.pop(next(iter(self._parts)))
            found = self._parts[release_hash] = Parts(manifest=manifest, documents=documents)
        return found

    async def _find_model(self, release_hash: str) -> Release:
        found = self._models.get(release_hash)
        if found is None:
            if len(self._models) >= MODELS_MAX:
                raise Refused(
                    f"overlay model: arms decide by {MODELS_MAX} other models already: stop an experiment on models first"
                )
            found = self._models[release_hash] = await load_release(self._record, release_hash)
        return found

    def release_models(self, used: frozenset[str]) -> None:
        """Let go of the models whose releases are not among `used`, and of what was composed with them."""
        for gone in set(self._models) - used:
            del self._models[gone]
            for key in [key for key in self._held if (Part.MODEL, gone) in key[1]]:
                del self._held[key]


def _name(live: Release, laid: Mapping[Part, str]) -> _Key:
    return live.hash, tuple(sorted(laid.items()))


def _complete(live: Release, model_of: Release, overlaid: Overlaid) -> Release:
    return recompose(live, model_of, overlaid.manifest, overlaid.documents)
