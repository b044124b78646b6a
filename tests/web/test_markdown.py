"""An answer as HTML: what it says is there, and it can do nothing."""

import re

import pytest

from scalix_free.web.markdown import render


def test_what_people_use_is_rendered() -> None:
    prose = "# One\n\n**b** `c` [l](https://a.example)\n\n1. x"
    html = render(f"{prose}\n\n| h |\n|---|\n| d |\n\n```py\n1 < 2\n```")

    for part in (
        "<h3>One</h3>",
        "<strong>b</strong>",
        "<code>c</code>",
        '<a href="https://a.example" rel="noopener nofollow ugc">l</a>',
        "<ol>",
        "<td>d</td>",
        '<pre tabindex="0"><code>1 &lt; 2\n</code></pre>',
    ):
        assert part in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onmouseover=alert(1)>b</b>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a]( javascript:alert(1))",
        "[a](data:text/html,<script>alert(1)</script>)",
        "[a](vbscript:x)",
        "[a](//elsewhere.example)",
        "[a](/usage/delete)",
        "[a][r]\n\n[r]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "![a](https://elsewhere.example/p.png)",
        '```"><script>alert(1)</script>\nx\n```',
        '[a](https://a.example "x" onclick=alert(1))',
        "<style>*{display:none}</style>",
        "<!-- --><svg/onload=alert(1)>",
        '[a](https://a.example/"onclick="alert(1))',
        "[a](http://[)",
    ],
)
def test_it_can_do_no_harm(text: str) -> None:
    html = render(text)

    tags = re.findall(r"<([a-z0-9]+)([^>]*)>", html)
    assert {tag for tag, _ in tags} <= {"p", "a", "pre", "code", "br", "strong"}
    for _, attributes in tags:
        names = set(re.findall(r'\s([a-z]+)="[^"]*"', attributes))
        assert names <= {"href", "rel", "title", "tabindex"}
    for address in re.findall(r'href="([^"]*)"', html):
        assert address.startswith(("https://", "http://"))


def test_deep_nesting_costs_no_more_than_its_length() -> None:
    assert len(render("> " * 5_000 + "x")) < 100_000
    assert len(render("[" * 5_000)) < 100_000
