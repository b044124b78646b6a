"""One world and one service for all tests that only look: cheap, since nobody shares an address."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from scalix_free.settings import Loaded
from tests.api.caller import Caller
from tests.api.models import ALL, Fresh, fresh_models
from tests.place import Place
from tests.postgres import Postgres, running_postgres
from tests.service import RunningService, provider, running_service
from tests.storage.servers import Running, redis_binary, running_cluster, running_server
from tests.world import RunningWorld, running_world

OPERATOR_TOKEN = "the operator of the tests"


@pytest.fixture
def at(tmp_path: Path) -> Place:
    """An empty working directory."""
    return Place(tmp_path)


@pytest.fixture
def loaded(at: Place) -> Callable[..., Loaded]:
    """Loads a configuration, an empty one where none is given, under these variables alone."""

    def of(text: str = "", **environ: str) -> Loaded:
        return at.load(text, **environ)

    return of


@pytest.fixture(scope="session")
def world() -> Iterator[RunningWorld]:
    """The provider of everybody's models."""
    with running_world() as world:
        yield world


@pytest.fixture(scope="session")
def service(
    world: RunningWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """The real service as a process, under the limits of the defaults."""
    overrides = {"server.trusted_proxies": ["127.0.0.0/8"], "server.operator_token": OPERATOR_TOKEN}
    folder = tmp_path_factory.mktemp("service")
    with running_service(folder, provider(world.base_url, ALL), overrides) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of our own, started by the first test that needs it."""
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """Connections that are kept between requests."""
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def addresses() -> Iterator[str]:
    """Addresses of which no two share a network."""
    return (f"10.{n >> 8 & 255}.{n & 255}.{n % 254 + 1}" for n in itertools.count(1))


@pytest.fixture
def somebody(
    service: RunningService, client: httpx.Client, addresses: Iterator[str]
) -> Callable[[], Caller]:
    """Somebody who never called before, each time."""
    return lambda: Caller(service.url, client, next(addresses))


@pytest.fixture
def caller(somebody: Callable[[], Caller]) -> Caller:
    """Somebody who never called before."""
    return somebody()


@pytest.fixture(scope="session")
def fresh_ones(world: RunningWorld) -> Iterator[Fresh]:
    """Models that nobody has asked yet."""
    return fresh_models(world)


@pytest.fixture
def fresh(fresh_ones: Iterator[Fresh]) -> Fresh:
    """A model that nobody has asked yet, for this test to script."""
    return next(fresh_ones)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Running]:
    """One Valkey, to be emptied by whoever uses it."""
    with running_server() as running:
        yield running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Sequence[Running]]:
    """Three of them that share the keys."""
    with running_cluster() as nodes:
        yield nodes


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Running]:
    """One Redis, where there is one."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("there is no redis-server; get it by: sudo make system")
    with running_server(binary) as running:
        yield running
