"""Who asks for a page, and the forms that they send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from scalix_free.core.caller import Visitor
from scalix_free.core.errors import Code, Refusal
from scalix_free.identity.identify import own_credential
from scalix_free.web.frame import AnyRequest

MOST_FIELDS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Visits:
    """What the HTTP room knows of a request, for pages.

    ``is_own`` says whether a page of ours sent it, ``is_known`` whether it brings a cookie at all:
    that one counts is left to ``visitor``. ``give`` lets the answer set one, of this token.
    """

    visitor: Callable[[AnyRequest], Visitor]
    is_own: Callable[[AnyRequest], bool]
    is_known: Callable[[AnyRequest], bool]
    give: Callable[[AnyRequest, str], None]
    rid: Callable[[AnyRequest], bytes]

    async def form(self, request: AnyRequest) -> Mapping[str, str] | Refusal:
        """The fields of a form that one of our own pages sent."""
        if not self.is_own(request):
            return FOREIGN
        return fields_of(await request.body())

    def sender(self, request: AnyRequest, form: Mapping[str, str]) -> Visitor | Refusal:
        """Who sent a form: its reader, or whose key they typed into it."""
        key = form.get("key")
        if key is None:
            return self.visitor(request)
        if own_credential(key) is None:
            return NO_KEY
        return self.visitor(request)._replace(credential=key)


def fields_of(body: bytes) -> Mapping[str, str]:
    """The fields of a form as browsers send it, in UTF-8; of several of one name the first."""
    try:
        fields = parse_qs(body.decode("latin-1"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return {name: values[0].strip() for name, values in fields.items()}


FOREIGN: Final = Refusal(
    code=Code.ACCESS_DENIED,
    message=(
        "This form was not sent by a page of this service. Open the page here, and send it again."
    ),
)
NO_KEY: Final = Refusal(
    code=Code.INVALID_API_KEY, message="This is no key of ours: they begin with scalix_key_."
)
