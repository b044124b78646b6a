"""One question on the command line: the same code path, as the operator, without HTTP."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from typing import Final

from scalix_free.core.caller import Caller, Tier, Visitor
from scalix_free.core.chat import OWN_MODEL, Call, estimate_tokens
from scalix_free.core.errors import Failure
from scalix_free.core.ledger import Policy, Subject
from scalix_free.operator import open_service
from scalix_free.serve import Answer, Refused, Service
from scalix_free.settings import Settings

_UNLIMITED: Final = Policy("operator", ())

OPERATOR: Final = Caller(
    tier=Tier(
        name="operator",
        policy=_UNLIMITED,
        max_output_tokens=1_000_000,
        default_output_tokens=2_048,
        context_tokens=10_000_000,
    ),
    subjects=(Subject(bytes(16), _UNLIMITED),),
)


async def ask(settings: Settings, question: str, model: str | None) -> int:
    """Stream the answer to stdout, a receipt to stderr; 0 where the answer is whole, else 1."""
    async with open_service(settings) as service:
        return await _answer(replace(service, identify=lambda _: OPERATOR), question, model)


async def _answer(service: Service, question: str, model: str | None) -> int:
    if model is not None and service.catalogue.get(model) is None:
        print(f"scalix-free: there is no model {model}; see scalix-free models", file=sys.stderr)
        return 1
    rid = os.urandom(16)
    call = Call(
        rid=rid,
        messages=[{"role": "user", "content": question}],
        model=model or OWN_MODEL,
        stream=True,
        prompt_tokens=int(estimate_tokens(question)) + 1,
    )
    began = time.monotonic()
    try:
        async with service.answer(Visitor(address="operator"), call, rid) as answer:
            if isinstance(answer, Refused):
                print(f"scalix-free: {answer.refusal.message}", file=sys.stderr)
                return 1
            await _print(answer)
    except Failure as failure:
        print(f"\nscalix-free: the answer is not whole: {failure.message}", file=sys.stderr)
        return 1
    usage = answer.usage
    print(
        f"[{answer.answered_by}, {usage.prompt_tokens} + {usage.completion_tokens} tokens, "
        f"{time.monotonic() - began:.1f} s]",
        file=sys.stderr,
    )
    return 0


async def _print(answer: Answer) -> None:
    while chunks := await answer.read():
        print("".join(chunk.text for chunk in chunks), end="", flush=True)
    print()
