# SPDX-License-Identifier: MIT
"""System checks: what the middleware would raise, log or get wrong, said at `manage.py check`.

Each has a stable id, and its own paragraph in docs/reference/checks.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.shortcuts import resolve_url
from django.urls import (
    NoReverseMatch,
    URLPattern,
    URLResolver,
    get_resolver,
    get_script_prefix,
)
from django.urls.resolvers import RegexPattern
from django.utils.module_loading import import_string
from django.utils.regex_helper import normalize

from headrace.django.conf import SettingError, read
from headrace.django.site import Site, build

MIDDLEWARE = "headrace.django.middleware.HeadraceMiddleware"
UPDATE_CACHE = "django.middleware.cache.UpdateCacheMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
CORS = "corsheaders.middleware.CorsMiddleware"

Messages = list[checks.CheckMessage]
Found = Iterator[checks.CheckMessage]


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Messages:
    """E001 when HEADRACE is wrong; else all that concerns settings and their surroundings."""
    site, error = _site()
    if error is not None:
        return [error]
    if site is None:
        return []
    return [
        *_sink(site),
        *_users(site),
        *_keys(site),
        *_middleware_order(site),
        *_required_labels(site),
        *_csrf(site),
        *_asgi(),
    ]


def check_deployment(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> Messages:
    """What is fine on a developer's machine, and not in front of visitors."""
    site, _ = _site()
    if site is None:
        return []
    return [*_cookie(site), *_consent(site), *_sink_in_production(site), *_proxies(site)]


def _site() -> tuple[Site | None, checks.CheckMessage | None]:
    """The configured objects; neither they nor an error where headrace is turned off."""
    try:
        conf = read()
        return (build(conf) if conf.enabled else None), None
    except SettingError as error:
        return None, checks.Error(str(error), id="headrace.E001")


def _warning(number: int, text: str, hint: str) -> checks.CheckMessage:
    return checks.Warning(text, hint=hint, id=f"headrace.W{number:03}")


# --- settings ---------------------------------------------------------------------------------


def _sink(site: Site) -> Found:
    if site.conf.sink_is_unset:
        yield _warning(
            1,
            'HEADRACE["SINK"] is not set: no events are recorded.',
            'Set it to a URL such as "redis://127.0.0.1:6379/0", or to None to say that this '
            "is meant.",
        )
    url = str((site.conf.sink or {}).get("url", ""))
    if site.conf.prefix_is_unset and url.startswith(("redis:", "rediss:", "unix:")):
        yield _warning(
            16,
            'HEADRACE["NAME"] is not set: the keys in Redis begin with '
            f'"{site.conf.keys.prefix}", after the settings module, and another site may have '
            "the same.",
            f'Set it to the name of this site; "{site.conf.name}" keeps the keys as they are.',
        )


def _users(site: Site) -> Found:
    if site.conf.set_user and not apps.is_installed("django.contrib.auth"):
        yield checks.Error(
            'HEADRACE["SET_USER"] needs django.contrib.auth in INSTALLED_APPS.',
            hint="Add it, or turn SET_USER off.",
            id="headrace.E003",
        )


def _keys(site: Site) -> Found:
    if site.secret_key_is_short:
        yield _warning(
            15,
            "No token is verified: SECRET_KEY is shorter than 32 bytes, too weak for HS256.",
            'Give HEADRACE["JWT"] keys of its own or make SECRET_KEY longer; None says that '
            "there are no tokens.",
        )
    keys = (site.conf.jwt or {}).get("keys", ())
    secret = [_algorithm(key).startswith("HS") for key in keys]
    if any(secret) and not all(secret):
        yield _warning(
            10,
            "Tokens are verified with shared secrets and with public keys at the same time.",
            "Each key verifies its own algorithm only, so none can be taken for another; but "
            "whoever holds the secret makes tokens. Drop it when the move is over.",
        )


def _algorithm(key: Any) -> str:
    value = key.get("algorithm", "") if isinstance(key, dict) else key.algorithm
    return str(value)


# --- the list of middleware -------------------------------------------------------------------


def _places(path: str) -> list[int]:
    """Where a middleware, or a subclass of it, stands in MIDDLEWARE; without importing the
    package that it comes from when nobody else has.
    """
    places = [at for at, entry in enumerate(settings.MIDDLEWARE) if entry == path]
    if places or path.startswith("corsheaders."):
        return places
    base = import_string(path)
    return [
        at
        for at, entry in enumerate(settings.MIDDLEWARE)
        if isinstance(kind := _imported(entry), type) and issubclass(kind, base)
    ]


def _imported(path: str) -> Any:
    """The middleware; None where it cannot be imported, which Django says better than we."""
    try:
        return import_string(path)
    except ImportError:
        return None


def _middleware_order(site: Site) -> Found:
    ours = _places(MIDDLEWARE)
    if not ours:
        yield _warning(
            6,
            "headrace.django is installed, but its middleware is not in MIDDLEWARE.",
            f'Put "{MIDDLEWARE}" first, or take "headrace.django" out of INSTALLED_APPS.',
        )
        return
    if len(ours) > 1:
        yield checks.Error(
            f"The middleware of headrace is listed {len(ours)} times in MIDDLEWARE.",
            hint="Keep the first one.",
            id="headrace.E002",
        )
    cache = _places(UPDATE_CACHE)
    if cache and ours[0] > cache[0]:
        yield _warning(
            2,
            "The middleware of headrace stands below UpdateCacheMiddleware: pages that hand "
            "out a cookie are kept out of the cache, and cached pages are not recorded.",
            f'Move "{MIDDLEWARE}" above "{UPDATE_CACHE}".',
        )
    cors = _places(CORS)
    if site.conf.require_token and cors and cors[0] > ours[0]:
        yield _warning(
            7,
            "REQUIRE_TOKEN answers 401 above CorsMiddleware: a page of another origin cannot "
            "read that answer, and sees a network error.",
            f'Move "{CORS}" above "{MIDDLEWARE}".',
        )


