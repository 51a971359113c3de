# SPDX-License-Identifier: MIT
"""The types of the C core. One section a file of ext/binding/."""

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from inspect import Signature
from os import PathLike
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar, final, overload

_T = TypeVar("_T")

# --- errors -----------------------------------------------------------------------------------

class InvalidTokenError(Exception):
    """A token is refused."""

    reason: str
    """The stable word why, the same in exceptions, counters and events."""

class DecodeError(InvalidTokenError):
    """``malformed``, ``base64``, ``header`` or ``payload``: the token is not well-formed."""

class InvalidSignatureError(DecodeError):
    """``signature``: no key verifies it."""

class ExpiredSignatureError(InvalidTokenError):
    """``expired``: the time of ``exp`` has come."""

class ImmatureSignatureError(InvalidTokenError):
    """``not_yet_valid``: the time of ``nbf`` has not come yet."""

class InvalidIssuedAtError(ImmatureSignatureError):
    """``issued_in_future``: the time of ``iat`` has not come yet."""

class InvalidAudienceError(InvalidTokenError):
    """``audience``: the token is for somebody else."""

class InvalidIssuerError(InvalidTokenError):
    """``issuer``: the token is of another issuer."""

class InvalidSubjectError(InvalidTokenError):
    """``subject``: ``sub`` is not a string, or not the expected one."""

class InvalidJTIError(InvalidTokenError):
    """``jti``: the token's id is not a string."""

class InvalidAlgorithmError(InvalidTokenError):
    """``algorithm``: no key is meant for the token's algorithm."""

class MissingRequiredClaimError(InvalidTokenError):
    """``missing_claim``: a claim that must be there is not."""

    claim: str

class TokenTooLongError(InvalidTokenError):
    """``too_long``: the token is over ``max_bytes``."""

class CriticalHeaderError(InvalidTokenError):
    """``critical``: the header has ``crit`` or ``b64``, and no extension is known."""

class UnknownKeyIdError(InvalidTokenError):
    """``key_id``: no key has the header's ``kid``."""

class TokenTypeError(InvalidTokenError):
    """``type``: the header's ``typ`` is not the expected one."""

class ClaimTypeError(DecodeError):
    """``claim_type``: a time is no number from 0 on, below 2**63."""

    claim: str

class UnexpectedValueError(InvalidTokenError):
    """``unexpected_value``: a claim does not have the expected value."""

    claim: str

class LifetimeError(InvalidTokenError):
    """``lifetime``: from ``iat`` to ``exp`` it is longer than ``max_lifetime``."""

class EngineError(InvalidTokenError):
    """``engine``: the signature engine refuses what our rules would take."""

class InvalidKeyError(ValueError):
    """A key cannot be used."""

    reason: str

# --- key --------------------------------------------------------------------------------------

_Algorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]

@final
class Key:
    """A key, parsed once and pinned to exactly one algorithm. Immutable.

    Weak keys and keys that do not fit the algorithm raise InvalidKeyError, a ValueError.
    """

    @classmethod
    def secret(
        cls, data: str | bytes, *, algorithm: _Algorithm | str, key_id: str | None = None
    ) -> Self:
        """An HMAC secret (a str counts as UTF-8), at least as long as the hash (RFC 7518 3.2).

        Any encoding of key material (PEM, DER, JWK, OpenSSH) is refused.
        """

    @classmethod
    def pem(
        cls, data: str | bytes, *, algorithm: _Algorithm | str, key_id: str | None = None
    ) -> Self:
        """A public key: one PEM block of SubjectPublicKeyInfo, PKCS#1 or an X.509 certificate.

        A certificate's dates and chain are not looked at.
        """

    @classmethod
    def jwk(
        cls,
        document: Mapping[str, Any] | str | bytes,
        *,
        algorithm: _Algorithm | str | None = None,
    ) -> Self:
        """A JWK (RFC 7517). Its own ``alg`` pins it, else ``algorithm``."""

    @classmethod
    def jwks(
        cls,
        document: Mapping[str, Any] | str | bytes,
        *,
        algorithm: _Algorithm | str | None = None,
    ) -> list[Self]:
        """The keys of a JWK Set. Those of another use or kind are passed over and logged."""

    @classmethod
    def _short_secret(
        cls, data: str | bytes, *, algorithm: str, key_id: str | None = None
    ) -> Self: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def key_id(self) -> str | None: ...

