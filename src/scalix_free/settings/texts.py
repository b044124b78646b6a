"""Texts that mean something: each function reads one, or raises UnfitError."""

import re
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from scalix_free.settings.form import UnfitError
from scalix_free.settings.secret import SecretUrl

# ISO 3166-1 alpha-2, officially assigned: spelt out, as the usual mistakes (UK, EU) look right.
COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""

# The European Economic Area: the European Union, Iceland, Liechtenstein and Norway.
EEA = """
AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK
"""

EVERYBODY = (
    "{} is refused: anybody could then claim any address; "
    'list the networks of your own proxies, such as ["10.0.0.0/8"]'
)


def host(text: str) -> str:
    """Read an address or host name to listen on, without port and brackets."""
    if ":" in text:
        try:
            ip_address(text)
        except ValueError:
            raise UnfitError from None
    elif not re.fullmatch(r"[A-Za-z0-9_.-]+", text):
        raise UnfitError
    return text


def origin(text: str) -> str:
    """Read an http(s) URL without a path, as browsers write an `Origin`: lower case, no `/`."""
    parts = _http(text)
    name = parts.hostname or ""
    if parts.path not in ("", "/") or not name.isascii():
        raise UnfitError
    port = {"http": 80, "https": 443}[parts.scheme] if parts.port is None else parts.port
    return origin_of(parts.scheme, name, port)


def origin_of(scheme: str, name: str, port: int) -> str:
    """Compose an origin; the scheme's own port is left out."""
    bracketed = f"[{name}]" if ":" in name else name
    usual = {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{bracketed}" + ("" if port == usual else f":{port}")


def http_url(text: str) -> str:
    """Read an http(s) URL to which a path is appended; a final `/` is dropped."""
    _http(text)
    return text.rstrip("/")


def proxy_root(text: str) -> str:
    """Read the address of a LiteLLM proxy, which is its root and not its API."""
    url = http_url(text)
    if url.endswith("/v1"):
        raise UnfitError("expected the root of the proxy, without /v1")
    return url


def health_path(text: str) -> str:
    """Read the path of a health check. LiteLLM's own `/health` calls every model that it has."""
    if text.rstrip("/") == "/health":
        raise UnfitError(
            "/health calls every model of the proxy each time; write /health/liveliness"
        )
    if not re.fullmatch(r"/[!-\"$-~]*", text):
        raise UnfitError
    return text


def network(text: str) -> IPv4Network | IPv6Network:
    """Read a CIDR; one that holds everybody is refused."""
    if text == "*":
        raise UnfitError(EVERYBODY.format('"*"'))
    try:
        read = ip_network(text)
    except ValueError:
        raise UnfitError(_with_the_right_bits(text)) from None
    if read.prefixlen == 0:
        raise UnfitError(EVERYBODY.format(f'"{text}"'))
    return read


def zone(text: str) -> str:
    """Read the zone of a provider's day: an IANA name, or `rolling`."""
    if text in ("UTC", "rolling"):
        return text
    # Late, as it takes longer than the rest of this package and is hardly ever needed.
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; a folder
        raise UnfitError from None
    return text


def country(text: str) -> str:
    """Read an ISO 3166 country code."""
    if text not in COUNTRIES.split():
        raise UnfitError
    return text


def money(text: str) -> Decimal:
    """Read an amount of money: digits, a point, two digits."""
    if not re.fullmatch(r"[0-9]{1,7}\.[0-9]{2}", text):
        raise UnfitError
    return Decimal(text)


def path(text: str) -> Path:
    """Read a path; whether something is there is not looked at."""
    return Path(text)


def ledger(text: str) -> SecretUrl:
    """Read the place of the ledgers."""
    place = _place(text, "sqlite", ("redis", "rediss"))
    if text != "sqlite":
        _server(text)
    return place


def database(text: str) -> SecretUrl:
    """Read the place of the database; PostgreSQL's clients know two spellings of its scheme."""
    return _place(text, "sqlite", ("postgresql", "postgres"))


def mail_server(text: str) -> SecretUrl:
    """Read where mail goes."""
    place = _place(text, "console", ("smtp", "smtps"))
    try:
        parts = urlsplit(text)
        unfit = text != "console" and (not parts.hostname or parts.port == 0)
    except ValueError:
        unfit = True
    if unfit:
        raise UnfitError
    return place


def _place(text: str, word: str, schemes: tuple[str, ...]) -> SecretUrl:
    scheme, mark, rest = text.partition("://")
    if text != word and not (mark and rest and scheme in schemes):
        raise UnfitError
    return SecretUrl(text)


def _server(text: str) -> None:
    # A password may hold anything but what ends it, so only what is surely wrong is refused.
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UnfitError from None
    if not parts.hostname or port == 0 or re.search(r"\s", text):
        raise UnfitError
    if not re.fullmatch(r"/?[0-9]{0,9}", parts.path) or parts.fragment:
        raise UnfitError


def _http(text: str) -> SplitResult:
    # urlsplit forgives: it drops some white space and accepts empty queries.
    if re.search(r"[\s?#\\]", text):
        raise UnfitError
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UnfitError from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UnfitError
    if "@" in parts.netloc:
        raise UnfitError("a user name or password does not belong into this URL")
    return parts


def _with_the_right_bits(text: str) -> str:
    try:
        nearest = ip_network(text, strict=False)
    except ValueError:
        return ""
    return f'expected a network, got the address of a machine in it: did you mean "{nearest}"?'
