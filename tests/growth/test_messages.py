"""What prompts say: the words of the contract, and the operator's own."""

from dataclasses import replace

import msgspec
import pytest

from scalix_free.core.funnel import Trigger
from scalix_free.growth.messages import Messages, Texts, called
from scalix_free.settings import Settings

DEFAULTS = Texts(**msgspec.structs.asdict(Settings().texts))
WANTED = Settings().offer.pro_models
NAMES = "GPT-4, Claude 3.5, and Gemini Pro"
HALF = "Upgrade Now - 50% Off First Month"


@pytest.mark.parametrize(
    ("trigger", "text", "action"),
    [
        (Trigger.FIRST_REQUEST, "Welcome! Try Scalix Free", None),
        (Trigger.NEAR_LIMIT, "Almost out of free requests", "Upgrade to Pro"),
        (Trigger.AT_LIMIT, "Upgrade to continue using Scalix", HALF),
        (Trigger.QUALITY_ISSUE, "Get better responses with Pro", "Upgrade for Better AI"),
        (Trigger.LIMIT_EXCEEDED, "Upgrade to continue your coding session", HALF),
        (Trigger.QUALITY_UPGRADE, f"Get access to {NAMES}", "Upgrade for Better AI"),
        (
            Trigger.FEATURE_UPGRADE,
            "Unlock advanced features like file operations and smart context",
            "Upgrade to Pro",
        ),
        (
            None,
            "Unlock advanced features like file operations and smart context",
            "Upgrade to Pro",
        ),
    ],
)
def test_the_words_of_the_contract(trigger: Trigger | None, text: str, action: str | None) -> None:
    message = Messages(DEFAULTS, promotion=50).of(trigger, promoted=True, models=NAMES)
    assert (message.text, message.call_to_action) == (text, action)


def test_to_whom_the_promotion_is_not_for_it_is_not_promised() -> None:
    for messages, promoted in (
        (Messages(DEFAULTS, promotion=50), False),
        (Messages(DEFAULTS, promotion=0), True),
    ):
        message = messages.of(Trigger.LIMIT_EXCEEDED, promoted=promoted, models="")
        assert message.call_to_action == "Upgrade Now"
    other = Messages(DEFAULTS, promotion=30).of(Trigger.AT_LIMIT, promoted=True, models="")
    assert other.call_to_action == "Upgrade Now - 30% Off First Month"


def test_an_id_stays_as_long_as_the_words() -> None:
    ours = Messages(DEFAULTS, promotion=50)
    theirs = Messages(replace(DEFAULTS, near_limit="Hurry"), promotion=50)

    def ids(messages: Messages) -> dict[Trigger | None, str]:
        triggers = [*Trigger, None]
        return {one: messages.of(one, promoted=True, models=NAMES).id for one in triggers}

    before, after = ids(ours), ids(theirs)
    assert {one for one in before if before[one] != after[one]} == {Trigger.NEAR_LIMIT}
    assert before == ids(Messages(DEFAULTS, promotion=50))
    assert before[Trigger.AT_LIMIT].startswith("at_limit-")
    assert len(set(before.values())) == len(before)


@pytest.mark.parametrize(
    ("models", "shown"),
    [
        (["openai/gpt-4o", "anthropic/claude-3-5-sonnet", "google/gemini-2.5-pro"], NAMES),
        (["g/gemini-3-pro", "o/gpt-4", "a/claude-3.5", "x/other"], NAMES),
        (["google/gemini-2.5-pro", "groq/llama-3.3-70b"], "Gemini Pro and llama-3.3-70b"),
        (["a/one", "b/two", "b/three", "b/four"], "one, two, and three"),
        (["openai/gpt-oss-4b"], "gpt-oss-4b"),
        (["openai/gpt-41"], "gpt-41"),
        ([], "better models"),
    ],
)
def test_models_are_called_what_there_is(models: list[str], shown: str) -> None:
    assert called(WANTED, models, "better models") == shown