def _asgi() -> Found:
    is_asgi = getattr(settings, "ASGI_APPLICATION", None) or any(
        apps.is_installed(name) for name in ("daphne", "channels")
    )
    if not is_asgi:
        return
    sync_only = [
        entry
        for entry in settings.MIDDLEWARE
        if (kind := _imported(entry)) and not getattr(kind, "async_capable", False)
    ]
    if sync_only:
        yield _warning(
            5,
            "This is an ASGI project, and these middlewares are sync-only: "
            + ", ".join(sync_only),
            "Each costs every request a hop into a thread and back. Look for versions that "
            "are async_capable; `manage.py headrace_doctor` counts the hops.",
        )


# --- labels that require a token --------------------------------------------------------------


def _required_labels(site: Site) -> Found:
    required = site.conf.require_token
    paths = site.gate.paths
    if not required or paths is None or not getattr(settings, "ROOT_URLCONF", None):
        return
    try:
        login = resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        login = ""  # Django's own business
    path = "/" + login.partition("?")[0].removeprefix(get_script_prefix()).lstrip("/")
    if login.startswith("/") and paths.label(path) in required:
        yield _warning(
            8,
            f"LOGIN_URL ({login}) has the label {paths.label(path)!r}, which requires a "
            "token: nobody can log in to get one.",
            'Give it a label of its own in HEADRACE["PATHS"].',
        )
    for path in _token_views("/", get_resolver().url_patterns):
        if paths.label(path) in required:
            yield _warning(
                9,
                f"{path} hands out simplejwt's tokens, and its label {paths.label(path)!r} "
                "requires one: nobody can get the first.",
                'Give it a label of its own in HEADRACE["PATHS"].',
            )


def _token_views(prefix: str, patterns: Sequence[URLPattern | URLResolver]) -> Iterator[str]:
    """The paths of simplejwt's views that a client without a token needs."""
    try:
        from rest_framework_simplejwt.views import TokenViewBase
    except ImportError:
        return
    for pattern in patterns:
        path = prefix + _route(pattern)
        if isinstance(pattern, URLResolver):
            yield from _token_views(path, pattern.url_patterns)
        elif issubclass(getattr(pattern.callback, "view_class", object), TokenViewBase):
            yield path


def _route(pattern: URLPattern | URLResolver) -> str:
    """A pattern's route; of a regular expression, a path that it matches."""
    if isinstance(pattern.pattern, RegexPattern):
        example, names = normalize(str(pattern.pattern))[0]
        for name in names:
            example = example.replace(f"%({name})s", "x")
        return example
    return str(pattern.pattern)


def _csrf(site: Site) -> Found:
    from_cookie = [source for source in site.conf.token_from if source.startswith("cookie:")]
    if from_cookie and not _places(CSRF):
        yield _warning(
            14,
            f"Tokens come from a cookie ({', '.join(from_cookie)}), and CsrfViewMiddleware is "
            "not in MIDDLEWARE: another site can have a visitor's browser send them.",
            f'Add "{CSRF}".',
        )


# --- deployment -------------------------------------------------------------------------------


def _hands_out_cookies(site: Site) -> bool:
    return site.conf.fingerprint is not None and site.conf.mode == "cookie"


def _cookie(site: Site) -> Found:
    if not _hands_out_cookies(site):
        return
    if settings.SECURE_SSL_REDIRECT or settings.SECURE_PROXY_SSL_HEADER:
        return
    yield _warning(
        3,
        "The fingerprint cookie goes out without Secure on requests that Django takes for http.",
        "Set SECURE_PROXY_SSL_HEADER where a proxy speaks https for you, and SECURE_SSL_REDIRECT "
        "where Django does.",
    )
    if str((site.conf.fingerprint or {}).get("samesite", "Lax")).lower() == "none":
        yield _warning(
            12,
            "The fingerprint cookie has SameSite=None, which browsers take with Secure only.",
            "See headrace.W003.",
        )


def _consent(site: Site) -> Found:
    if _hands_out_cookies(site) and site.conf.consent is None:
        yield _warning(
            4,
            "Every visitor gets a fingerprint cookie: no consent policy is configured.",
            'Give HEADRACE["FINGERPRINT"]["consent"] a function that answers "cookie", '
            '"derived" or "off" for a request, or set "mode" to "derived" or "off".',
        )


def _sink_in_production(site: Site) -> Found:
    if site.conf.sink is not None and str(site.conf.sink["url"]).startswith("memory:"):
        yield _warning(
            11,
            'HEADRACE["SINK"] is "memory:": events stay in this process, and end with it.',
            "Set it to the URL of a Redis server.",
        )


def _proxies(site: Site) -> Found:
    behind_a_proxy = settings.SECURE_PROXY_SSL_HEADER or settings.USE_X_FORWARDED_HOST
    uses_addresses = {"ip", "ip_prefix"} & set(site.conf.event_fields) or "derived" in (
        site.conf.mode,
        site.conf.gpc,
    )
    if behind_a_proxy and uses_addresses and site.conf.trusted_proxies == 0:
        yield _warning(
            13,
            "A proxy stands in front, and HEADRACE["
            '"TRUSTED_PROXIES"] is 0: the address of every visitor is the proxy\'s.',
            "Set it to the number of proxies that add to X-Forwarded-For.",
        )
