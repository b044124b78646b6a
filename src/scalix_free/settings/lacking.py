"""What the contract describes and this version does not do yet.

A key of such a feature may be written, as long as it keeps its default. This module shrinks with
every feature that arrives, and goes when the last one has.
"""

from collections.abc import Collection, Iterator, Mapping

from scalix_free.settings.errors import Key, pattern
from scalix_free.settings.reading import Written

# A final `*` stands for every key of the table.
LACKING: dict[str, str] = {
    "providers[].kind": "a provider speaks the OpenAI format, or LiteLLM does",
    "abuse.*": "abuse is not scored",
    "payments.*": "nothing is sold",
}

# Of a key with several values, those that are here beside the default.
HERE: dict[str, Collection[str]] = {"providers[].kind": ("litellm", "litellm-proxy")}

_PAYMENTS = "payments are not in this version"

# Variables that would switch such a feature on by being there.
VARIABLES: dict[str, str] = {
    "STRIPE_API_KEY": _PAYMENTS,
    "STRIPE_WEBHOOK_SECRET": _PAYMENTS,
}


def lacking(written: Mapping[Key, Written]) -> Iterator[tuple[Key, str]]:
    """Yield the keys that ask for something this version does not have, and what to say."""
    for key, said in written.items():
        path = pattern(key)
        why = LACKING.get(path) or LACKING.get(f"{path.rpartition('.')[0]}.*")
        if why is not None and said.value not in (said.default, *HERE.get(path, ())):
            yield key, f"not in this version ({why})"


def warnings(environ: Mapping[str, str], used: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each variable that has no effect; one that a key names has."""
    for variable, why in VARIABLES.items():
        if environ.get(variable) and variable not in used:
            yield f"{variable} is set, but {why}"
