"""How to use the service, told to language models (llmstxt.org)."""

from __future__ import annotations

from typing import Final

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

TEXT: Final = """\
# Scalix Free

> AI without an API key: OpenAI's chat API, answered by free models of many providers. Limits are
> small and exact, and every answer says what is left.

Base URL: {url}/v1. No key is needed; where a library insists on one, any text such as `free` will
do. The model `scalix-free` is the best that can answer right now.

    curl {url}/v1/chat/completions -H 'content-type: application/json' \\
      -d '{{"model": "scalix-free", "messages": [{{"role": "user", "content": "Hi"}}]}}'

Every answer has `free_tier` with `remaining_requests` and `reset_time`. A refusal has `error` with
`message`, `code`, `retryable` and `reset_at`; with the header `x-should-retry: false` do not try
again before `reset_at`.

## Reference

- [OpenAPI]({url}/openapi.json): all routes and shapes
- [Reference for people]({url}/docs)
- [Models]({url}/v1/models): those that may be named now
- [Limits]({url}/api/v1/free/limits): what is left for the caller; reading counts nothing

## Pages

- [Connect]({url}/connect): ready settings for SDKs and apps
- [Usage]({url}/usage): what was used, and when it returns
- [Privacy]({url}/privacy): which providers see prompts, and on what terms

## Optional

- [Status]({url}/status): how the service has done
- [Upgrade]({url}/upgrade): what is beyond the free tier
"""


def llms_text(public_url: str) -> list[HTTPRouteHandler]:
    """The one page."""
    text = TEXT.format(url=public_url)

    @get("/llms.txt", media_type=MediaType.TEXT, summary="This service for language models")
    async def llms() -> Response[str]:
        return Response(text, media_type="text/plain")

    return [llms]
