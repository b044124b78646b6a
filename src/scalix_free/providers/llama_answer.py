"""What the local model reads and writes, without running it: requests, answers, loops.

The process around it is `llama_child`. Nothing here does I/O.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import takewhile
from typing import Annotated, Literal

import msgspec

Finish = Literal["stop", "length"]

# A model of this size hardly knows that it is being asked something. Four answered questions before
# the caller's show it: it answers in a sentence, and stops.
EXAMPLES = tuple(
    {"role": role, "content": content}
    for question, answer in (
        ("What is 7-2?", "7-2 = 5."),
        ("What is the capital of France?", "The capital of France is Paris."),
        ("How many days are in a week?", "There are 7 days in a week."),
        ("What does CPU stand for?", "CPU stands for Central Processing Unit."),
    )
    for role, content in (("user", question), ("assistant", answer))
)


# The model always streams: an unstreamed answer is the stream collected. Every piece tells the
# token counts, so that an answer we end ourselves has a usage too. Progress on the prompt is
# asked for because only a call back can stop the model, and a long prompt takes seconds.
ALWAYS: Mapping[str, object] = {
    "stream": True,
    "timings_per_token": True,
    "return_progress": True,
    "cache_prompt": True,
}


class AnswerError(Exception):
    """An answer that is an error: its status and what OpenAI's error object says."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Refuse with `status`; `retry_after` is in seconds."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.body = {"error": {"message": message, "type": type_, "code": code}}


# ---------------------------------------------------------------------------- the request


class _Part(msgspec.Struct):
    type: str
    text: str = ""


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[_Part]


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ResponseFormat(msgspec.Struct, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, object] | None = None


_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class _Body(msgspec.Struct):
    """The fields that reach the model. All others are accepted and left behind."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    max_tokens: _AtLeastOne | None = None
    max_completion_tokens: _AtLeastOne | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    stop: str | list[str] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    response_format: _ResponseFormat | None = None


_BODY = msgspec.json.Decoder(_Body)


class Request(msgspec.Struct, frozen=True):
    """A completion that was asked for: what to tell the model, and how to answer."""

    prompt: dict[str, object]
    stream: bool
    include_usage: bool


def read_request(body: bytes, *, examples: bool, longest: int | None) -> Request:
    """Check a request body and write the model's prompt from it.

    `longest` caps the answer, in tokens. Raises `AnswerError` with status 400.
    """
    try:
        asked = _BODY.decode(body)
    except UnicodeDecodeError as error:
        raise AnswerError(400, "The body is not UTF-8.") from error
    except msgspec.DecodeError as error:
        raise AnswerError(400, str(error)) from error
    messages = [_flat(n, message) for n, message in enumerate(asked.messages)]
    options = asked.stream_options
    return Request(
        prompt=_prompt(asked, _with_examples(messages) if examples else messages, longest),
        stream=bool(asked.stream),
        include_usage=bool(options and options.include_usage),
    )


def _flat(place: int, message: _Message) -> dict[str, str]:
    """One message with its text in one string; the templates of small models know no other."""
    # The published templates know the older of the two names.
    role = "system" if message.role == "developer" else message.role
    if isinstance(message.content, str):
        return {"role": role, "content": message.content}
    for part in message.content:
        if part.type != "text":
            where = f"messages[{place}].content"
            raise AnswerError(400, f"This model reads text only; {where} has a part {part.type!r}.")
    return {"role": role, "content": "\n".join(part.text for part in message.content)}


def _with_examples(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put the example turns behind the caller's own instructions and before the rest."""
    lead = sum(1 for _ in takewhile(lambda message: message["role"] == "system", messages))
    return [*messages[:lead], *EXAMPLES, *messages[lead:]]


def _prompt(asked: _Body, messages: list[dict[str, str]], longest: int | None) -> dict[str, object]:
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    limits = (asked.max_tokens, asked.max_completion_tokens, longest)
    named = {
        "max_tokens": min((limit for limit in limits if limit is not None), default=None),
        "top_p": asked.top_p,
        # An empty string would end every answer before its first word.
        "stop": [text for text in stop if text] or None,
        "seed": asked.seed,
        "response_format": msgspec.to_builtins(asked.response_format),
    }
    return {
        "messages": messages,
        "temperature": asked.temperature or 0,
        **{name: value for name, value in named.items() if value is not None},
        **ALWAYS,
    }


