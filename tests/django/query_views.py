# SPDX-License-Identifier: MIT
"""Views that ask a database, and functions that are counted and timed."""

from __future__ import annotations

import asyncio

from django.contrib.auth.models import User
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.urls import path

from headrace.django import log_queries, time_function


@time_function("prices")
def prices() -> int:
    return User.objects.count()


@time_function("prices, async")
async def aprices() -> int:
    return await User.objects.acount()


@log_queries
def three() -> str:
    """Says three."""
    for number in range(3):
        User.objects.filter(pk=number).first()
    return "three"


@log_queries
async def athree() -> str:
    for number in range(3):
        await User.objects.filter(pk=number).afirst()
    return "three"


def two(request: HttpRequest) -> HttpResponse:
    User.objects.count()
    User.objects.filter(username="it is a secret").exists()
    return HttpResponse("two")


async def atwo(request: HttpRequest) -> HttpResponse:
    await User.objects.acount()
    await User.objects.filter(username="it is a secret").aexists()
    return HttpResponse("two")


def none(request: HttpRequest) -> HttpResponse:
    return HttpResponse("none")


def many(request: HttpRequest) -> HttpResponse:
    for number in range(5):
        User.objects.filter(pk=number).first()  # the line of the many
    return HttpResponse("many")


async def amany(request: HttpRequest) -> HttpResponse:
    for number in range(5):
        await User.objects.filter(pk=number).afirst()  # the line of the async many
    return HttpResponse("many")


async def together(request: HttpRequest) -> HttpResponse:
    await asyncio.gather(*(User.objects.filter(pk=n).afirst() for n in range(5)))  # the gathering
    return HttpResponse("together")


def raw(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'it is a secret', 42 /* and so is this */")  # the raw line
    return HttpResponse("raw")


def failing(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    return HttpResponse("never")


def both(request: HttpRequest) -> HttpResponse:
    User.objects.count()
    with connections["other"].cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("both")


def full(request: HttpRequest) -> HttpResponse:
    request.visit.add({f"field {number}": number for number in range(40)})
    User.objects.count()
    return HttpResponse("full")


def decorated(request: HttpRequest) -> HttpResponse:
    prices()
    prices()
    return HttpResponse(three())


async def adecorated(request: HttpRequest) -> HttpResponse:
    await aprices()
    await aprices()
    return HttpResponse(await athree())


VIEWS = [two, atwo, none, many, amany, together, raw, failing, both, full, decorated, adecorated]
urlpatterns = [path(f"{view.__name__}/", view) for view in VIEWS]
