"""The service's configuration: what it says, and that the service's own settings take it."""

from pathlib import Path

import pytest

from benchmarks import service, start
from benchmarks.job import CALLERS
from scalix_free.settings import Settings, load


def taken(text: str, folder: Path) -> Settings:
    file = folder / "scalix-free.toml"
    file.write_text(text)
    return load(config=file, data=None, environ={}, cwd=folder).settings


@pytest.mark.parametrize("limits", [service.HIGH, service.LOW])
def test_the_settings_take_it(limits: service.Limits, tmp_path: Path) -> None:
    settings = taken(service.configuration(limits, 4000), tmp_path)
    assert settings.tiers.anonymous.requests_per_hour == limits.requests_per_hour
    assert settings.local.use == "never"
    assert [provider.base_url for provider in settings.providers] == ["http://127.0.0.1:4000/v1"]


@pytest.mark.parametrize("variant", start.VARIANTS)
def test_the_settings_take_what_is_started(variant: start.Variant, tmp_path: Path) -> None:
    assert taken(variant.configuration(4000), tmp_path).local.use in ("never", "when-alone")


def test_every_limit_is_on(tmp_path: Path) -> None:
    settings = taken(service.configuration(service.HIGH, 4000), tmp_path)
    tier = settings.tiers.anonymous
    (provider,) = settings.providers
    every = [tier, provider.limits, provider.models[0].limits]

    assert None not in [
        getattr(limits, name) for limits in every for name in limits.__struct_fields__
    ]


def test_callers_stay_below_the_limits_they_are_given() -> None:
    assert service.HIGH.requests_per_hour > service.REQUESTS_A_CALLER
    assert service.LIFE == CALLERS * service.REQUESTS_A_CALLER
