"""Writes `docs/catalogue.md` from the shipped catalogue: `python -m tests.catalogue_page`."""

from collections.abc import Iterator
from pathlib import Path

from scalix_free.settings.shipped import ModelRow, ProviderRow, Row, Shipped, shipped
from scalix_free.settings.tree import CALLED, ProviderLimits, Terms

PAGE = Path(__file__).resolve().parent.parent / "docs/catalogue.md"

HEAD = """\
# The catalogue

What providers of models give away, on what terms, and what is gone. This page is made from
[`catalogue.toml`](../src/scalix_free/catalogue.toml), which is part of the package, by `python -m
tests.catalogue_page`; change the facts there. `scalix-free models` shows the same as it holds on
your machine, `GET /v1/models` what callers may name.

- **Switched on by a key.** Set a provider's variable, and it serves. Where a provider needs no key,
  or calls may cost money, a [`[[providers]]` table](configuration.md#providers) with its name has
  to ask for it. Use one account of each provider: more of them gain nothing, and are what terms
  forbid.
- **Limits** are starting values. What a provider's headers and refusals tell counts in their place,
  unless you wrote the limit yourself.
- **Terms** are the readings of others and no legal advice. [`[policy]`](configuration.md#policy)
  leaves out what does not suit you. Tell the people you serve who answers them, and that some
  providers train on what they write.
- **Gone** models are never called. A successor has their place: their priority, and their
  fallbacks. Models go at their date, or when the provider says so; OpenRouter's free ones are read
  from its own list at the start and every four hours, and those that are new there get a low rating
  until they have shown what they can do.
- **Quality**, in thousandths, is where a model's own score begins: 200 for each star of the
  original plan (*), else our estimate.

Nothing here was read from a live page of a vendor; each row names its date and sources, which the
file spells out.
"""


def page(catalogue: Shipped) -> str:
    """The whole page."""
    parts = [HEAD, "\n## Providers\n", *_table(PROVIDERS, map(_provider, catalogue.providers))]
    for row in catalogue.providers:
        parts += [f"\n## {row.name}\n\n", *_about(row)]
        if row.models:
            parts += _table(MODELS, (_model(row, model) for model in row.models))
        parts += _notes(row)
    parts += ["\n## The original plan\n\n", PLAN_TEXT, *_table(PLAN, _planned(catalogue))]
    return "".join(parts)


PROVIDERS = ("provider", "variable", "free", "limits of the account", "the day ends", "terms")
MODELS = (
    "model",
    "state",
    "quality",
    "fit",
    "limits",
    "context / answer",
    "abilities",
    "as of, by",
)
PLAN = (
    "the plan's model",
    "its limits",
    "its fit",
    "stars",
    "priority",
    "today",
    "its place goes to",
)
PLAN_TEXT = "What the plan of 2024 counted on, and what is there today.\n"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield "\n"
    yield f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') or '-' for cell in row)} |\n"


def _provider(row: ProviderRow) -> tuple[str, ...]:
    variables = " or ".join(f"`{name}`" for name in row.key_variables)
    variables += "".join(f", and `{name}`" for name in row.placeholders)
    if row.switched_on_by == "table":
        variables = f"a table{f'; {variables}' if variables else ''}"
    return (
        f"[{row.name}](#{row.name})",
        variables,
        row.free,
        _limits(row.limits),
        row.reset,
        _flags(row.terms),
    )


def _about(row: ProviderRow) -> Iterator[str]:
    yield f"{row.label}, `{row.base_url}`. As of {row.as_of}, by {', '.join(row.sources)}.\n"
    yield f"{row.note}\n" if row.note else ""
    yield f"Terms: {row.terms.says}\n" if row.terms.says else ""
    for prefix, terms in row.vendor_terms.items():
        yield f"Models of `{prefix}`: {terms.says or _flags(terms)}\n"
    told = {
        "nothing": "No header tells",
        "refusals": "Refusals tell",
        "every answer": "Answers tell",
    }
    yield f"{told[row.headers_tell]} what is left.\n"


