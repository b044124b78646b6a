"""The command line."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from scalix_free import __version__
from scalix_free.banner import model_lines
from scalix_free.parent import StartError, choose_local, run
from scalix_free.providers.llama_model import Absent
from scalix_free.runtime import LocalModel
from scalix_free.settings import Loaded, ProviderEntry, SettingsError, effective, load

FAILED: Final = 1
BAD_START: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code is 0, 1 where it failed, 2 where it could not begin."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        code = command(options)
        sys.stdout.flush()
    except (SettingsError, StartError) as error:
        print(f"scalix-free: {error}", file=sys.stderr)
        return BAD_START
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has left
        _write_to_nowhere()
        return FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scalix-free", description="AI without an API key.")
    parser.add_argument("--version", action="version", version=f"scalix-free {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = _command(commands, "serve", _serve, "run the service")
    serve.add_argument("--host", help="the address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="the port to listen on (3001); 0 for a free one")
    serve.add_argument("--workers", type=int, help="processes that serve (1)")
    ask = _command(commands, "ask", _ask, "ask one question, without limits and without HTTP")
    ask.add_argument("question", help="what to ask")
    ask.add_argument("--model", help="the model to ask; otherwise the best one")
    quality = _command(commands, "quality", _quality, "ask the models a few questions, and count")
    quality.add_argument("model", nargs="?", help="the model to ask; otherwise all of them")
    doctor = _command(commands, "doctor", _doctor, "look at everything that a deployment needs")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.add_argument("--offline", action="store_true", help="ask no provider")
    ui = commands.add_parser("ui", help="the web elements", description="The web elements.")
    uses = ui.add_subparsers(required=True, metavar="COMMAND")
    export = uses.add_parser("export", help="copy them into a folder, for an app of one's own")
    export.add_argument("folder", type=Path, metavar="DIR", help="where to; made if it is missing")
    export.set_defaults(command=_export)
    usage = _command(commands, "usage", _usage, "show what one has used of a running service")
    usage.add_argument("--url", help="where it is; otherwise server.public_url")
    usage.add_argument(
        "--key", help="a key or token, or env:NAME, or file:PATH; otherwise the address counts"
    )
    usage.add_argument("--json", action="store_true", help="print it as JSON")
    _command(commands, "models", _models, "show the models and their state")
    _command(commands, "config", _config, "show the effective configuration, secrets masked")
    _command(
        commands, "litellm-config", _litellm_config, "print a configuration for LiteLLM's proxy"
    )
    imported = commands.add_parser("import", help="turn another program's configuration into ours")
    imported.set_defaults(command=_import)
    imported.add_argument("program", choices=["litellm"], help="whose configuration it is")
    imported.add_argument("file", type=Path, metavar="FILE", help="the file")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
    parser.set_defaults(command=function)
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration file")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data directory (./data)")
    return parser


def _load(options: argparse.Namespace, **overrides: object) -> Loaded:
    return load(
        config=options.config,
        data=options.data,
        environ=os.environ,
        cwd=Path.cwd(),
        **overrides,  # type: ignore[arg-type]  # host, port, workers, as argparse checked them
    )


def _serve(options: argparse.Namespace) -> int:
    loaded = _load(options, host=options.host, port=options.port, workers=options.workers)
    run(loaded, _say)
    return 0


def _say(words: str) -> None:
    """Print; the service goes on where nobody reads it."""
    try:
        print(words, flush=True)
    except BrokenPipeError:
        _write_to_nowhere()


def _write_to_nowhere() -> None:
    """Give up stdout, whose reader has left: Python would complain when it flushes at the end."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _ask(options: argparse.Namespace) -> int:
    # Imported here: the parent of the service shares this file, and has to stay small.
    from scalix_free.ask import ask  # noqa: PLC0415

    loaded = _load(options)
    return asyncio.run(ask(loaded.settings, options.question, options.model))


def _quality(options: argparse.Namespace) -> int:
    from scalix_free.quality import quality  # noqa: PLC0415  (as above)

    return quality(_load(options).settings, options.model)


def _doctor(options: argparse.Namespace) -> int:
    from scalix_free import doctor  # noqa: PLC0415  (as above)

    try:
        report = asyncio.run(doctor.examine(_load(options), offline=options.offline))
    except SettingsError as error:
        report = doctor.unreadable(error)
    print(doctor.as_json(report) if options.json else doctor.as_text(report))
    return doctor.EXIT[report.state]


def _export(options: argparse.Namespace) -> int:
    from scalix_free.ui import export  # noqa: PLC0415  (as above)

    folder: Path = options.folder
    return export(folder)


def _usage(options: argparse.Namespace) -> int:
    from scalix_free import meter  # noqa: PLC0415  (as above)

    url = options.url or _load(options).settings.server.public_url
    try:
        report = meter.fetch(url.rstrip("/"), _key(options.key))
    except (meter.Unanswered, OSError) as error:
        print(f"scalix-free: {error}", file=sys.stderr)
        return FAILED
    print(meter.as_json(report) if options.json else meter.drawn(report))
    return 0


def _key(written: str | None) -> str | None:
    """A key that may stand elsewhere: what is on the command line, others can read."""
    kind, _, place = (written or "").partition(":")
    if kind == "env":
        return os.environ.get(place)
    if kind == "file":
        return Path(place).read_text("utf-8").strip()
    return written


def _models(options: argparse.Namespace) -> int:
    settings = _load(options).settings
    local = choose_local(settings)
    today = datetime.datetime.now(datetime.UTC).date()
    known = local if isinstance(local, LocalModel) else None
    catalogue: Sequence[ProviderEntry] = settings.catalogue
    states: Mapping[str, str] = {}
    if any(entry.pool is not None and entry.is_open for entry in catalogue):
        from scalix_free.pooled import look_at_pools  # noqa: PLC0415  (as above)

        catalogue, states = asyncio.run(look_at_pools(settings))
    for line in model_lines(catalogue, known, today, states):
        print(line)
    if isinstance(local, Absent):
        print(f"no local model: {local.reason}")
    return 0


def _litellm_config(options: argparse.Namespace) -> int:
    from scalix_free.litellm_config import litellm_config  # noqa: PLC0415  (as above)

    return litellm_config(_load(options).settings, os.environ)


def _import(options: argparse.Namespace) -> int:
    from scalix_free.litellm_import import import_litellm  # noqa: PLC0415  (as above)

    return import_litellm(options.file)


def _config(options: argparse.Namespace) -> int:
    loaded = _load(options)
    print(f"# from {loaded.source}")
    print(effective(loaded.settings), end="")
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0
