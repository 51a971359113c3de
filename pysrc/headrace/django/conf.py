# SPDX-License-Identifier: MIT
"""The one setting ``HEADRACE``: read, checked and typed in one place.

`read` answers a `Conf` or raises `SettingError`, whose text names the setting and what to do:
the system check shows it, and site.py raises ImproperlyConfigured with the same words.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
import inspect
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from headrace import EventSink, FingerprintCookie, TokenVerifier
from headrace._defaults import PATHS
from headrace._front import MODES, Mode
from headrace._redis_keys import STREAM, Keys, prefix_of_site

MASK_PATHS = ("password_reset_confirm", "admin:password_reset_confirm")

_SINK_OFF_VALUES = ("", "off", "none")
_FALSE_WORDS = ("0", "false", "no", "off")

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class SettingError(Exception):
    """A wrong setting: ``setting`` is its name, ``text`` what is wrong and what to do."""

    def __init__(self, setting: str, text: str) -> None:
        super().__init__(f"{setting}: {text}")
        self.setting = setting
        self.text = text


@dataclass(frozen=True, slots=True)
class Conf:
    """Every key of ``HEADRACE``, resolved."""

    enabled: bool
    name: str
    sink: dict[str, Any] | None
    sink_is_unset: bool
    keys: Keys  # what the sink writes in Redis
    prefix_is_unset: bool  # neither NAME nor a prefix is set
    paths: dict[str, list[str]]
    treat_as: dict[str, str]
    jwt: dict[str, Any] | None
    tokens_are_unset: bool  # nothing that is set speaks of tokens
    simple_jwt: Mapping[str, Any]
    simplejwt_backend: bool
    token_from: tuple[str, ...]
    token_header: str
    fingerprint: dict[str, Any] | None
    mode: Mode
    gpc: Mode
    consent: Callable[[Any], Any] | None
    require_token: tuple[str, ...]
    set_user: bool
    user_claims: tuple[str, ...]
    slow_request: float | None
    response_time_header: bool
    server_timing: bool
    db_time: bool
    slow_query: float | None
    repeated_queries: int | None
    request_id: str | None
    event_fields: tuple[str, ...]
    hash_ids: bool
    mask_paths: Collection[str]
    trusted_proxies: int
    metrics: bool
    proxy_tells_scheme: bool  # SECURE_PROXY_SSL_HEADER is set
    quiet_below: float  # seconds below which a response gets no header and no log line

    @property
    def counts_queries(self) -> bool:
        """Does any setting ask for a look at each query?"""
        return self.db_time or self.slow_query is not None or self.repeated_queries is not None


def read() -> Conf:
    """Reads the settings. Raises SettingError."""
    raw = _setting()
    enabled = _enabled(raw)
    name = _site_name(raw)
    sink, sink_is_unset = _sink(raw)
    prefix_is_unset = "NAME" not in raw and "prefix" not in (sink or {})
    keys = _keys(sink, name)
    if sink is not None:
        sink["prefix"] = keys.prefix
    fingerprint = _fingerprint_setting(raw)
    mode, gpc = _mode(fingerprint, "mode", "cookie"), _mode(fingerprint, "gpc", "derived")
    simple_jwt = _simple_jwt()
    request_id = _header_name(raw, "REQUEST_ID")
    slow_request = _seconds(raw, "SLOW_REQUEST", 0.1)
    response_time_header = _typed(raw, "RESPONSE_TIME_HEADER", bool, False)
    server_timing = _typed(raw, "SERVER_TIMING", bool, False)
    return Conf(
        enabled=enabled,
        name=name,
        sink=sink,
        sink_is_unset=sink_is_unset,
        keys=keys,
        prefix_is_unset=prefix_is_unset,
        paths=_paths(raw),
        treat_as=_typed(raw, "TREAT_AS", dict, {}),
        jwt=_jwt(raw, simple_jwt),
        tokens_are_unset=not simple_jwt and not _OF_TOKENS & raw.keys(),
        simple_jwt=simple_jwt,
        simplejwt_backend=_simplejwt_backend(raw),
        token_from=_token_from(raw, simple_jwt),
        token_header=_token_header(simple_jwt),
        fingerprint=_cookie(fingerprint),
        mode=mode,
        gpc=gpc,
        consent=_consent(fingerprint),
        require_token=_words(raw, "REQUIRE_TOKEN"),
        set_user=_typed(raw, "SET_USER", bool, False),
        user_claims=_user_claims(simple_jwt),
        slow_request=slow_request,
        response_time_header=response_time_header,
        server_timing=server_timing,
        db_time=_typed(raw, "DB_TIME", bool, False),
        slow_query=_seconds(raw, "SLOW_QUERY", None),
        repeated_queries=_count(raw, "REPEATED_QUERIES"),
        request_id=request_id,
        event_fields=_event_fields(raw, request_id),
        hash_ids=_hash_ids(fingerprint),
        mask_paths=_quick_to_ask(_words(raw, "MASK_PATHS", MASK_PATHS)),
        trusted_proxies=int(_typed(raw, "TRUSTED_PROXIES", int, 0)),
        metrics=_typed(raw, "METRICS", bool, False),
        quiet_below=_quiet_below(slow_request, response_time_header or server_timing),
        proxy_tells_scheme=settings.SECURE_PROXY_SSL_HEADER is not None,
    )


KEYS = (
    "ENABLED",
    "NAME",
    "SINK",
    "PATHS",
    "TREAT_AS",
    "JWT",
    "SIMPLEJWT",
    "TOKEN_FROM",
    "FINGERPRINT",
    "REQUIRE_TOKEN",
    "SET_USER",
    "SLOW_REQUEST",
    "RESPONSE_TIME_HEADER",
    "SERVER_TIMING",
    "DB_TIME",
    "SLOW_QUERY",
    "REPEATED_QUERIES",
    "REQUEST_ID",
    "EVENT_FIELDS",
    "MASK_PATHS",
    "TRUSTED_PROXIES",
    "METRICS",
)

JWT_KEYS = tuple(inspect.signature(TokenVerifier).parameters)

KEY_KEYS = ("secret", "pem", "jwk", "algorithm", "key_id")  # of one key as a dict

SINK_KEYS = tuple(inspect.signature(EventSink).parameters)
COOKIE_KEYS = tuple(inspect.signature(FingerprintCookie).parameters)
FINGERPRINT_KEYS = (*COOKIE_KEYS, "mode", "gpc", "consent", "hash_ids")


def _name(key: str) -> str:
    return f'HEADRACE["{key}"]'


def _unknown(setting: str, key: object, known: Iterable[str]) -> SettingError:
    near = difflib.get_close_matches(str(key), list(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return SettingError(setting, f"unknown key {key!r}{hint}")


def _setting() -> Mapping[str, Any]:
    raw = getattr(settings, "HEADRACE", {})
    if not isinstance(raw, Mapping):
        raise SettingError("HEADRACE", f"must be a dict, not {type(raw).__name__}")
    for key in raw:
        if key not in KEYS:
            raise _unknown("HEADRACE", key, KEYS)
    return raw


def known_keys(setting: str, value: Mapping[str, Any], known: Iterable[str]) -> None:
    for key in value:
        if key not in known:
            raise _unknown(setting, key, known)


def _typed(raw: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    value = raw.get(key, default)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SettingError(
            _name(key), f"must be {kind.__name__}, not {type(value).__name__} ({value!r})"
        )
    return value


def _words(raw: Mapping[str, Any], key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    value = raw.get(key, default)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise SettingError(_name(key), f"must be a list or tuple of str, not {value!r}")
    words = tuple(value)
    for word in words:
        if not isinstance(word, str):
            raise SettingError(_name(key), f"{word!r} is not a str")
    return words


def _seconds(raw: Mapping[str, Any], key: str, default: float | None) -> float | None:
    value = raw.get(key, default)
    if value is None:
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise SettingError(_name(key), f"must be seconds (a number of 0 or more), not {value!r}")
    return float(value)


def _count(raw: Mapping[str, Any], key: str) -> int | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise SettingError(_name(key), f"must be a number of 2 or more, or None, not {value!r}")
    return value


def _quick_to_ask(names: tuple[str, ...]) -> Collection[str]:
    """A view's name is a new str in every request: to hash it costs more than to compare a few."""
    return names if len(names) <= 4 else frozenset(names)