# ---------------------------------------------------------------------------- what comes back


class Piece(msgspec.Struct, frozen=True):
    """A part of an answer, with the tokens counted so far; the last one says why it ended."""

    text: str
    finish: Finish | None
    prompt_tokens: int
    completion_tokens: int


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta
    finish_reason: str | None = None


class _Timings(msgspec.Struct):
    cache_n: int
    prompt_n: int
    predicted_n: int


class _Error(msgspec.Struct):
    code: int
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    timings: _Timings | None = None
    error: _Error | None = None


def prompt_tokens(chunks: Iterable[Mapping[str, object]]) -> int:
    """Count the tokens of a prompt from all that llama.cpp said in answer to it."""
    told = [timings for chunk in chunks if (timings := msgspec.convert(chunk, _Chunk).timings)]
    if not told:
        raise ValueError("llama.cpp told no token counts")
    return told[-1].cache_n + told[-1].prompt_n


class Reader:
    """Reads one answer from llama.cpp's chunks."""

    def __init__(self, *, uncounted: int, cut_repeats: bool) -> None:
        """Leave `uncounted` tokens (the example turns) out of the prompt's count."""
        self._uncounted = uncounted
        self._cutter = RepeatCutter() if cut_repeats else None

    def read(self, chunk: Mapping[str, object]) -> Piece | None:
        """Give the piece a chunk carries, if it carries one. Raises `AnswerError` for an error."""
        seen = msgspec.convert(chunk, _Chunk)
        if seen.error:
            raise self._refusal(seen.error)
        if not seen.timings or not seen.choices:
            return None  # the role, progress on the prompt
        text, finish = seen.choices[0].delta.content or "", seen.choices[0].finish_reason
        if self._cutter:
            text = self._cutter.feed(text)
            finish = "stop" if self._cutter.cut else finish
        if not text and not finish:
            return None
        return Piece(
            text=text,
            finish=None if not finish else "length" if finish == "length" else "stop",
            prompt_tokens=self._own(seen.timings.cache_n + seen.timings.prompt_n),
            completion_tokens=seen.timings.predicted_n,
        )

    def _own(self, tokens: int) -> int:
        return max(1, tokens - self._uncounted)

    def _refusal(self, error: _Error) -> AnswerError:
        # Written anew: llama.cpp's own messages count the example turns, and may name files.
        if error.type == "exceed_context_size_error":
            most, has = self._own(error.n_ctx), self._own(error.n_prompt_tokens)
            message = f"This model reads at most {most} tokens of messages; these are {has}."
            return AnswerError(400, message, code="context_length_exceeded")
        if 400 <= error.code < 500:
            return unusable()
        return broken()


def unusable() -> AnswerError:
    """Refuse what llama.cpp cannot take: a schema it cannot follow, turns its template forbids."""
    return AnswerError(400, "The model cannot take these messages or this response_format.")


def broken() -> AnswerError:
    """Admit that the model failed."""
    return AnswerError(500, "The model failed.", type_="server_error", code="model_failed")


# ---------------------------------------------------------------------------- loops


