"""The settings: one frozen tree, read once from a file, the environment and the command line.

`load` reads, `Settings` is what it gives, `effective` writes it down again without the secrets.
Only `app` and `cli` import this package; the rooms are handed plain values.
"""

from scalix_free.settings.errors import SettingsError
from scalix_free.settings.loading import Loaded, load
from scalix_free.settings.merging import SWITCHED_OFF, barred
from scalix_free.settings.secret import Secret, SecretUrl, revealed
from scalix_free.settings.shipped import shipped, vendor_terms
from scalix_free.settings.toml_text import effective
from scalix_free.settings.tree import (
    CALLED,
    Abuse,
    Accounting,
    Addresses,
    AnswerCache,
    Cache,
    Caches,
    Content,
    FreeTier,
    Identity,
    Keyword,
    Local,
    Mail,
    Model,
    ModelEntry,
    Networks,
    Offer,
    Payments,
    Policy,
    ProTier,
    Provider,
    ProviderEntry,
    ProviderLimits,
    Routing,
    Server,
    Settings,
    Store,
    Terms,
    Texts,
    Tiers,
)

__all__ = [
    "CALLED",
    "SWITCHED_OFF",
    "Abuse",
    "Accounting",
    "Addresses",
    "AnswerCache",
    "Cache",
    "Caches",
    "Content",
    "FreeTier",
    "Identity",
    "Keyword",
    "Loaded",
    "Local",
    "Mail",
    "Model",
    "ModelEntry",
    "Networks",
    "Offer",
    "Payments",
    "Policy",
    "ProTier",
    "Provider",
    "ProviderEntry",
    "ProviderLimits",
    "Routing",
    "Secret",
    "SecretUrl",
    "Server",
    "Settings",
    "SettingsError",
    "Store",
    "Terms",
    "Texts",
    "Tiers",
    "barred",
    "effective",
    "load",
    "revealed",
    "shipped",
    "vendor_terms",
]
