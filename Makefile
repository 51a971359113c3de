# SPDX-License-Identifier: MIT
# The targets that people and CI run; `make help` lists them.
# Everything is built below build/, the Python environment is .venv/.

SHELL := /bin/bash
CC ?= gcc
CLANG ?= clang-14
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

PKGS := openssl hiredis
HAVE_LIBJWT := $(shell pkg-config --exists libjwt 2>/dev/null && echo 1)
ifeq ($(HAVE_LIBJWT),1)
PKGS += libjwt
LIBJWT_FLAG := -DPS_HAVE_LIBJWT
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Werror
CFLAGS_CORE = -std=c11 -D_GNU_SOURCE -fvisibility=hidden $(WARN) \
        $(LIBJWT_FLAG) $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread

CORE := $(filter-out $(if $(HAVE_LIBJWT),,ext/core/signature_libjwt.c),\
        $(wildcard ext/core/*.c))
HEADERS := $(wildcard ext/core/*.h tests/c/*.h)
C_TESTS := $(wildcard tests/c/test_*.c)

ASAN := -g -O1 -fsanitize=address,undefined -fno-omit-frame-pointer \
        -fno-sanitize-recover=undefined -DPS_ALLOC_TEST
TSAN := -g -O1 -fsanitize=thread
PLAIN := -O2 -g

.DEFAULT_GOAL := help

# One rule set a build: objects, a static library, one program a C test.
define BUILD_RULES
build/$(1)/core/%.o: ext/core/%.c $$(HEADERS)
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_CORE) $(2) -c $$< -o $$@
build/$(1)/libpenstock.a: $$(patsubst ext/core/%.c,build/$(1)/core/%.o,$$(CORE))
	@rm -f $$@
	ar rcs $$@ $$^
build/$(1)/%: tests/c/%.c build/$(1)/libpenstock.a
	$$(CC) $$(CFLAGS_CORE) $(2) $$< -o $$@ build/$(1)/libpenstock.a $$(LIBS)
endef
$(eval $(call BUILD_RULES,asan,$(ASAN)))
$(eval $(call BUILD_RULES,tsan,$(TSAN)))
$(eval $(call BUILD_RULES,plain,$(PLAIN)))
.SECONDARY:

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: c-tests
c-tests: $(patsubst tests/c/%.c,build/asan/%,$(C_TESTS)) ## the C tests under ASan+UBSan
	prove -e '' $^