def _quiet_below(slow_request: float | None, has_headers: bool) -> float:
    if has_headers:
        return -1.0
    return float("inf") if slow_request is None else slow_request


def _header_name(raw: Mapping[str, Any], key: str) -> str | None:
    value = raw.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.isascii() or not value.replace("-", "").isalnum():
        raise SettingError(
            _name(key), f'must be a header name such as "X-Request-ID", not {value!r}'
        )
    return value


def _event_fields(raw: Mapping[str, Any], request_id: str | None) -> tuple[str, ...]:
    """EVENT_FIELDS; the id of a request is in its event where requests have one."""
    fields = _words(raw, "EVENT_FIELDS")
    if request_id is not None and "request_id" not in fields:
        return (*fields, "request_id")
    return fields


def _enabled(raw: Mapping[str, Any]) -> bool:
    from_environment = os.environ.get("HEADRACE_ENABLED", "")
    if from_environment:
        return from_environment.lower() not in _FALSE_WORDS
    return bool(_typed(raw, "ENABLED", bool, True))


def _site_name(raw: Mapping[str, Any]) -> str:
    """NAME; else the first part of the settings module's name, where that can be one."""
    if "NAME" not in raw:
        name = _settings_module().partition(".")[0]
        return name if _NAME.fullmatch(name) else "site"
    value = raw["NAME"]
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise SettingError(
            _name("NAME"),
            f"must be 1 to 32 letters, digits and the characters _ . - (ASCII), not {value!r}",
        )
    return value