# --- token ------------------------------------------------------------------------------------

@final
class Token:
    """A verified JWT. Immutable; ``token[name]`` is a claim, ``in``, ``len`` and iteration are
    over the names of the claims.
    """

    def __getitem__(self, name: str, /) -> Any: ...
    def __contains__(self, name: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    @overload
    def get(self, name: str, /) -> Any | None: ...
    @overload
    def get(self, name: str, default: Any, /) -> Any: ...
    @property
    def claims(self) -> dict[str, Any]:
        """All claims: a new dict each time, as ``json.loads`` would give it."""

    @property
    def header(self) -> dict[str, Any]:
        """The JOSE header: a new dict each time."""

    @property
    def key_id(self) -> str | None: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def expires_at(self) -> int | None:
        """``exp`` in whole seconds since the epoch."""

# --- token_verifier ---------------------------------------------------------------------------

class CacheInfo(NamedTuple):
    """What a verifier's cache has seen, in this process."""

    hits: int
    misses: int
    size: int
    capacity: int
    bytes: int

@final
class TokenVerifier:
    """Verifies JWTs; what verified once is compared from then on, and its times checked anew.

    ``audience`` and ``issuer`` take one or several, any of which will do; a token with ``aud``
    is refused where none is expected. ``expect`` maps names of claims to the value they must
    have, or to a tuple of values. ``leeway`` and ``max_lifetime`` are seconds or a timedelta.
    ``type`` is the expected ``typ`` of the header. Tokens over ``max_bytes`` are refused unread.
    ``engine`` is ``"openssl"`` or ``"libjwt"``. Any thread may use it. Raises TypeError or
    ValueError naming the setting, and InvalidKeyError naming the key.
    """

    __signature__: ClassVar[Signature]
    def __new__(
        cls,
        keys: Iterable[Key],
        *,
        audience: str | Iterable[str] | None = None,
        issuer: str | Iterable[str] | None = None,
        subject: str | None = None,
        expect: Mapping[str, Any] | None = None,
        leeway: float | timedelta = 0,
        require: Iterable[str] = ("exp",),
        type: str | None = None,  # noqa: A002
        max_lifetime: float | timedelta | None = None,
        max_bytes: int = 8192,
        cache_size: int = 4096,
        engine: Literal["openssl", "libjwt"] | str = "openssl",
    ) -> Self: ...
    def verify(self, text: str | bytes, now: float | None = None) -> Token:
        """The token of ``text``, which has no scheme in front; ``now`` in seconds since the
        epoch. Raises a subclass of InvalidTokenError.
        """

    def verify_jws(self, text: str | bytes, /) -> builtins.bytes:
        """The payload of any JWS, which may be empty: only signature and header are judged."""

    def replace_keys(self, keys: Iterable[Key], /) -> None:
        """Other keys from now on, all at once; what was cached under the old ones is gone."""

    def _decode(self, text: str | bytes, /) -> Token: ...
    @classmethod
    def _read_unverified(
        cls, text: str | bytes, /
    ) -> tuple[dict[str, Any], builtins.bytes, builtins.bytes]: ...
    @classmethod
    def _read_object(cls, payload: builtins.bytes, /) -> dict[str, Any]: ...
    @classmethod
    def _engines(cls) -> dict[str, str]: ...
    def cache_info(self) -> CacheInfo: ...
    def cache_clear(self) -> None: ...

# --- path_filter ------------------------------------------------------------------------------

@final
class PathFilter:
    """Path rules by label, compiled once; immutable, any thread may use it.

    ``rules`` maps a label (``skip``, ``api``, ``track`` or a word of one's own, at most 64 bytes)
    to its rules: ``=/x`` exact, ``/x/`` prefix, ``*.x`` suffix, ``*`` as one non-empty segment,
    a final ``/**`` as any rest. ``default`` is the label of a path that no rule matches.
    ValueError, naming the rules, for one that is not well-formed or two that tie.
    """

    __signature__: ClassVar[Signature]
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

    __signature__: ClassVar[Signature]
    def __new__(
        cls,
        name: str = "device_fp",
        *,
        keys: Iterable[str | bytes],
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

    __signature__: ClassVar[Signature]
    def __new__(
        cls,
        *,
        verifier: TokenVerifier | None = None,
        paths: PathFilter | None = None,
        fingerprint: FingerprintCookie | None = None,
        sink: EventSink | None = None,
        require_token: Iterable[str] = (),
        user_claims: Iterable[str] | None = None,
        token_from: Iterable[str] = ("bearer",),
        treat_as: Mapping[str, str] | None = None,
        event_fields: Iterable[str] = (),
        hash_ids: bool = False,
        mode: _Mode | None = "cookie",
        gpc: _Mode | None = "derived",
        trusted_proxies: int = 0,
        token_header: str = "Authorization",
        metrics: bool = False,
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
    def mode(self) -> _Mode: ...
    def enter(
        self,
        environ: dict[str, Any],
        *,
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
        self,
        scope: dict[str, Any],
        *,
        path: str | None = None,
        secure: bool | None = None,
        mode: _Mode | None = None,
    ) -> Visit:
        """The same for an ASGI http or websocket scope.

        Without ``path``, it is ``scope["path"]`` without ``scope["root_path"]``.
        """

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
    def refusal(self) -> Literal["token"] | None:
        """``"token"`` where the label requires one and there is none: the response is a 401."""

    @property
    def _has_candidate(self) -> bool: ...
    @property
    def _gate(self) -> Gate: ...
    secure: bool
    """Whether the request came over https; may be set before ``respond``."""
    @property
    def elapsed(self) -> float:
        """Seconds since ``enter``, or from ``enter`` to ``respond``."""

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

    def respond(
        self,
        status: int,
        headers: Any = None,
        user: object | None = None,
        route: str | None = None,
    ) -> list[tuple[Any, Any]]:
        """Note the response; return the response headers to add.

        ``headers`` are those of the response, a mapping or pairs of str or bytes; without them
        no cookie is handed out. ``user`` is the key of the user whom the framework's session has
        logged in, ``route`` the framework's route. Returns pairs of str after `Gate.enter`, of
        bytes (lower-case names) after `Gate.enter_scope`. May be called again until the first
        byte leaves; after `finish` it returns [].
        """

    def finish(
        self,
        status: int | None = None,
        headers: Any = None,
        user: object | None = None,
        route: str | None = None,
    ) -> list[tuple[Any, Any]]:
        """Record the event, once, at the end of the body; return [].

        Without a `respond` before it, the arguments are those of `respond`, and so is what is
        returned. After a `respond`, ``status`` takes the place of the one noted there: for a
        stream that broke (500, or 499 where the client went away). A second call records nothing.
        """

# --- event_sink -------------------------------------------------------------------------------

_FieldValue = str | bytes | int | float | bool | None

@final
class EventSink:
    """Takes events without ever blocking and brings them to ``url``, exactly once.

    ``redis:// rediss:// unix:// file: memory:``. Nothing is opened and no thread is started before
    the first event of a process; a forked child starts anew. The authorities of ``rediss://``
    are those of ``ca_file`` (a PEM file, or a folder as ``openssl rehash`` makes it), else of
    SSL_CERT_FILE, else what ``ssl.get_default_verify_paths()`` names. Times are in seconds, sizes
    in bytes. Every key in Redis begins with ``prefix``: up to 64 printable ASCII characters
    without blanks and braces, which may be none. Raises TypeError, or ValueError naming the
    setting.
    """

    __signature__: ClassVar[Signature]
    def __new__(
        cls,
        url: str,
        *,
        prefix: str = "headrace:",
        stream: str = "events",
        ring_bytes: int = 4194304,
        linger: float = 0.010,
        batch: int = 256,
        max_length: int | None = 100_000,
        ring_dir: str | PathLike[str] | None = None,
        reconnect: tuple[float, float] = (0.1, 10.0),
        connect_timeout: float = 2.0,
        command_timeout: float = 5.0,
        exit_timeout: float = 2.0,
        delivery: str = "auto",
        reserve: dict[str, float] | None = None,
        max_age: float | None = None,
        sample: float = 1.0,
        ca_file: str | PathLike[str] | None = None,
        certificate: str | PathLike[str] | None = None,
        private_key: str | PathLike[str] | None = None,
        client_name: str | None = None,
    ) -> Self: ...
    def emit(self, kind: str, fields: dict[str, _FieldValue] | None = None) -> bool:
        """Hands one event over; False when it was refused, which is counted. Never blocks.

        TypeError for other types; ValueError for an empty or reserved name (``id kind time
        altered``), a name or kind over 64 bytes, more than 64 fields.
        """
    def flush(self, timeout: float | None = 2.0) -> int:
        """Waits until what was emitted before is settled, by default 2 s at most.

        Answers how many events are still pending.
        """
    def close(self, timeout: float | None = 2.0) -> int:
        """Takes no more events, flushes (2 s by default) and stops the thread.

        What is left stays in the ring file, from where the next process delivers it; answers
        how many those are. Twice is fine.
        """
    def stats(self) -> dict[str, Any]:
        """The ledger of this sink in this process, and how it is. Latencies in seconds.

        ``stages`` says where the time of requests went (``label token fingerprint application
        event``), measured on one request in 16.
        """
    def totals(self) -> dict[str, Any]:
        """The ledger of all processes of this host and user with the same target.

        The ended ones are included. OSError where there is no folder for rings.
        """
    def observe(self, kind: str, name: str, seconds: float = 0.0, outcome: str = "") -> None:
        """Counts one of them in the metrics, and how long it took.

        ``kind`` is ``database``, ``cache`` or ``task``, ``name`` the alias or the task's,
        ``outcome`` ``hit``, ``miss``, ``success``, ``failure`` or nothing. ValueError for others.
        Never blocks.
        """
    def metrics(
        self, own: bool = False
    ) -> tuple[tuple[float, ...], list[tuple[str, str, str, str, float, tuple[int, ...]]]]:
        """What was counted by name, by all processes with the same target, the ended ones too.

        The upper limits of the buckets in seconds, and for each series (kind, name, method,
        outcome, seconds in all, one count a bucket; the last one takes the rest). ``own``: by
        this process alone. OSError where there is no folder for rings.
        """
    @classmethod
    def _rings(
        cls, ring_dir: str | PathLike[str] | None = None
    ) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]], int]:
        """Every ring of this user, what the ended processes counted by target, and how many files
        cannot be trusted. Takes no lock. OSError where the folder is not this user's.
        """
    def captured(self) -> list[dict[str, str]]:
        """What a sink with the target ``memory:`` has taken, as Redis would hold it.

        ValueError for other targets.
        """
    @property
    def closed(self) -> bool: ...
    @property
    def exit_timeout(self) -> float: ...

# --- entries ----------------------------------------------------------------------------------

def _read_entries(
    rows: list[tuple[str, list[str]]],
    event_type: type[_T],
    other: Callable[[str, list[str]], _T],
    /,
) -> list[_T]:
    """The events of a stream's entries; see headrace.events.

    ``other`` makes those that are not as our sinks write them. TypeError, ValueError for rows that
    are none.
    """
