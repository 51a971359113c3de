# SPDX-License-Identifier: MIT
"""The configured objects: built on first use, and anew when the settings change."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from headrace import (
    EventSink,
    FingerprintCookie,
    Gate,
    Key,
    PathFilter,
    TokenVerifier,
    Visit,
)
from headrace._front import Front
from headrace.django.conf import KEY_KEYS, Conf, SettingError, known_keys, read

logger = logging.getLogger("headrace")


# what the core's objects raise for a wrong argument; OverflowError for a number beyond C's
_WRONG = (TypeError, ValueError, OverflowError)


@dataclass(frozen=True, slots=True)
class Parts:
    """What one reading of the settings made."""

    conf: Conf
    gate: Gate
    verifier: TokenVerifier | None
    sink: EventSink | None
    front: Front
    cookie_name: str | None
    token_gate: Gate  # looks at the token of any path, and at nothing else
    is_plain: bool  # nothing but the gate is asked when a request comes in

    @property
    def secret_key_is_short(self) -> bool:
        """Are tokens off because the only key there is would be too weak for them?"""
        return self.verifier is None and self.conf.jwt is not None

    def is_skipped(self, visit: Visit) -> bool:
        """Is the token not looked at where this visit's label is?"""
        return self.conf.treat_as.get(visit.label, visit.label) == "skip"


_lock = threading.RLock()  # a dotted path in the settings may lead back here
_building = False
current: Parts | None = None  # what `parts` answers, None before it was asked
# one sink for one set of arguments, so that changing another setting loses no ring
_sinks: dict[str, EventSink] = {}
_said_that_events_are_off = False
_said_that_tokens_are_off = False


def parts() -> Parts:
    """The configured objects. Raises ImproperlyConfigured in the words of the system check."""
    global _building, current
    if current is not None:
        return current
    with _lock:
        if current is not None:
            return current
        if _building:
            raise ImproperlyConfigured("headrace was asked for while its settings are being read")
        _building = True
        try:
            built = build(read())
        except SettingError as error:
            raise ImproperlyConfigured(str(error)) from error
        finally:
            _building = False
        put_simplejwt_backend(built.conf)
        current = built
    _say_when_events_are_off(built.conf)
    _say_when_tokens_are_off(built)
    return built


_simplejwt_backend_is_ours = False


def put_simplejwt_backend(conf: Conf) -> None:
    """Puts our token backend in simplejwt's place, or gives it back its own."""
    global _simplejwt_backend_is_ours
    wanted = conf.enabled and conf.simplejwt_backend
    if wanted == _simplejwt_backend_is_ours:
        return
    from headrace import simplejwt

    if wanted:
        simplejwt.install()
    else:
        simplejwt.uninstall()
    _simplejwt_backend_is_ours = wanted


def build(conf: Conf) -> Parts:
    """Makes the objects; opens no socket. Raises SettingError."""
    verifier = _verifier(conf)
    sink = _sink(conf)
    try:
        paths = PathFilter(conf.paths)
    except _WRONG as error:
        raise SettingError('HEADRACE["PATHS"]', str(error)) from error
    cookie = _cookie(conf)
    try:
        gate = Gate(
            verifier=verifier,
            paths=paths,
            fingerprint=cookie,
            sink=sink,
            require_token=conf.require_token,
            user_claims=conf.user_claims,
            token_from=conf.token_from,
            treat_as=conf.treat_as,
            event_fields=conf.event_fields,
            hash_ids=conf.hash_ids,
            mode=conf.mode,
            gpc=conf.gpc,
            trusted_proxies=conf.trusted_proxies,
            token_header=conf.token_header,
            metrics=conf.metrics,
        )
        token_gate = Gate(
            verifier=verifier, token_from=conf.token_from, token_header=conf.token_header
        )
    except _WRONG as error:
        setting, _, text = str(error).partition(": ")
        raise SettingError(f'HEADRACE["{setting.upper()}"]', text) from error
    front = Front(gate, conf.consent)
    name = None if cookie is None else cookie.name
    is_plain = (
        conf.consent is None
        and conf.request_id is None
        and not conf.proxy_tells_scheme
        and not conf.set_user
    )
    return Parts(conf, gate, verifier, sink, front, name, token_gate, is_plain)