def _settings_module() -> str:
    """Its dotted path, also while tests override settings; empty after settings.configure()."""
    holder: Any = settings._wrapped  # type: ignore[misc]
    while getattr(holder, "SETTINGS_MODULE", None) is None:
        if not hasattr(holder, "default_settings"):
            return ""
        holder = holder.default_settings
    return str(holder.SETTINGS_MODULE)


def _keys(sink: Mapping[str, Any] | None, name: str) -> Keys:
    given = sink or {}
    try:
        return Keys(given.get("prefix", prefix_of_site(name)), str(given.get("stream", STREAM)))
    except (TypeError, ValueError) as error:
        raise SettingError(_name("SINK"), str(error)) from error


def _sink(raw: Mapping[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """EventSink's arguments or None; and whether nobody said anything about a sink."""
    if "SINK" in raw:
        value = raw["SINK"]
        if value is None:
            return None, False
        if isinstance(value, str):
            return {"url": value}, False
        if isinstance(value, Mapping):
            known_keys(_name("SINK"), value, SINK_KEYS)
            if not isinstance(value.get("url"), str):
                raise SettingError(_name("SINK"), 'needs a "url" (str)')
            return dict(value), False
        raise SettingError(_name("SINK"), f"must be a URL, a dict or None, not {value!r}")
    url = os.environ.get("HEADRACE_SINK")
    if url is not None:
        return (None if url.lower() in _SINK_OFF_VALUES else {"url": url}), False
    if settings.DEBUG:
        return {"url": "file:.headrace/events.ndjson"}, False
    return None, True


def _url_rule(url: str | None) -> str | None:
    """A path rule for STATIC_URL or MEDIA_URL; None when it is another host or the root."""
    if not url or "://" in url or url.startswith("//"):
        return None
    # Django puts FORCE_SCRIPT_NAME in front of a relative one; path_info comes without it
    script_name = "/" + (settings.FORCE_SCRIPT_NAME or "").strip("/") + "/"
    path = "/" + url.strip("/") + "/"
    path = "/" + path.removeprefix(script_name).lstrip("/")
    return None if path in ("/", "//") or "*" in path else path


def _paths(raw: Mapping[str, Any]) -> dict[str, list[str]]:
    given = _typed(raw, "PATHS", Mapping, {})
    paths = {label: list(rules) for label, rules in PATHS.items()}
    for name in ("STATIC_URL", "MEDIA_URL"):
        rule = _url_rule(getattr(settings, name, None))
        if rule is not None and rule not in paths["skip"]:
            paths["skip"].append(rule)
    for label, rules in given.items():
        if not isinstance(label, str):
            raise SettingError(_name("PATHS"), f"the label {label!r} is not a str")
        if isinstance(rules, str) or not isinstance(rules, Iterable):
            raise SettingError(
                _name("PATHS"), f"the rules of {label!r} must be a list of str, not {rules!r}"
            )
        paths[label] = list(rules)
    return paths


def _simple_jwt() -> Mapping[str, Any]:
    value = getattr(settings, "SIMPLE_JWT", {})
    if not isinstance(value, Mapping):
        raise SettingError("SIMPLE_JWT", f"must be a dict, not {type(value).__name__}")
    return value


def _simplejwt_backend(raw: Mapping[str, Any]) -> bool:
    wanted = bool(_typed(raw, "SIMPLEJWT", bool, False))
    if wanted and find_spec("rest_framework_simplejwt") is None:
        raise SettingError(_name("SIMPLEJWT"), "djangorestframework-simplejwt is not installed")
    return wanted


def _jwt(raw: Mapping[str, Any], simple_jwt: Mapping[str, Any]) -> dict[str, Any] | None:
    """TokenVerifier's arguments: what HEADRACE["JWT"] says, over simplejwt's settings."""
    given = raw.get("JWT", {})
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise SettingError(_name("JWT"), f"must be a dict or None, not {given!r}")
    known_keys(_name("JWT"), given, JWT_KEYS)
    arguments: dict[str, Any] = {
        "audience": simple_jwt.get("AUDIENCE"),
        "issuer": simple_jwt.get("ISSUER"),
        "leeway": simple_jwt.get("LEEWAY", 0),
        "expect": _expected_types(simple_jwt),
    }
    if "keys" not in given:
        arguments["keys"] = [_simple_jwt_key(simple_jwt)]
    arguments.update(given)
    return arguments


_OF_TOKENS = {"JWT", "SIMPLEJWT", "TOKEN_FROM", "REQUIRE_TOKEN", "SET_USER"}


def _simple_jwt_key(simple_jwt: Mapping[str, Any]) -> dict[str, Any]:
    algorithm = simple_jwt.get("ALGORITHM", "HS256")
    if simple_jwt.get("JWK_URL"):
        raise SettingError(
            'SIMPLE_JWT["JWK_URL"]',
            f"key sets are not fetched in the request path; give the keys in {_name('JWT')}"
            '["keys"], for example Key.jwks(document)',
        )
    if isinstance(algorithm, str) and algorithm.startswith("HS"):
        secret = simple_jwt.get("SIGNING_KEY", settings.SECRET_KEY)
        return {"secret": secret, "algorithm": algorithm}
    verifying_key = simple_jwt.get("VERIFYING_KEY")
    if not verifying_key:
        raise SettingError(
            'SIMPLE_JWT["VERIFYING_KEY"]', f"{algorithm} tokens need the public key (PEM)"
        )
    return {"pem": verifying_key, "algorithm": algorithm}


_KNOWN_TOKEN_TYPES = {
    "rest_framework_simplejwt.tokens.AccessToken": "access",
    "rest_framework_simplejwt.tokens.SlidingToken": "sliding",
    "rest_framework_simplejwt.tokens.RefreshToken": "refresh",
    "rest_framework_simplejwt.tokens.UntypedToken": None,
}


def _expected_types(simple_jwt: Mapping[str, Any]) -> dict[str, tuple[str, ...]] | None:
    """A refresh token is never taken for an access token."""
    claim = simple_jwt.get("TOKEN_TYPE_CLAIM", "token_type")
    if claim is None:
        return None
    classes = simple_jwt.get(
        "AUTH_TOKEN_CLASSES", ("rest_framework_simplejwt.tokens.AccessToken",)
    )
    types = []
    for path in classes:
        token_type = (
            _KNOWN_TOKEN_TYPES[path]
            if path in _KNOWN_TOKEN_TYPES
            else import_string(path).token_type
        )
        if token_type is None:  # UntypedToken: any type will do
            return None
        types.append(token_type)
    return {claim: tuple(types)}


def _user_claims(simple_jwt: Mapping[str, Any]) -> tuple[str, ...]:
    claim = simple_jwt.get("USER_ID_CLAIM", "user_id")
    return (claim,) if claim == "sub" else (claim, "sub")


def _token_from(raw: Mapping[str, Any], simple_jwt: Mapping[str, Any]) -> tuple[str, ...]:
    sources = _words(raw, "TOKEN_FROM", ("bearer",))
    types = simple_jwt.get("AUTH_HEADER_TYPES")
    if types is None:
        return sources
    if isinstance(types, str):
        types = (types,)
    schemes = [f"scheme:{scheme}" for scheme in types]
    return tuple(
        word for source in sources for word in (schemes if source == "bearer" else [source])
    )


def _token_header(simple_jwt: Mapping[str, Any]) -> str:
    """AUTH_HEADER_NAME, which is the key in META, as the name of the header."""
    key = simple_jwt.get("AUTH_HEADER_NAME", "HTTP_AUTHORIZATION")
    name = key[5:].replace("_", "-").title() if isinstance(key, str) else ""
    if not name or not key.startswith("HTTP_") or not name.replace("-", "").isalnum():
        raise SettingError(
            'SIMPLE_JWT["AUTH_HEADER_NAME"]',
            f'must be a key of request.META such as "HTTP_X_ACCESS_TOKEN", not {key!r}',
        )
    return name


KEYS_MAX = 16  # of one cookie: see FingerprintCookie


def _derived_keys() -> list[bytes]:
    """One key per SECRET_KEY, for this purpose only: leaking one says nothing of the other.

    Of very many fallbacks the newest count: no site must fail to start because of old ones.
    """
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS][:KEYS_MAX]
    label = b"headrace.fingerprint.v1"
    return [
        hmac.new(
            secret.encode() if isinstance(secret, str) else secret, label, hashlib.sha256
        ).digest()
        for secret in secrets
    ]


def _fingerprint_setting(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    given = raw.get("FINGERPRINT", {})
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise SettingError(_name("FINGERPRINT"), f"must be a dict or None, not {given!r}")
    known_keys(_name("FINGERPRINT"), given, FINGERPRINT_KEYS)
    return given


def _mode(given: Mapping[str, Any] | None, key: str, default: Mode) -> Mode:
    mode: Mode = "off" if given is None else given.get(key, default)
    if mode not in MODES:
        raise SettingError(_name("FINGERPRINT"), f"{key} must be one of {MODES}, not {mode!r}")
    return mode


def _hash_ids(given: Mapping[str, Any] | None) -> bool:
    wanted = (given or {}).get("hash_ids", False)
    if not isinstance(wanted, bool):
        raise SettingError(_name("FINGERPRINT"), f"hash_ids must be bool, not {wanted!r}")
    return wanted


def _cookie(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """FingerprintCookie's arguments."""
    if given is None:
        return None
    cookie = {key: given[key] for key in COOKIE_KEYS if key in given}
    if isinstance(cookie.get("max_age"), timedelta):
        cookie["max_age"] = int(cookie["max_age"].total_seconds())
    if "keys" not in cookie:
        cookie["keys"] = _derived_keys()
    return cookie


def _consent(given: Mapping[str, Any] | None) -> Callable[[Any], Any] | None:
    consent = (given or {}).get("consent")
    if isinstance(consent, str):
        try:
            consent = import_string(consent)
        except ImportError as error:
            raise SettingError(_name("FINGERPRINT"), f"consent: {error}") from error
    if consent is not None and not callable(consent):
        raise SettingError(
            _name("FINGERPRINT"), f"consent must be callable or a dotted path, not {consent!r}"
        )
    return consent