def _notes(row: ProviderRow) -> Iterator[str]:
    noted = [(model.model, text) for model in row.models if (text := _note(model))]
    if noted:
        yield "\n"
    for name, text in noted:
        yield f"- `{name}`: {text}\n"


def _note(model: ModelRow) -> str:
    facts = "; ".join(
        f"{name} as of {fact.replace(' ', ', by ', 1)}" for name, fact in _other(model)
    )
    return " ".join(part for part in (model.note, f"({facts})" if facts else "") if part)


def _other(row: Row) -> Iterator[tuple[str, str]]:
    """The facts of another date or source that are worth a line; lengths are litellm's."""
    lengths = ("context_tokens", "max_output_tokens")
    return ((name, fact) for name, fact in row.facts.items() if name not in lengths)


def _model(row: ProviderRow, model: ModelRow) -> tuple[str, ...]:
    star = "*" if model.plan else ""
    abilities = "?" if model.abilities is None else ", ".join(model.abilities)
    return (
        f"`{model.model}`",
        _state(model),
        f"{model.quality}{star}, {model.grade}",
        ", ".join(model.fit),
        _limits(model.limits) if model.status in CALLED else "",
        f"{_size(model.context_tokens)} / {_size(model.max_output_tokens)}",
        f"{abilities}{'; thinks' if model.reasoning else ''}",
        f"{model.as_of}, {' '.join(model.sources)}",
    )


def _state(model: ModelRow) -> str:
    state = {"alias": "another name"}.get(model.status, model.status)
    if model.retires is not None:
        state += f" {'since' if model.status == 'gone' else 'until'} {model.retires}"
    return f"{state} → `{model.successor.partition('/')[2]}`" if model.successor else state


def _size(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


def _limits(limits: ProviderLimits) -> str:
    words = {"rpm": "a minute", "rpd": "a day", "tpm": "tokens a minute", "tpd": "tokens a day"}
    found = [
        f"{value:,} {word}" for name, word in words.items() if (value := getattr(limits, name))
    ]
    return ", ".join([*found, *([f"{limits.concurrent} at once"] if limits.concurrent else [])])


def _flags(terms: Terms) -> str:
    trains = {True: "trains on prompts", False: "does not train on prompts", None: ""}
    flags = [
        trains[terms.trains_on_prompts],
        "people may read" if terms.human_review else "",
        "evaluation only" if terms.evaluation_only else "",
        "no resale" if terms.no_resale else "",
        f"not in {' '.join(terms.blocked_regions)}" if terms.blocked_regions else "",
        f"from {terms.min_age} years" if terms.min_age else "",
        f"public service: {terms.public_service}" if terms.public_service else "",
    ]
    return ", ".join(flag for flag in flags if flag)


def _planned(catalogue: Shipped) -> Iterator[tuple[str, ...]]:
    for row in catalogue.providers:
        if row.plan is not None:
            plan = row.plan
            yield (
                *(f"{row.name}: {plan.name}", plan.limits, plan.fit, str(plan.stars), ""),
                *(row.free, ""),
            )
        for model in row.models:
            if model.plan is not None:
                plan = model.plan
                yield (
                    *(f"{row.name}: {plan.name}", plan.limits, plan.fit, str(plan.stars)),
                    str(model.priority) if model.priority < 100 else "",
                    f"{_state(model)}{f'; {now}' if (now := _today(row, model)) else ''}",
                    f"`{model.successor or row.id_of(model)}`",
                )


def _today(row: ProviderRow, model: ModelRow) -> str:
    if model.status not in CALLED:
        return ""
    return _limits(model.limits) or f"{_limits(row.limits)}, with all models of the account"


if __name__ == "__main__":
    PAGE.write_text(page(shipped()))
