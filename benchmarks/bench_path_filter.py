# SPDX-License-Identifier: MIT
"""What does a path label cost, with 10 rules and with 10,000?"""

from __future__ import annotations

from pairs import report

from headrace import PathFilter

PATH = "/community/1234/members/"
FEW = ["/static/", "/media/", "/health/", "/metrics/", "/admin/", "/__debug__/", "/ws/", "/docs/"]


def main() -> None:
    few = PathFilter({"skip": FEW, "api": ["/api/", "/graphql/"]})
    many = PathFilter({"skip": [f"/tenant{n}/static/" for n in range(9_990)], "api": FEW})
    prefixes = (*FEW, "/api/", "/graphql/")
    many_prefixes = tuple(f"/tenant{n}/static/" for n in range(10_000))
    report(
        "a path label",
        {
            "PathFilter.label, 10 rules": lambda: few.label(PATH),
            "PathFilter.label, 10,000 rules": lambda: many.label(PATH),
            "str.startswith(tuple), 10 prefixes": lambda: PATH.startswith(prefixes),
            "str.startswith(tuple), 10,000 prefixes": lambda: PATH.startswith(many_prefixes),
        },
    )


if __name__ == "__main__":
    main()
