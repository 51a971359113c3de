# SPDX-License-Identifier: MIT
"""The types of the C core. One section a file of ext/binding/."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal, NamedTuple, Self, final

# --- path_filter ------------------------------------------------------------------------------

@final
class PathFilter:
    """Path rules by label, compiled once; immutable, any thread may use it.

    ``rules`` maps a label (``skip``, ``api``, ``track`` or a word of one's own, at most 64 bytes)
    to its rules: ``=/x`` exact, ``/x/`` prefix, ``*.x`` suffix, ``*`` as one non-empty segment,
    a final ``/**`` as any rest. ``default`` is the label of a path that no rule matches.
    ValueError, naming the rules, for one that is not well-formed or two that tie.
    """

    def __new__(cls, rules: Mapping[str, Iterable[str]], default: str = "track") -> Self: ...
    def label(self, path: str, /) -> str:
        """The label of a decoded path. Never raises on a str."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, the built-in ones first."""

# --- fingerprint ------------------------------------------------------------------------------

@final
class Fingerprint:
    """A visitor's id and the cookie that holds it. Immutable."""

    @property
    def id(self) -> str:
        """32 lower-case hex digits."""

    @property
    def value(self) -> str:
        """The cookie's value, signed with the first key; ``""`` for a derived id."""

    @property
    def issued_at(self) -> int:
        """Seconds since the epoch."""

    @property
    def reissue(self) -> bool:
        """True where the visitor's cookie was signed with an old key, or not at all."""

# --- fingerprint_cookie -----------------------------------------------------------------------

@final
class FingerprintCookie:
    """The signed cookie that holds a visitor's id. Immutable, any thread may use it.

    The first of ``keys`` (at most 16) signs, all verify. ``max_age`` counts in seconds from when
    the id was made and is never prolonged. ValueError names the setting that is wrong.
    """

    def __new__(
        cls,
        name: str = "device_fp",
        keys: Iterable[str | bytes] = ...,
        max_age: int = 2592000,
        path: str = "/",
        domain: str | None = None,
        samesite: Literal["Lax", "Strict", "None"] = "Lax",
        partitioned: bool = False,
        accept_unsigned: bool = False,
    ) -> Self: ...
    def read(
        self,
        header: str | bytes | list[str | bytes] | tuple[str | bytes, ...] | None,
        now: float | None = None,
    ) -> Fingerprint | None:
        """The fingerprint in raw Cookie headers: str as WSGI has it (latin-1), bytes as ASGI has.

        ``now`` in seconds since the epoch. Never raises because of what a client sent.
        """

    def mint(self, now: float | None = None) -> Fingerprint:
        """A fingerprint with a new random id. OSError where the kernel has no randomness."""

    def header(
        self, fingerprint: Fingerprint, secure: bool = True, now: float | None = None
    ) -> str:
        """The Set-Cookie value that hands ``fingerprint`` out, Max-Age what is left at ``now``.

        ``Secure`` is set where ``secure`` is, or where the cookie does not work without it.
        """

    @property
    def name(self) -> str: ...

# --- gate -------------------------------------------------------------------------------------

_Mode = Literal["cookie", "derived", "off"]

@final
class Gate:
    """The one entry point: ``enter`` before the view, ``Visit.finish`` after it.

    Each of the four parts may be None: that step is off. Immutable; any thread may use it.
    Raises TypeError or ValueError naming the setting.
    """

    def __new__(
        cls,
        *,
        verifier: TokenVerifier | None = None,
        paths: PathFilter | None = None,
        fingerprint: FingerprintCookie | None = None,
        sink: EventSink | None = None,
        require_token: Iterable[str] = (),
        user_claims: Iterable[str] = ("user_id", "sub"),
        token_from: Iterable[str] = ("bearer",),
        treat_as: Mapping[str, str] | None = None,
        event_fields: Iterable[str] = (),
        hash_ids: bool = False,
        mode: _Mode | None = "cookie",
        gpc: _Mode | None = "derived",
        trusted_proxies: int = 0,
    ) -> Self: ...
    @property
    def verifier(self) -> TokenVerifier | None: ...
    @property
    def paths(self) -> PathFilter | None: ...
    @property
    def fingerprint(self) -> FingerprintCookie | None: ...
    @property
    def sink(self) -> EventSink | None: ...
    @property
    def require_token(self) -> tuple[str, ...]: ...
    @property
    def user_claims(self) -> tuple[str, ...]: ...
    @property
    def token_from(self) -> tuple[str, ...]: ...
    @property
    def event_fields(self) -> tuple[str, ...]: ...
    @property
    def hash_ids(self) -> bool: ...
    @property
    def mode(self) -> _Mode: ...
    @property
    def gpc(self) -> _Mode: ...
    @property
    def trusted_proxies(self) -> int: ...
    def enter(
        self,
        environ: dict[str, Any],
        path: str | None = None,
        secure: bool | None = None,
        mode: _Mode | None = None,
    ) -> Visit:
        """Look at a request before its view.

        ``environ`` is a PEP 3333 environ (PATH_INFO is decoded as Django does), or Django's
        ``request.META`` with ``path=request.path_info``. ``secure``: whether the request came
        over https; None takes ``wsgi.url_scheme``. ``mode`` stands in for the gate's own. Never
        raises because of what a client sent.
        """

    def enter_scope(
        self, scope: dict[str, Any], secure: bool | None = None, mode: _Mode | None = None
    ) -> Visit:
        """The same for an ASGI http or websocket scope; ``root_path`` is taken off the path."""

@final
class Visit:
    """One request's verdict, made by `Gate.enter` and `Gate.enter_scope`."""

    @property
    def label(self) -> str: ...
    @property
    def token(self) -> Token | None: ...
    @property
    def token_source(self) -> str | None:
        """``"bearer"`` or ``"cookie:<name>"``; None when no token was sent."""

    @property
    def reason(self) -> str | None:
        """Why the token was refused; None when it was not, or when none was sent."""

    @property
    def user(self) -> str | None:
        """The first of ``user_claims`` in the token."""

    @property
    def fingerprint(self) -> Fingerprint | None: ...
    @property
    def is_new(self) -> bool:
        """True for a fingerprint that the visitor does not have yet."""

    @property
    def agent(self) -> Literal["bot", "prefetch"] | None: ...
    @property
    def is_refused(self) -> bool:
        """True when the label requires a token and there is none: the front answers 401."""

    @property
    def elapsed(self) -> float:
        """Seconds since ``enter``."""

    @property
    def method(self) -> str: ...
    path: str
    """The decoded path; setting it changes the event only."""
    route: str | None
    """The framework's route, for the event."""
    request_id: str | None
    """The request's id, for the event."""
    def add(self, fields: dict[str, str | bytes | int | float | bool | None], /) -> None:
        """More fields in this request's event. TypeError, ValueError as `EventSink.emit`."""

    def discard(self) -> None:
        """No event for this request."""

    def finish(
        self, status: int, headers: Any = None, user: object | None = None
    ) -> list[tuple[Any, Any]]:
        """Record the event; answer the response headers to add.

        ``headers`` are those of the response, a mapping or pairs of str or bytes; without them
        no cookie is handed out. ``user`` is the key of the user whom the framework's session has
        logged in. The answer holds pairs of str after `Gate.enter`, of bytes (lower-case names)
        after `Gate.enter_scope`. A second call answers [] and records nothing.
        """