class RepeatCutter:
    """Ends an answer that goes round in circles; the third copy is the last thing said.

    Two shapes are known. *A line for the third time*, its list marker and the space around it
    aside: in a row, or anywhere when it is too long for a coincidence (closing brackets, `pass`
    and `else:` come back in honest code). And *a phrase three times in a row*, of 12 to 200
    characters, on one line or over several. Lines and phrases without a letter or digit are
    drawing: rules, table borders, indentation.

    The result depends on the text alone, never on how it was cut into pieces.
    """

    LONG_LINE = 16
    SHORTEST, LONGEST = 12, 200
    _MARKED = re.compile(r"\s*(?:[-*\u2022]|\d+[.)])?\s*(.*?)\s*", re.DOTALL)

    def __init__(self) -> None:
        """Start before the first word of an answer."""
        self.cut = False
        self._recent = ""
        self._line = ""
        self._last = ""
        self._in_a_row = 0
        self._seen: Counter[str] = Counter()

    def feed(self, text: str) -> str:
        """Give the part of `text` that may be said. After the cut that is nothing."""
        if self.cut:
            return ""
        for place, char in enumerate(text):
            self._recent = (self._recent + char)[-3 * self.LONGEST :]
            if char == "\n":
                self.cut = self._line_again() or self._phrase_again()
                self._line = ""
            else:
                self.cut = self._phrase_again()
                self._line += char
            if self.cut:
                return text[:place] if char == "\n" else text[: place + 1]
        return text

    def _line_again(self) -> bool:
        marked = self._MARKED.fullmatch(self._line)
        line = marked.group(1) if marked else self._line
        if not _says_something(line):
            return False
        self._seen[line] += 1
        self._in_a_row = self._in_a_row + 1 if line == self._last else 1
        self._last = line
        return self._in_a_row == 3 or (len(line) >= self.LONG_LINE and self._seen[line] == 3)

    def _phrase_again(self) -> bool:
        """Tell whether the text ends in three copies of a phrase.

        The last few characters are looked for further back: the distance is the one length the
        phrase can have, and where they are not found, as in nearly every text, the search ends.
        """
        text, end = self._recent, self._recent[-self.SHORTEST :]
        found = text.rfind(end, 0, len(text) - self.SHORTEST)
        while found != -1:
            size = len(text) - self.SHORTEST - found
            if 3 * size > len(text):
                return False
            phrase = text[-size:]
            if text.endswith(phrase * 3) and _says_something(phrase):
                return True
            found = text.rfind(end, 0, found + self.SHORTEST - 1)
        return False


def _says_something(text: str) -> bool:
    return any(char.isalnum() for char in text)


# ---------------------------------------------------------------------------- the OpenAI shapes


class Head(msgspec.Struct, frozen=True):
    """What every frame of one answer repeats; `created` is in Unix seconds."""

    id: str
    created: int
    model: str


def _usage(piece: Piece) -> dict[str, int]:
    return {
        "prompt_tokens": piece.prompt_tokens,
        "completion_tokens": piece.completion_tokens,
        "total_tokens": piece.prompt_tokens + piece.completion_tokens,
    }


def completion(head: Head, text: str, last: Piece) -> dict[str, object]:
    """Write a whole answer that ended with the piece `last`."""
    message: dict[str, object] = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": head.id,
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [
            {"index": 0, "message": message, "logprobs": None, "finish_reason": last.finish}
        ],
        "usage": _usage(last),
    }


class Frames:
    """Writes one streamed answer: the role, the pieces, the finish, the usage."""

    def __init__(self, head: Head, *, include_usage: bool) -> None:
        """`include_usage` adds a usage frame at the end, and `"usage": null` to the others."""
        self._head = head
        self._include_usage = include_usage

    def first(self) -> dict[str, object]:
        """Say who speaks."""
        return self._delta({"role": "assistant", "content": "", "refusal": None}, None)

    def of(self, piece: Piece) -> list[dict[str, object]]:
        """Write what a piece brings: its text, and at the end the finish and the usage."""
        frames = [self._delta({"content": piece.text}, None)] if piece.text else []
        if piece.finish:
            frames.append(self._delta({}, piece.finish))
            if self._include_usage:
                frames.append(self._frame([], _usage(piece)))
        return frames

    def _delta(self, delta: dict[str, str | None], finish: Finish | None) -> dict[str, object]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._frame([choice], None)

    def _frame(
        self, choices: list[dict[str, object]], usage: dict[str, int] | None
    ) -> dict[str, object]:
        return {
            "id": self._head.id,
            "object": "chat.completion.chunk",
            "created": self._head.created,
            "model": self._head.model,
            "choices": choices,
            **({"usage": usage} if self._include_usage else {}),
        }
