# SPDX-License-Identifier: MIT
"""What does reading a signed cookie cost, beside Django's get_signed_cookie?"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpResponse, parse_cookie
from django.test import RequestFactory
from pairs import report

from headrace import FingerprintCookie

SECRET = "a secret of the benchmarks, long enough for all"


def main() -> None:
    settings.configure(SECRET_KEY=SECRET)
    cookie = FingerprintCookie(keys=[SECRET])
    minted = cookie.mint()
    others = "csrftoken=abcdefghijklmnopqrstuvwxyz012345; theme=dark; lang=en; _ga=GA1.2.3.4; "
    header = f"{others}device_fp={minted.value}"

    response = HttpResponse()
    response.set_signed_cookie("device_fp", minted.id)
    django_header = f"{others}device_fp={response.cookies['device_fp'].value}"
    request = RequestFactory().get("/")  # once: its own cost stays outside

    def django_read() -> object:
        request.COOKIES = parse_cookie(django_header)
        return request.get_signed_cookie("device_fp")

    assert django_read() == minted.id
    assert cookie.read(header) is not None
    report(
        "the fingerprint from a header of 5 cookies",
        {
            "FingerprintCookie.read": lambda: cookie.read(header),
            "Django parse_cookie + get_signed_cookie": django_read,
        },
    )

    def filled(size: int) -> str:
        """Other people's cookies, so many bytes of them, and ours nowhere."""
        return ("theme=dark; lang=en; " * (size // 21 + 1))[:size]

    half, whole = filled(32 << 10), filled(64 << 10)
    report(
        "a header without ours: growth with its length",
        {"32 KiB": lambda: cookie.read(half), "64 KiB": lambda: cookie.read(whole)},
    )


if __name__ == "__main__":
    main()
