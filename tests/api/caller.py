"""Somebody who calls the service, with an address of their own as a trusted proxy tells it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

Body = dict[str, Any]

COMPLETIONS = "/v1/chat/completions"
QUESTION = "What is the capital of France?"


def question(text: str = QUESTION, /, **fields: object) -> Body:
    """A body with one user message; a field given as None is left out."""
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return {name: value for name, value in body.items() if value is not None}


@dataclass(frozen=True)
class Told:
    """A stream that is over: its frames' data in order, ``[DONE]`` among them, and its comments."""

    status: int
    headers: httpx.Headers
    data: list[str]
    comments: list[str]

    @property
    def frames(self) -> list[Body]:
        """All frames but the end marker."""
        return [json.loads(data) for data in self.data if data != "[DONE]"]

    @property
    def done(self) -> bool:
        """Whether it ended as a whole answer does: with one end marker, and nothing after it."""
        assert "[DONE]" not in self.data[:-1]
        return self.data[-1:] == ["[DONE]"]

    @property
    def content(self) -> str:
        """All that was said."""
        choices = [choice for frame in self.frames for choice in frame.get("choices", [])]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def free_tier(self) -> Body:
        """What the last frame with a choice says is left."""
        found: Body = [frame for frame in self.frames if frame.get("choices")][-1]["free_tier"]
        return found


@dataclass(frozen=True)
class Caller:
    """A person, to whom ``headers`` belong."""

    url: str
    client: httpx.Client
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send anything."""
        headers = {"x-forwarded-for": self.address, **self.headers, **more.pop("headers", {})}
        return self.client.request(method, self.url + path, headers=headers, **more)

    def ask(
        self, text: str = QUESTION, path: str = COMPLETIONS, /, **fields: object
    ) -> httpx.Response:
        """Ask a question."""
        return self.request("POST", path, json=question(text, **fields))

    def answer(self, text: str = QUESTION, /, **fields: object) -> Body:
        """Ask a question that has to be answered."""
        response = self.ask(text, **fields)
        assert response.status_code == 200, response.text
        body: Body = response.json()
        return body

    @contextmanager
    def listen(self, text: str = QUESTION, /, **fields: object) -> Iterator[httpx.Response]:
        """Ask for a stream, and read it as it comes."""
        headers = {"x-forwarded-for": self.address, **self.headers}
        body = question(text, stream=True, **fields)
        url = self.url + COMPLETIONS
        with self.client.stream("POST", url, json=body, headers=headers) as response:
            yield response

    def stream(self, text: str = QUESTION, /, **fields: object) -> Told:
        """Ask for a stream and hear it out; whatever is not of its form fails."""
        with self.listen(text, **fields) as response:
            response.read()
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/event-stream")
        *blocks, nothing = response.text.split("\n\n")
        assert nothing == ""
        assert all(block.startswith(("data: ", ": ")) for block in blocks), blocks
        assert not any("\n" in block for block in blocks)
        return Told(
            response.status_code,
            response.headers,
            [block[6:] for block in blocks if block.startswith("data: ")],
            [block[2:] for block in blocks if block.startswith(": ")],
        )

    def limits(self) -> Body:
        """What is left, by a call that does not count."""
        response = self.request("GET", "/api/v1/free/limits")
        assert response.status_code == 200, response.text
        body: Body = response.json()
        return body

    def used(self) -> dict[str, int]:
        """How far each limit is used."""
        return {window["name"]: window["used"] for window in self.limits()["windows"]}
