"""What a proxy of the operator's is told of a caller, for its logs and budgets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from scalix_free.core.chat import Call


def labels(call: Call) -> Mapping[str, object]:
    """The fields of a body: ``user``, and what LiteLLM keeps beside a call as ``metadata``."""
    about = {"free_tier": call.free, "session_id": call.session_id}
    if not call.caller:
        return {"metadata": about}
    return {"user": pseudonym(call.caller), "metadata": about}


def pseudonym(caller: bytes) -> str:
    """What stands for a caller elsewhere: always the same, and no name of theirs."""
    return "scalix_" + hashlib.blake2s(caller, digest_size=12, person=b"litellm").hexdigest()
