"""The table of sizes and times, by a real browser: ``python -m tests.browser.speed`` writes it.

Times are of an empty cache on loopback and say as much of the machine as of the pages: what is to
be read are the columns that do not depend on it, and how pages compare.
Sizes are of what travels, packed.
"""

import gzip
import itertools
import re
import tempfile
from pathlib import Path

from tests.browser.chromium import open_chromium
from tests.browser.test_speed import MOST_BYTES
from tests.browser.window import Window
from tests.service import provider, running_service
from tests.world import running_world

PAGE = Path(__file__).parents[2] / "docs/pages.md"
HEAD = (
    "| page | script | all | TTFB ms | FCP ms | LCP ms | load ms | blocked ms | CLS |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
ROUNDS = 3


def row(path: str, windows: list[Window]) -> str:
    """The medians of several looks at one page."""
    sizes = {url: size for url, size in windows[0].loaded.items() if "/static/" in url}
    script = sum(size for url, size in sizes.items() if url.endswith(".js"))
    html = len(gzip.compress(windows[0].page.content().encode()))
    times = [window.times for window in windows]
    middle = {name: sorted(one[name] for one in times)[len(times) // 2] for name in times[0]}
    shown = [f"{middle[name]:.0f}" for name in ("ttfb", "fcp", "lcp", "loaded", "blocked")]
    kilobytes = f"{script / 1000:.1f} kB | {(sum(sizes.values()) + html) / 1000:.1f} kB"
    return f"| `{path}` | {kilobytes} | {' | '.join(shown)} | {middle['shifts']:.3f} |"


def table() -> str:
    """Every page, looked at by people who never were here."""
    numbers = itertools.count(1)
    with (
        running_world() as world,
        tempfile.TemporaryDirectory() as folder,
        running_service(
            Path(folder),
            provider(world.base_url, [{"id": "world/paged", "model": "paged"}]),
            {"server.trusted_proxies": ["127.0.0.0/8"]},
        ) as service,
        open_chromium() as browser,
    ):
        rows = []
        for path in MOST_BYTES:
            windows = []
            for _ in range(ROUNDS):
                window = Window(browser, service.url, f"10.1.{next(numbers)}.1", "", {})
                window.go(path)
                windows.append(window)
            rows.append(row(path, windows))
            for window in windows:
                window.close()
    return "\n".join([HEAD, *rows])


def main() -> None:
    """Write the table into the page between its marks, and show it."""
    made = table()
    text = re.sub(
        r"(<!-- table -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{made}\n{found[2]}",
        PAGE.read_text(),
        flags=re.S,
    )
    PAGE.write_text(text)
    print(made)


if __name__ == "__main__":
    main()