def _key(value: Any) -> Key:
    if isinstance(value, Key):
        return value
    if not isinstance(value, dict):
        raise TypeError(
            f'a key is a Key or a dict such as {{"secret": …, "algorithm": …}}, '
            f"not {type(value).__name__}"
        )
    arguments = dict(value)
    known_keys('HEADRACE["JWT"]', arguments, KEY_KEYS)
    for kind, make in (("secret", Key.secret), ("pem", Key.pem), ("jwk", Key.jwk)):
        if kind in arguments:
            return make(arguments.pop(kind), **arguments)
    raise TypeError('a key as a dict needs "secret", "pem" or "jwk"')


def _verifier(conf: Conf) -> TokenVerifier | None:
    if conf.jwt is None:
        return None
    arguments = dict(conf.jwt)
    try:
        keys = [_key(value) for value in arguments.pop("keys")]
        return TokenVerifier(keys, **arguments)
    except _WRONG as error:
        if conf.tokens_are_unset:  # a site that has none can do with a short SECRET_KEY
            return None
        raise SettingError(
            'HEADRACE["JWT"]',
            f"{error} (without keys of its own it takes SIMPLE_JWT's, and without those "
            "SECRET_KEY; None turns tokens off)",
        ) from error


def _cookie(conf: Conf) -> FingerprintCookie | None:
    if conf.fingerprint is None:
        return None
    try:
        return FingerprintCookie(**conf.fingerprint)
    except _WRONG as error:
        raise SettingError('HEADRACE["FINGERPRINT"]', str(error)) from error


def _sink(conf: Conf) -> EventSink | None:
    if conf.sink is None:
        return None
    identity = repr(sorted(conf.sink.items()))
    if identity not in _sinks:
        arguments = dict(conf.sink)
        try:
            _sinks[identity] = EventSink(arguments.pop("url"), **arguments)
        except _WRONG as error:
            raise SettingError('HEADRACE["SINK"]', str(error)) from error
    return _sinks[identity]


def _say_when_events_are_off(conf: Conf) -> None:
    global _said_that_events_are_off
    if conf.sink_is_unset and conf.enabled and not _said_that_events_are_off:
        _said_that_events_are_off = True
        logger.warning(
            'headrace: no events are recorded: HEADRACE["SINK"] is not set '
            "(headrace.W001); None says that this is meant"
        )


def _say_when_tokens_are_off(now: Parts) -> None:
    global _said_that_tokens_are_off
    if now.secret_key_is_short and now.conf.enabled and not _said_that_tokens_are_off:
        _said_that_tokens_are_off = True
        logger.warning(
            "headrace: no token is verified: SECRET_KEY is too short for HS256 (headrace.W015); "
            'HEADRACE["JWT"] = None says that this is meant'
        )


def reset() -> None:
    """Closes the sinks and forgets the objects: between tests."""
    global current, _said_that_events_are_off, _said_that_tokens_are_off
    with _lock:
        current = None
        _said_that_events_are_off = _said_that_tokens_are_off = False
        for configured in _sinks.values():
            configured.close(timeout=0)
        _sinks.clear()


WATCHED = {
    "HEADRACE",
    "SIMPLE_JWT",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "STATIC_URL",
    "MEDIA_URL",
    "FORCE_SCRIPT_NAME",
    "DEBUG",
    "SECURE_PROXY_SSL_HEADER",
}


def forget(*, setting: str, **kwargs: Any) -> None:
    """Drops the objects when a setting that they were made from changes (in tests)."""
    global current
    if setting in WATCHED:
        with _lock:
            current = None


setting_changed.connect(forget, dispatch_uid="headrace")
