# SPDX-License-Identifier: MIT
"""The configured objects: built on first use, and anew when the settings change."""

from __future__ import annotations

import logging
import threading
from asyncio import CancelledError
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

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
from headrace.django import request_id
from headrace.django.conf import KEY_KEYS, Conf, SettingError, known_keys, read
from headrace.django.cookies import add_set_cookie
from headrace.django.identity.request_user import offer_user
from headrace.django.measure.timing import Allowance, access, log_request, time_response

logger = logging.getLogger("headrace")

VISIT_KEY = "headrace.visit"

# what the core's objects raise for a wrong argument; OverflowError for a number beyond C's
_WRONG = (TypeError, ValueError, OverflowError)

_allowance = Allowance(1)  # of lines about a failure of ours, a minute
_NOTHING = Gate()  # finds and records nothing


@dataclass(frozen=True, slots=True)
class Site:
    """What one reading of the settings made, and the two steps around a view: the same for sync
    and async, and neither of them waits.
    """

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

    def emit(self, kind: str, fields: Mapping[str, Any]) -> bool:
        """An event of `kind` into the sink; False where it was refused, or events are off."""
        return self.sink is not None and self.sink.emit(kind, dict(fields))

    def enter(self, request: HttpRequest) -> Visit:
        """The request's visit: an outer wrapper's, else a new one; also ``request.visit``."""
        try:
            if self.is_plain and type(request) is WSGIRequest and VISIT_KEY not in request.META:
                visit = self.gate.enter(request.META, path=request.path_info)
                request.visit = visit  # type: ignore[attr-defined]
                return visit
            return self._enter_in_full(request)
        except Exception:
            if self.conf.require_token:
                raise  # nobody gets in because of a failure of ours
            visit = _NOTHING.enter({})
            request.visit = visit  # type: ignore[attr-defined]
            _log_failure("headrace: a request goes in without a fingerprint, a token or an event")
            return visit

    def leave(
        self, request: HttpRequest, visit: Visit, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Puts what the visit asks for on the response, and finishes it with the last byte."""
        conf = self.conf
        try:
            match = request.resolver_match
            route: str | None = None
            if match is not None:
                route = match.route
                if match.view_name in conf.mask_paths:
                    visit.path = route
            headers = None
            # a view that sets or deletes the cookie itself has the last word
            if visit._has_candidate and self.cookie_name not in response.cookies:
                headers = header_pairs(response)
            # as `session_user`, which a call would make a tenth of this function's cost
            user = getattr(request, "_cached_user", None) or getattr(
                request, "_acached_user", None
            )
            if user is not None:
                user = user_key(user)
            if response.streaming:
                added = visit.respond(response.status_code, headers, user, route)
                _finish_with_the_body(visit, response)
            else:
                added = visit.finish(response.status_code, headers, user, route)
            if added:
                value = added[0][1]  # bytes after enter_scope
                add_set_cookie(
                    response, value if isinstance(value, str) else value.decode("ascii")
                )
                request._cache_update_cache = False  # type: ignore[attr-defined]
            seconds = visit.elapsed
            if seconds > conf.quiet_below or access.level:
                time_response(conf, request, visit, response, seconds)
            if conf.request_id is not None and visit.request_id is not None:
                response.headers[conf.request_id] = visit.request_id
        except Exception:
            _log_failure("headrace: a response goes out without what we had to add")
        finally:
            if conf.request_id is not None:
                request_id.current.set(None)
        return response

    def abort(self, request: HttpRequest, visit: Visit, status: int) -> None:
        """Finishes the visit of a request that has no response."""
        match = request.resolver_match
        if match is not None:
            visit.route = match.route
            if match.view_name in self.conf.mask_paths:
                visit.path = match.route
        visit.finish(status, None, session_user(request))
        log_request(self.conf, request, visit, status, visit.elapsed)
        if self.conf.request_id is not None:
            request_id.current.set(None)

    def refusal(self, visit: Visit) -> HttpResponse:
        """401 for a label that requires a token."""
        answer = self.front.refusal(visit)
        response = HttpResponse(answer.body, status=answer.status_code)
        for name, value in answer.headers:
            response.headers[name] = value
        return response

    def _enter_in_full(self, request: HttpRequest) -> Visit:
        """`enter` for all settings, servers and wrappers."""
        conf = self.conf
        scope: dict[str, Any] | None = None
        if type(request) is not WSGIRequest:  # which is known to have none
            # not through request.__dict__: asking for it makes every later attribute slower
            scope = getattr(request, "scope", None)
        source = request.META if scope is None else scope
        # None: the scheme, which is all that request.is_secure() looks at without a proxy
        secure = request.is_secure() if conf.proxy_tells_scheme else None
        mode = None if conf.consent is None else self.front.mode(source)
        visit: Visit | None = None
        if VISIT_KEY in source:
            visit = self._shared(source[VISIT_KEY], secure, mode)
        if visit is None:
            if scope is None:
                visit = self.gate.enter(source, path=request.path_info, secure=secure, mode=mode)
            else:
                visit = self.gate.enter_scope(
                    scope, path=request.path_info, secure=secure, mode=mode
                )
        request.visit = visit  # type: ignore[attr-defined]
        if conf.request_id is not None:
            if visit.request_id is None:
                visit.request_id = request_id.take_or_mint(request, conf.request_id)
            request_id.current.set(visit.request_id)
        if conf.set_user:
            offer_user(self, request)
        return visit

    def _shared(self, visit: Visit, secure: bool | None, mode: str | None) -> Visit | None:
        """An outer wrapper's visit, where it says what ours would; else None: ours is made.

        A visit of another gate knows nothing of our labels and required tokens, one under another
        consent may have looked at a cookie that this site's does not allow.
        """
        if visit._gate is not self.gate or mode not in (None, self.gate.mode):
            visit.discard()
            visit.finish(0)  # without headers: it hands out nothing
            return None
        if secure is not None:
            visit.secure = secure
        return visit


def _finish_with_the_body(visit: Visit, response: Any) -> None:
    """500 where the stream breaks, 499 where it is closed before its end, else as it began."""
    if response.is_async:
        response._iterator = _awatched(response._iterator, visit)
    else:
        response._iterator = _watched(response._iterator, visit)
        response._resource_closers.append(response._iterator.close)
    response._resource_closers.append(visit.finish)


def _watched(parts: Iterator[bytes], visit: Visit) -> Iterator[bytes]:
    try:
        yield from parts
    except GeneratorExit:
        visit.finish(499)
        raise
    except BaseException:
        visit.finish(500)
        raise


async def _awatched(parts: AsyncIterator[bytes], visit: Visit) -> AsyncIterator[bytes]:
    try:
        async for part in parts:
            yield part
    except (GeneratorExit, CancelledError):
        visit.finish(499)
        raise
    except BaseException:
        visit.finish(500)
        raise


def _log_failure(text: str) -> None:
    """Logs the exception being handled: a failure of ours that the site goes on without."""
    kept_back = _allowance.take()
    if kept_back is not None:
        logger.exception("%s (as %d more did that were not logged)", text, kept_back)


def header_pairs(response: HttpResponseBase) -> Any:
    """``response.headers.items()``, without the generators that it takes to get there: Django
    keeps the pairs as they are wanted, under the names in lower case.
    """
    try:
        return list(response.headers._store.values())
    except AttributeError:  # a Django that keeps them in another way
        return response.headers


def session_user(request: HttpRequest) -> object | None:
    """The key of a user whom somebody has loaded already; we never load one."""
    user = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    return None if user is None else user_key(user)


def user_key(user: object) -> object | None:
    """Its primary key, as the event names it; None for who is not logged in."""
    if not getattr(user, "is_authenticated", False):
        return None
    return cast(object, user.pk)  # type: ignore[attr-defined]


# --- made from the settings ---------------------------------------------------------------------

_lock = threading.RLock()  # a dotted path in the settings may lead back here
_building = False
current: Site | None = None  # what `configured` returns, None before it was asked
# one sink for one set of arguments, so that changing another setting loses no ring
_sinks: dict[str, EventSink] = {}
_said_that_events_are_off = False
_said_that_tokens_are_off = False


def configured() -> Site:
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


def build(conf: Conf) -> Site:
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
    return Site(conf, gate, verifier, sink, front, name, token_gate, is_plain)


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


def _say_when_tokens_are_off(site: Site) -> None:
    global _said_that_tokens_are_off
    if site.secret_key_is_short and site.conf.enabled and not _said_that_tokens_are_off:
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
        for sink in _sinks.values():
            sink.close(timeout=0)
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
