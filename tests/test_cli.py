"""The command line as an operator meets it: the installed command, run for real."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from scalix_free import __version__
from scalix_free.providers.llama_model import Absent, find_model
from scalix_free.quality import questions
from scalix_free.settings.lacking import VARIABLES
from tests.service import provider, running_service
from tests.world import Behaviour, RunningWorld

COMMAND = Path(sys.executable).with_name("scalix-free")
DEMONSTRATION = "local/demonstration-smollm2-135m"
NEVER = 'local = { use = "never" }\n'

needs_model = pytest.mark.skipif(
    isinstance(find_model(), Absent), reason="there is no local model on this machine"
)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a shell has, and nothing that configures us."""
    usual = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return usual | dict(more or {})


def scalix(
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    timeout_s: float = 30,
) -> "subprocess.CompletedProcess[str]":
    """Run one command to its end."""
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=environment(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


# ── What keeps the service from starting ─────────────────────────────────────────────────────


class Start(NamedTuple):
    """A start that cannot succeed: how, and what its one line has to say."""

    says: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    toml: str = ""
    variables: Mapping[str, str] = {}
    prepare: Callable[[Path], object] = lambda _: None


def file_at(name: str, text: str = "") -> Callable[[Path], object]:
    """Put a file there, with its folder."""

    def prepare(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)

    return prepare


def folder_at(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).mkdir(parents=True)


STARTS = {
    "the data directory is a file": Start(("data: cannot write here",), prepare=file_at("data")),
    "it is below a file": Start(
        ("file/data: cannot write here", "Not a directory"),
        ("--data", "file/data"),
        prepare=file_at("file"),
    ),
    # Where not even root may write.
    "it is in a file system of the kernel's": Start(
        ("/proc/scalix-free: cannot write here",), ("--data", "/proc/scalix-free")
    ),
    "it is named by a variable": Start(
        ("file/data: cannot write here",),
        variables={"SCALIX_FREE_DATA": "file/data"},
        prepare=file_at("file"),
    ),
    "the lock is a folder": Start(("data: cannot write here",), prepare=folder_at("data/lock")),
    "the ledger is no database": Start(
        ("data/ledger.sqlite: cannot be used as the ledger", "not a database"),
        prepare=file_at("data/ledger.sqlite", "This is no database, however long it may be. " * 9),
    ),
    "the ledger is a folder": Start(
        ("data/ledger.sqlite: cannot be used as the ledger",),
        prepare=folder_at("data/ledger.sqlite"),
    ),
    "the database is none": Start(
        ("data/database.sqlite: cannot be used as the database: file is not a database",),
        prepare=file_at(
            "data/database.sqlite", "This is no database, however long it may be. " * 9
        ),
    ),
    "the database is a folder": Start(
        ("data/database.sqlite: cannot be used as the database: Is a directory",),
        prepare=folder_at("data/database.sqlite"),
    ),
    "the database does not answer": Start(
        ("store.database: postgresql://********@127.0.0.1:1/db: cannot be reached",),
        variables={"DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/db"},
    ),
    "the database is another's": Start(
        ("DATABASE_URL: expected", "postgresql://"),
        variables={"DATABASE_URL": "mysql://me:hunter2@127.0.0.1/db"},
    ),
    "the secret is too short": Start(
        ("data/secret: too short to be a secret", "delete it"),
        prepare=file_at("data/secret", "short\n"),
    ),
    "there is a file where counts belong": Start(
        ("data/metrics: cannot count here", "File exists"), prepare=file_at("data/metrics")
    ),
    "the secret is a folder": Start(
        ("data/secret: cannot keep the secret here",), prepare=folder_at("data/secret")
    ),
    "the address is not this machine's": Start(
        ("cannot listen on 203.0.113.7 port 0",), ("--host", "203.0.113.7")
    ),
    "the host is no host": Start(
        ("--host", "expected an address or a host name", '"a b"'), ("--host", "a b")
    ),
    "the port is none": Start(("--port", "0 to 65535", "70000"), ("--port", "70000")),
    "no workers": Start(("--workers", "at least 1"), ("--workers", "0")),
    "there is no such file": Start(
        ("none.toml: cannot be read", "No such file"), ("--config", "none.toml")
    ),
    "a variable names no file": Start(
        ("none.toml", "No such file", "SCALIX_FREE_CONFIG"),
        variables={"SCALIX_FREE_CONFIG": "none.toml"},
    ),
    "broken TOML": Start(("scalix-free.toml: broken TOML", "line 1"), toml="[server\n"),
    "an unknown key": Start(
        ("scalix-free.toml: server.prot: unknown key", "did you mean server.port?"),
        toml="server = { prot = 1 }",
    ),
    "a bad value": Start(
        ("scalix-free.toml: routing.attempts: expected", '"many"'),
        toml='routing = { attempts = "many" }',
    ),
    "an unknown variable": Start(
        ("SCALIX_FREE_SERVER__PROT", "did you mean SCALIX_FREE_SERVER__PORT?"),
        variables={"SCALIX_FREE_SERVER__PROT": "1"},
    ),
    "a bad variable": Start(
        ("SCALIX_FREE_ROUTING__ATTEMPTS", "at least 1"),
        variables={"SCALIX_FREE_ROUTING__ATTEMPTS": "0"},
    ),
    "a secret whose variable is not set": Start(
        ("server.operator_token: missing secret", "OPERATOR is not set"),
        toml='server = { operator_token = "env:OPERATOR" }',
    ),
    "a secret whose file is not there": Start(
        ("server.secret: missing secret", "cannot read key.txt", "No such file"),
        toml='server = { secret = "file:key.txt" }',
    ),
    "a secret whose file is empty": Start(
        ("server.secret: missing secret", "key.txt is empty"),
        toml='server = { secret = "file:key.txt" }',
        prepare=file_at("key.txt", "\n"),
    ),
    "a provider's key is missing": Start(
        ("providers[0].api_key: missing secret", "WORLD_KEY is not set"),
        toml=provider("http://127.0.0.1:1/v1", [{"id": "world/one", "model": "one"}]).replace(
            "[[providers.models]]", 'api_key = "env:WORLD_KEY"\n[[providers.models]]'
        ),
    ),
    "there is no such model file": Start(
        ("local.model_path", "no model file", "none.gguf"),
        toml='local = { model_path = "none.gguf" }',
    ),
    "a key of a later version": Start(
        ("scalix-free.toml: abuse.mode: not in this version",), toml='abuse = { mode = "off" }'
    ),
    "a variable of a later version": Start(
        ("SCALIX_FREE_ABUSE__MODE: not in this version",),
        variables={"SCALIX_FREE_ABUSE__MODE": "off"},
    ),
    "a store of limits that cannot be reached": Start(
        ("store.ledger: redis://********@127.0.0.1:1: ", "cannot be reached"),
        variables={
            "REDIS_URL": "redis://:hunter2@127.0.0.1:1",
            "SCALIX_FREE_STORE__ON_LEDGER_OUTAGE": "deny",
        },
    ),
    "a store of limits that is no URL": Start(
        ("REDIS_URL: expected ", "redis://"),
        variables={"REDIS_URL": "redis://127.0.0.1:many"},
    ),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_start_that_cannot_succeed_says_what_and_where(start: Start, tmp_path: Path) -> None:
    start.prepare(tmp_path)
    if start.toml:
        (tmp_path / "scalix-free.toml").write_text(start.toml)

    ended = scalix(tmp_path, "serve", "--port", "0", *start.arguments, variables=start.variables)

    check_start_error(ended, *start.says)


def check_start_error(ended: "subprocess.CompletedProcess[str]", *says: str) -> None:
    """Exactly one line, exit code 2, and nothing else."""
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert ended.stderr.startswith("scalix-free: ")
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.endswith("\n")
    assert all(words in ended.stderr for words in says), ended.stderr
    assert "hunter2" not in ended.stderr


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = scalix(tmp_path, "serve", "--port", str(port))

    check_start_error(ended, f"cannot listen on 127.0.0.1 port {port}", "in use")


def test_a_data_directory_that_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (tmp_path / "data/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = scalix(tmp_path, "serve", "--port", "0")

    check_start_error(ended, f"{tmp_path}/data: in use by another scalix-free", "--data")


@pytest.mark.parametrize("toml", ["server = { prot = 1 }", 'local = { model_path = "x" }'])
def test_a_wrong_configuration_leaves_nothing_running_and_no_secret_shown(
    tmp_path: Path, toml: str
) -> None:
    (tmp_path / "scalix-free.toml").write_text(toml)

    ended = scalix(tmp_path, "serve", variables={"SCALIX_FREE_SECRET": "very-secret-" * 4})

    assert ended.returncode == 2
    assert "very-secret" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serve", "--no-such-option"), "unrecognized arguments: --no-such-option"),
        (("serve", "--port", "many"), "argument --port: invalid int value: 'many'"),
        (("no-such-command",), "invalid choice: 'no-such-command'"),
        (("ask",), "the following arguments are required: question"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_command_line_is_explained(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    ended = scalix(tmp_path, *arguments)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: scalix-free")
    assert says in ended.stderr.splitlines()[-1]


def test_version_and_help(tmp_path: Path) -> None:
    assert scalix(tmp_path, "--version").stdout == f"scalix-free {__version__}\n"
    module = [sys.executable, "-m", "scalix_free", "--version"]
    said = subprocess.run(module, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout == f"scalix-free {__version__}\n"

    told = scalix(tmp_path, "--help")
    assert told.returncode == 0
    assert all(
        command in told.stdout for command in ("serve", "ask", "quality", "models", "config")
    )


# ── quality ──────────────────────────────────────────────────────────────────────────────────

RIGHT = [Behaviour(text=question.answer) for question in questions()]
HEAD = r"model +right  first token  tokens/s  score\n"


def test_quality_asks_every_model_and_counts_what_is_right(
    tmp_path: Path, world: RunningWorld
) -> None:
    configure(tmp_path, world, "clever", "parrot")
    world.behave("clever", *RIGHT)
    calls = {name: world.calls(name) for name in ("clever", "parrot")}

    told = scalix(tmp_path, "quality")

    assert (told.returncode, told.stderr) == (0, "")
    head, clever, parrot = told.stdout.splitlines()
    assert re.fullmatch(HEAD, head + "\n")
    assert re.fullmatch(r"world/clever  12/12 +\d+ ms +\d+ +\d+", clever)
    assert re.fullmatch(r"world/parrot   0/12 +\d+ ms +\d+ +\d+", parrot)
    assert [world.calls(name) - before for name, before in calls.items()] == [12, 12]


def test_quality_asks_the_one_that_is_named_and_nobody_in_its_place(
    tmp_path: Path, world: RunningWorld
) -> None:
    configure(tmp_path, world, "locked", "bystander")
    world.behave("locked", "401")
    before = world.calls("bystander")

    told = scalix(tmp_path, "quality", "world/locked")

    assert told.returncode == 1
    (row,) = told.stdout.splitlines()[1:]
    assert re.fullmatch(r"world/locked      - +- +- +\d+  stopped: .* does not accept .*", row)
    assert world.calls("bystander") == before


def test_quality_says_when_there_is_nobody_to_ask(tmp_path: Path) -> None:
    (tmp_path / "scalix-free.toml").write_text(NEVER)
    for arguments, says in (((), "no model is configured"), (("x/y",), "there is no model x/y")):
        told = scalix(tmp_path, "quality", *arguments)
        assert (told.returncode, told.stdout) == (1, "")
        assert told.stderr == f"scalix-free: {says}; see scalix-free models\n"


def test_quality_is_spent_from_the_budget_of_a_running_service(
    tmp_path: Path, world: RunningWorld
) -> None:
    limits = "limits = { rpd = 14 }\n[[providers.models]]"
    configure(tmp_path, world, "scarce")
    toml = (tmp_path / "scalix-free.toml").read_text().replace("[[providers.models]]", limits)
    world.behave("scarce", *RIGHT)
    with running_service(tmp_path, toml, {"routing.queue_wait_s": 0}) as service:
        (tmp_path / "scalix-free.toml").write_text(toml)
        told = scalix(tmp_path, "quality", "--data", str(service.data))
        assert (told.returncode, told.stderr) == (0, ""), told.stdout
        asked = [{"messages": [{"role": "user", "content": text}]} for text in ("A", "B", "C")]
        answers = [httpx.post(f"{service.url}/v1/chat/completions", json=one) for one in asked]
        again = scalix(tmp_path, "quality", "--data", str(service.data))

    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) <= 2
    assert statuses[-1] == 503
    assert again.returncode == 1
    assert "stopped: the requests of its day are spent, until 20" in again.stdout


@needs_model
@pytest.mark.slow
def test_quality_asks_the_demonstration_model_where_nothing_is_configured(tmp_path: Path) -> None:
    told = scalix(tmp_path, "quality", timeout_s=300)

    assert told.returncode == 0
    assert re.search(rf"^{DEMONSTRATION} +\d+/12 ", told.stdout, re.MULTILINE)


# ── ask ──────────────────────────────────────────────────────────────────────────────────────


def configure(folder: Path, world: RunningWorld, *models: str, more: str = "") -> None:
    """Point the folder's configuration at models of the world."""
    rows = [
        {"id": f"world/{model}", "model": model, "priority": at}
        for at, model in enumerate(models, 1)
    ]
    (folder / "scalix-free.toml").write_text(more + provider(world.base_url, rows))


def test_ask_answers_on_stdout_and_gives_a_receipt_on_stderr(
    tmp_path: Path, world: RunningWorld
) -> None:
    configure(tmp_path, world, "poet")
    world.behave("poet", Behaviour(text="Roses are red."))

    told = scalix(tmp_path, "ask", "A poem, please")

    assert (told.returncode, told.stdout) == (0, "Roses are red.\n")
    assert re.fullmatch(r"\[world/poet, 3 \+ 3 tokens, \d+\.\d s\]\n", told.stderr)
    assert world.requests[-1].body["messages"] == [{"role": "user", "content": "A poem, please"}]
    assert not (tmp_path / "data").exists()  # nothing is counted, nothing is kept


def test_ask_asks_the_model_that_is_named_and_falls_back_like_the_service(
    tmp_path: Path, world: RunningWorld
) -> None:
    configure(tmp_path, world, "broken", "second", "third")
    world.behave("broken", "500")

    assert "[world/third," in scalix(tmp_path, "ask", "Hi", "--model", "world/third").stderr
    assert "[world/second," in scalix(tmp_path, "ask", "Hi").stderr


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("429", "No free models currently available"),
        ("400-context", "Shorten it"),
    ],
)
def test_ask_says_why_nobody_answers(
    tmp_path: Path, world: RunningWorld, behaviour: str, says: str
) -> None:
    configure(tmp_path, world, "mute")
    world.behave("mute", behaviour)

    told = scalix(tmp_path, "ask", "Hi")

    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("scalix-free: ")
    assert told.stderr.count("\n") == 1
    assert says in told.stderr


def test_ask_without_any_model(tmp_path: Path) -> None:
    (tmp_path / "scalix-free.toml").write_text(NEVER)

    told = scalix(tmp_path, "ask", "Hi")

    assert (told.returncode, told.stdout) == (1, "")
    assert "No model is configured" in told.stderr
    assert told.stderr.count("\n") == 1


def test_ask_with_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    row = {"id": "world/one", "model": "one"}
    (tmp_path / "scalix-free.toml").write_text(provider(url, [row]))

    told = scalix(tmp_path, "ask", "Hi")

    assert (told.returncode, told.stdout) == (1, "")
    assert "All free models currently unavailable" in told.stderr
    assert told.stderr.count("\n") == 1


def test_ask_says_when_an_answer_broke_off(tmp_path: Path, world: RunningWorld) -> None:
    configure(tmp_path, world, "cut")
    world.behave("cut", Behaviour("cut", text="one two three four", k=2))

    told = scalix(tmp_path, "ask", "Count")

    assert (told.returncode, told.stdout) == (1, "one two ")
    assert "the answer is not whole" in told.stderr


def test_ask_works_beside_a_service_with_the_same_data(tmp_path: Path, world: RunningWorld) -> None:
    configure(tmp_path, world, "poet")
    world.behave("poet", Behaviour(text="Roses are red."))
    toml = (tmp_path / "scalix-free.toml").read_text()
    with running_service(tmp_path, toml) as service:
        told = scalix(tmp_path, "ask", "A poem", "--data", str(service.data))

    assert (told.returncode, told.stdout) == (0, "Roses are red.\n")


@pytest.mark.slow
@needs_model
def test_ask_asks_the_demonstration_model_where_nothing_is_configured(tmp_path: Path) -> None:
    told = scalix(tmp_path, "ask", "What is the capital of France?")

    assert told.returncode == 0
    assert "Paris" in told.stdout
    assert told.stderr.startswith(f"[{DEMONSTRATION}, ")
    assert told.stderr.count("\n") == 1


@contextmanager
def asking(folder: Path, *, stdout: int = subprocess.PIPE) -> Iterator["subprocess.Popen[bytes]"]:
    """A question that is being answered, or has been."""
    process = subprocess.Popen(
        [COMMAND, "ask", "Hi"],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ask_ends_at_ctrl_c(tmp_path: Path, world: RunningWorld) -> None:
    configure(tmp_path, world, "silent")
    world.behave("silent", Behaviour("stall", text="one two three", k=1))
    asked = len(world.requests)
    with asking(tmp_path) as process:
        world.at_gate("silent")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)

    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert world.aborted(asked)  # the provider need not go on


def test_ask_ends_when_nobody_reads_any_more(tmp_path: Path, world: RunningWorld) -> None:
    configure(tmp_path, world, "poet")
    world.behave("poet", Behaviour(text="Roses are red."))
    reader, writer = os.pipe()
    os.close(reader)
    with asking(tmp_path, stdout=writer) as process:
        os.close(writer)
        _, errors = process.communicate(timeout=20)

    assert (process.returncode, errors) == (1, b"")


# ── models, config ───────────────────────────────────────────────────────────────────────────


def test_models_shows_each_with_its_state(tmp_path: Path) -> None:
    off = '\n[[providers]]\nname = "resting"\nenabled = false\n'
    rows = [
        {"id": "near/second", "model": "b", "priority": 2},
        {"id": "near/first", "model": "a", "priority": 1},
    ]
    toml = provider("http://127.0.0.1:1/v1", rows, name="near") + off
    (tmp_path / "scalix-free.toml").write_text(toml)

    told = scalix(tmp_path, "models")

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[:4] == [
        "near/first  ready (priority 1)",
        "near/second  ready (priority 2)",
        "resting  switched off",
        "",
    ]


def test_models_says_when_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "scalix-free.toml").write_text(NEVER)

    told = scalix(tmp_path, "models").stdout

    assert told.startswith("none: every question will be refused\n")
    assert " ready" not in told


@needs_model
@pytest.mark.parametrize("use", ["when-alone", "last-resort"])
def test_models_calls_the_demonstration_model_what_it_is(tmp_path: Path, use: str) -> None:
    toml = f'local = {{ use = "{use}" }}\n'
    if use == "last-resort":
        toml += provider("http://127.0.0.1:1/v1", [{"id": "near/one", "model": "a"}], name="near")
    (tmp_path / "scalix-free.toml").write_text(toml)

    lines = scalix(tmp_path, "models").stdout.partition("\n\n")[0].splitlines()

    assert lines[-1].startswith(f"{DEMONSTRATION}  ready, a demonstration model")


def test_config_shows_everything_but_secrets(tmp_path: Path) -> None:
    key = 'api_key = "env:WORLD_KEY"\n[[providers.models]]'
    rows = [{"id": "world/one", "model": "one"}]
    toml = provider("http://127.0.0.1:1/v1", rows).replace("[[providers.models]]", key)
    (tmp_path / "scalix-free.toml").write_text(toml)
    variables = {
        "WORLD_KEY": "sk-very-secret-of-the-world",
        "SCALIX_FREE_SECRET": "very-secret-" * 4,
        "SCALIX_FREE_SERVER__OPERATOR_TOKEN": "a-very-secret-token",
        "SCALIX_FREE_TIERS__ANONYMOUS__REQUESTS_PER_HOUR": "unlimited",
    }

    told = scalix(tmp_path, "config", "--data", "elsewhere", variables=variables)

    assert (told.returncode, told.stderr) == (0, "")
    assert "very-secret" not in told.stdout
    assert told.stdout.startswith("# from scalix-free.toml\n")
    assert f'# data directory: "{tmp_path}/elsewhere"' in told.stdout
    shown = tomllib.loads(told.stdout)
    assert shown["providers"][0]["api_key"] == "********"
    assert shown["server"]["operator_token"] == "********"
    assert shown["server"]["secret"] == "********"
    assert shown["tiers"]["anonymous"]["requests_per_hour"] == "unlimited"
    assert shown["routing"]["attempts"] == 3
    assert not (tmp_path / "elsewhere").exists()


def test_models_asks_each_proxy_of_a_pool(tmp_path: Path) -> None:
    told = scalix(tmp_path, "models", variables={"LITELLM_PROXY_URL": "http://127.0.0.1:1"})

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines()[0] == (
        "litellm-proxy  the models that these proxies name, by least-connections: "
        "http://127.0.0.1:1 cannot be reached"
    )
    assert "models are asked by LITELLM_PROXY_URL alone" in told.stdout


def test_config_warns_of_variables_without_effect(tmp_path: Path) -> None:
    told = scalix(tmp_path, "config", variables=dict.fromkeys(VARIABLES, "a-value-not-shown"))

    assert told.returncode == 0
    assert "a-value-not-shown" not in told.stdout + told.stderr
    for variable in VARIABLES:
        assert told.stderr.count(f"warning: {variable} is set, but ") == 1


@pytest.mark.parametrize("command", ["config", "models"])
def test_output_that_nobody_reads_is_no_failure_to_shout_about(
    tmp_path: Path, command: str
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [COMMAND, command],
        cwd=tmp_path,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    _, errors = process.communicate(timeout=60)

    assert errors == b""
    assert process.returncode == 1


def test_a_service_whose_banner_nobody_reads_serves_all_the_same(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "scalix-free.toml").write_text(NEVER)
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [COMMAND, "serve", "--port", str(port)],
        cwd=tmp_path,
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    try:
        until = time.monotonic() + 20
        while not answers(port):
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(0.3)  # the banner comes after the first worker serves
        assert process.poll() is None
        process.terminate()
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, errors) == (0, b"")


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
