"""A bare nginx hop: one worker, no log, no buffering, connections kept on both sides."""

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.processes import LOOPBACK, BenchmarkError, Command

MISSING = (
    "The nginx row is left out: there is no nginx here (Debian, Ubuntu: apt install nginx-light)."
)
_OPTIONAL = ("fastcgi", "uwsgi", "scgi")
_CONFIGURATION = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
{optional}
    upstream instant {{
        server {host}:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {host}:{port};
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://instant;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def executable() -> str | None:
    """Find nginx, also where only administrators look."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def version() -> str | None:
    """Give the version, such as 1.22.1."""
    return _told("-v").rpartition("/")[2].strip() if executable() is not None else None


def command(folder: Path, port: int, upstream: int) -> Command:
    """Write a configuration and give the command that starts it in the foreground."""
    found = executable()
    if found is None:
        raise BenchmarkError(MISSING)
    file = folder / "nginx.conf"
    file.write_text(configuration(folder, port, upstream, built_with=_told("-V")))
    return Command((found, "-e", "stderr", "-p", str(folder), "-c", str(file)))


def configuration(folder: Path, port: int, upstream: int, *, built_with: str) -> str:
    """Give the configuration, naming the temporary folders of the modules that are built in."""
    optional = "\n".join(
        f"    {module}_temp_path {folder}/{module};"
        for module in _OPTIONAL
        if f"--without-http_{module}_module" not in built_with
    )
    return _CONFIGURATION.format(
        folder=folder, host=LOOPBACK, port=port, upstream=upstream, optional=optional
    )


def _told(option: str) -> str:
    found = executable()
    if found is None:
        return ""
    told = subprocess.run([found, option], capture_output=True, text=True, timeout=10, check=False)
    return told.stderr
