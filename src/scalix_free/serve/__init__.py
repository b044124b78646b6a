"""One function for each thing a person can do; the only place where the rooms meet."""

from scalix_free.serve.accounts import Accounts, MailLimits, NewKey, Verified
from scalix_free.serve.answering import (
    BROKEN_CODES,
    STORE_UNAVAILABLE,
    Answer,
    Answering,
    Identify,
    Refused,
    Service,
    SessionOf,
)
from scalix_free.serve.callers import Callers, Revocations
from scalix_free.serve.condition import Condition, Conditions
from scalix_free.serve.feedback import Feedback
from scalix_free.serve.offers import Offer, Offers, PostLimits
from scalix_free.serve.own_data import OwnData
from scalix_free.serve.own_usage import OwnUsage, Used
from scalix_free.serve.proxied import Arrival, End, Granted, Proxied, Report, failure
from scalix_free.serve.sessions import NewSession, Pricing, Sessions

__all__ = [
    "BROKEN_CODES",
    "STORE_UNAVAILABLE",
    "Accounts",
    "Answer",
    "Answering",
    "Arrival",
    "Callers",
    "Condition",
    "Conditions",
    "End",
    "Feedback",
    "Granted",
    "Identify",
    "MailLimits",
    "NewKey",
    "NewSession",
    "Offer",
    "Offers",
    "OwnData",
    "OwnUsage",
    "PostLimits",
    "Pricing",
    "Proxied",
    "Refused",
    "Report",
    "Revocations",
    "Service",
    "SessionOf",
    "Sessions",
    "Used",
    "Verified",
    "failure",
]
