"""Four eyes: who signed, and whether a second signature is somebody else's.

An API key signs for its client, over all keys of that client, since one person may hold several keys. A job may begin a thing and never
seconds one: nobody looked.
"""

from msgspec import Struct

from instant_credit.access.actors import Actor, ActorKind


class Signature(Struct, frozen=True, kw_only=True):
    """Who did something; `client_id` is set for an API key."""

    actor: Actor
    client_id: str | None = None

    @property
    def signer(self) -> tuple[str, str]:
        """Who answers for it: the client of an API key, the person or the job itself; ids that differ in the case of letters are one."""
        if self.actor.kind is ActorKind.API_KEY and self.client_id is not None:
            return "client", self.client_id.casefold()
        return self.actor.kind.value, self.actor.id.casefold()


def is_seconded(first: Signature, second: Signature) -> bool:
    """Whether `second` is a person or client other than whoever signed first."""
    return second.actor.kind is not ActorKind.JOB and first.signer != second.signer
