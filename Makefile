# SPDX-License-Identifier: MIT
# The targets that people and CI run; `make help` lists them.
# Everything is built below build/, the Python environment is .venv/.

SHELL := /bin/bash
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG ?= clang-14
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export PYTHON VENV CLANG

FUZZ_SECONDS ?= 60
JOBS := $(shell n=$$(nproc); [ $$n -gt 4 ] && n=4; echo $$n)

PKGS := openssl hiredis
HAVE_LIBJWT := $(shell pkg-config --exists libjwt 2>/dev/null && echo 1)
ifeq ($(HAVE_LIBJWT),1)
PKGS += libjwt
LIBJWT_FLAG := -DHR_HAVE_LIBJWT
endif

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
        -Wmissing-prototypes -Wvla -Werror
CFLAGS_BASE := -std=c11 -D_GNU_SOURCE -fvisibility=hidden -Iext/core $(LIBJWT_FLAG) \
        $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS_CORE := $(CFLAGS_BASE) $(WARN)
LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread

NO_LIBJWT := $(if $(HAVE_LIBJWT),,ext/core/token/signature_libjwt.c \
        tests/c/test_token_signature_libjwt.c)
CORE := $(filter-out $(NO_LIBJWT),$(sort $(wildcard ext/core/*/*.c)))
BINDING := $(sort $(wildcard ext/binding/*.c))
HEADERS := $(sort $(wildcard ext/core/*/*.h tests/c/*.h))
C_TESTS := $(filter-out $(NO_LIBJWT),$(sort $(wildcard tests/c/test_*.c)))
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
C_FILES := $(sort $(wildcard ext/core/*/*.[ch] ext/binding/*.[ch] tests/c/*.[ch] \
        tests/fuzz/*.[ch] tests/leaks/*.c benchmarks/*.[ch]))

ASAN := -g -O1 -fsanitize=address,undefined -fno-omit-frame-pointer \
        -fno-sanitize-recover=undefined -DHR_ALLOC_TEST
# TSan does not see fences, and gcc warns of each.
TSAN := -g -O1 -fsanitize=thread -Wno-tsan
PLAIN := -O2 -g
FUZZ := -g -O1 -fsanitize=fuzzer-no-link,address,undefined \
        -fno-omit-frame-pointer -fno-sanitize-recover=undefined \
        -Wno-string-concatenation

# V=1 shows whole commands.
Q := $(if $(V),,@)
SAY = $(if $(V),,@echo "  $(1)")

.DEFAULT_GOAL := help
.SECONDARY:
.DELETE_ON_ERROR:

# One rule set a build: objects, a static library, one program a C test.
define BUILD_RULES
build/$(1)/core/%.o: ext/core/%.c $$(HEADERS)
	@mkdir -p $$(@D)
	$$(call SAY,$(1) $$<)
	$$(Q)$(3) $$(CFLAGS_CORE) $(2) -c $$< -o $$@
build/$(1)/libheadrace.a: $$(patsubst ext/core/%.c,build/$(1)/core/%.o,$$(CORE))
	@rm -f $$@
	@ar qcs $$@ $$^
build/$(1)/%: tests/c/%.c build/$(1)/libheadrace.a
	$$(call SAY,$(1) $$<)
	$$(Q)$(3) $$(CFLAGS_CORE) $(2) $$< -o $$@ build/$(1)/libheadrace.a $$(LIBS)
endef
$(eval $(call BUILD_RULES,asan,$(ASAN),$$(CC)))
$(eval $(call BUILD_RULES,tsan,$(TSAN),$$(CC)))
$(eval $(call BUILD_RULES,plain,$(PLAIN),$$(CC)))
$(eval $(call BUILD_RULES,fuzz,$(FUZZ),$$(CLANG)))
# Debian's packages of another architecture lie beside ours, under its name.
AARCH64 := -O2 -g -DHR_ALLOC_TEST
$(eval $(call BUILD_RULES,aarch64,$(AARCH64),aarch64-linux-gnu-gcc))

FUZZ_LINK = $(CLANG) $(CFLAGS_CORE) $(FUZZ) -fsanitize=fuzzer \
        $(filter %.c,$^) -o $@ \
        build/fuzz/libheadrace.a $(LIBS)
build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c build/fuzz/libheadrace.a
	$(call SAY,fuzz $<)
	$(Q)$(FUZZ_LINK)
# It comes with a verifier of its own, which takes every signature; the
# library's is then left out.
build/fuzz/fuzz_token_verifier: tests/fuzz/fuzz_token_verifier.c ext/core/token/verifier.c \
        build/fuzz/libheadrace.a
	$(call SAY,fuzz $<)
	$(Q)$(FUZZ_LINK) -DHR_FUZZ_SKIP_SIGNATURE
build/fuzz/canary_fuzz: tests/c/canary_fuzz.c build/fuzz/libheadrace.a
	$(call SAY,fuzz $<)
	$(Q)$(FUZZ_LINK)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	    expand -t 12

# The public targets make the machine ready, then start make again, so that
# what is asked of pkg-config above is asked after the libraries are there.
READY_DEV := @tools/bootstrap dev && $(MAKE) --no-print-directory
READY_DEMO := @tools/bootstrap demo && $(MAKE) --no-print-directory
READY_BENCH := @tools/bootstrap bench && $(MAKE) --no-print-directory

.PHONY: test soak asan tsan aws-lc fuzz leaks bench instructions lint fmt wheel demo \
        install
test: ## every test and check, in under 10 minutes on 2 cores
	$(READY_DEV) run-test
soak: ## the long tests in full
	$(READY_DEV) run-soak
asan: ## C tests and Python unit tests under ASan and UBSan
	$(READY_DEV) run-asan
tsan: ## the C thread tests under TSan
	$(READY_DEV) run-tsan
aws-lc: ## every Python test with AWS-LC linked (needs cmake)
	$(READY_DEV) run-aws-lc
fuzz: ## every fuzzer for FUZZ_SECONDS (60) seconds
	$(READY_DEV) run-fuzz
leaks: ## reference counts, blocks and bytes of every Python type
	$(READY_DEV) run-leaks
bench: ## every benchmark, into build/bench/report.md, in under 10 minutes
	$(READY_BENCH) run-bench
instructions: ## count the hot calls, into benchmarks/instructions.json
	$(READY_DEV) run-instructions
lint: ## clang-format, clang-tidy, ruff, mypy, layering
	$(READY_DEV) run-lint
fmt: ## format C and Python
	$(READY_DEV) run-fmt
wheel: ## dist/: a wheel that carries its libraries
	$(READY_DEV) run-wheel
.PHONY: release matrix aarch64
release: ## dist/: the sdist and a wheel for each CPython here, with AWS-LC
	@tools/bootstrap release && $(MAKE) --no-print-directory run-release
matrix: ## the wheels of dist/ on every CPython and Django, and what stands beside them
	@tools/bootstrap release && $(MAKE) --no-print-directory run-matrix
aarch64: ## the C tests, cross-compiled, under qemu
	@tools/bootstrap aarch64 && $(MAKE) --no-print-directory run-aarch64
.PHONY: docs
docs: ## build/docs/html: the documentation site, warnings are errors
	$(READY_DEV) run-docs
demo: ## serve examples/site, send requests, show the ledger
	$(READY_DEMO) run-demo
install: ## build the package into .venv
	$(READY_DEV) $(VENV)/.installed

# --- the package in .venv: built from what the sources are now ------------
PACKAGE := setup.py pyproject.toml \
        $(shell find ext pysrc -name '*.[ch]' -o -name '*.py' -o -name '*.pyi' \
            -o -name py.typed)
$(VENV)/.installed: $(PACKAGE)
	@mkdir -p build && rm -rf build/lib* build/bdist*
	HEADRACE_WERROR=1 $(PY) -m pip install --quiet --disable-pip-version-check \
	    --no-build-isolation --no-deps --no-index --force-reinstall .
	@touch $@

# --- tests ----------------------------------------------------------------
PYTEST := PYTHONDEVMODE=1 $(PY) -m pytest

.PHONY: run-test run-pytest run-python run-process run-redis run-soak c-tests
run-test:
	@tools/stages install:$(VENV)/.installed -- process:run-process -- \
	    redis:run-redis -- python:run-python -- \
	    lint:run-lint c:run-c asan:run-asan-python tsan:run-tsan \
	    fuzz:run-fuzz-short leaks:run-leaks
# Those of the first two wait, for the most part: for servers and deadlines.
run-process: $(VENV)/.installed
	$(PYTEST) -q --durations=10 tests/process
run-redis: $(VENV)/.installed
	$(PYTEST) -q --durations=10 tests/redis
run-python: $(VENV)/.installed
	$(PYTEST) -q tests $(patsubst %,--ignore=tests/%,lint leaks process redis)
run-pytest: run-python run-process run-redis
run-soak: export HEADRACE_SOAK := 1
run-soak: run-c run-tsan run-pytest run-leaks

ASAN_TESTS := $(patsubst tests/c/%.c,build/asan/%,$(C_TESTS))
c-tests: $(ASAN_TESTS) ## the C tests alone, under ASan and UBSan
	prove -e '' $^
.PHONY: run-c
run-c: canary-asan canary-alloc
	@$(MAKE) --no-print-directory -j$(JOBS) $(ASAN_TESTS)
	prove -j$(JOBS) -e '' $(ASAN_TESTS)

# --- sanitizers: each shows first that it catches a planted bug -----------
.PHONY: canary-asan canary-alloc canary-tsan canary-fuzz run-asan \
        run-asan-python run-tsan
canary-asan: build/asan/canary_asan
	@tools/must-fail "heap-buffer-overflow" build/asan/canary_asan
canary-alloc: build/asan/canary_alloc
	@tools/must-fail "store to null pointer" build/asan/canary_alloc

# The extension again, instrumented, in a folder of its own that goes before
# the installed package. .venv/bin/python must be the program itself: with a
# shell script in its place the preloaded library would check the shell.
ASAN_EXT := build/python-asan$(VENV:.venv%=%)
ASAN_PY := env LD_PRELOAD=$(shell $(CC) -print-file-name=libasan.so) \
        ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc \
        PYTHONPATH=$(ASAN_EXT)/lib PYTHONDEVMODE=1 $(PY)
$(ASAN_EXT)/built: $(PACKAGE)
	@rm -rf $(ASAN_EXT)/lib
	HEADRACE_SANITIZE=address,undefined HEADRACE_WERROR=1 $(PY) setup.py -q \
	    build --build-base $(ASAN_EXT) --build-lib $(ASAN_EXT)/lib \
	    --build-temp $(ASAN_EXT)/temp
	@touch $@
build/asan/canary_asan.so: tests/c/canary_asan.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_CORE) $(ASAN) -shared -fPIC $< -o $@

run-asan: run-c run-asan-python
run-asan-python: $(VENV)/.installed $(ASAN_EXT)/built build/asan/canary_asan.so
	@head -c 4 $(PY) | grep -q ELF
	@tools/must-fail "heap-buffer-overflow" $(ASAN_PY) -c \
	    "import ctypes; ctypes.CDLL('build/asan/canary_asan.so').planted_bug(8)"
	@$(ASAN_PY) -c "import headrace._core as core; \
	    assert '/python-asan' in core.__file__, core.__file__"
	$(ASAN_PY) -m pytest -q -p no:cacheprovider --timeout=600 tests/unit

# --- AWS-LC: the extension again, in a folder of its own ------------------
# Not part of `test`: the first build downloads and compiles AWS-LC. The
# tests are all those of `test` that run Python.
AWS_LC_EXT := build/python-aws-lc$(VENV:.venv%=%)
AWS_LC_PY := env PYTHONPATH=$(CURDIR)/$(AWS_LC_EXT)/lib PYTHONDEVMODE=1 $(PY)
AWS_LC_TESTS := tests --ignore=tests/lint
$(AWS_LC_EXT)/built: $(PACKAGE) tools/aws_lc.py
	@rm -rf $(AWS_LC_EXT)/lib
	HEADRACE_CRYPTO=aws-lc HEADRACE_WERROR=1 $(PY) setup.py -q \
	    build --build-base $(AWS_LC_EXT) --build-lib $(AWS_LC_EXT)/lib \
	    --build-temp $(AWS_LC_EXT)/temp
	@touch $@
.PHONY: run-aws-lc
run-aws-lc: $(VENV)/.installed $(AWS_LC_EXT)/built
	@$(AWS_LC_PY) -c "from headrace import TokenVerifier; \
	    version = TokenVerifier._engines()['openssl']; \
	    assert version.startswith('AWS-LC '), version"
	$(AWS_LC_PY) -m pytest -q -p no:cacheprovider $(AWS_LC_TESTS)

# A test of threads is named test_<folder>_<file>_threads.c, or stands here. Tests
# that make allocations fail need the seam of the asan build, whose counter
# is not for threads.
TSAN_TESTS := $(patsubst tests/c/%.c,build/tsan/%,$(sort \
        $(wildcard tests/c/test_*threads*.c) $(shell grep -Ls hr_alloc_fail_at \
            $(patsubst %,tests/c/test_%.c,ring_ring sink_sink ring_counters \
                token_cache redis_delivery))))
# Where addresses are more random than gcc's TSan can map, ask for fewer.
TSAN_RUN := $(shell setarch -R true 2>/dev/null && echo setarch -R)
export TSAN_OPTIONS := exitcode=66 die_after_fork=0
canary-tsan: build/tsan/canary_tsan
	@tools/must-fail "data race" $(TSAN_RUN) build/tsan/canary_tsan
run-tsan: canary-tsan
	@$(MAKE) --no-print-directory -j$(JOBS) $(TSAN_TESTS)
	$(if $(TSAN_TESTS),prove -e '$(TSAN_RUN)' $(TSAN_TESTS))

# --- fuzzing --------------------------------------------------------------
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(FUZZERS))
.PHONY: run-fuzz run-fuzz-short
canary-fuzz: build/fuzz/canary_fuzz
	@tools/must-fail "heap-buffer-overflow" build/fuzz/canary_fuzz \
	    -max_total_time=60 -artifact_prefix=build/fuzz/
run-fuzz: canary-fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_PROGRAMS)
	tools/fuzz $(FUZZ_SECONDS) $(FUZZ_PROGRAMS)
run-fuzz-short:
	@$(MAKE) --no-print-directory run-fuzz FUZZ_SECONDS=2

# --- leaks ----------------------------------------------------------------
.PHONY: run-leaks
run-leaks: $(VENV)/.installed
	$(PYTEST) -q tests/leaks

# --- lint -----------------------------------------------------------------
TIDY := $(patsubst %.c,build/tidy/%.ok,$(CORE) $(BINDING))
build/tidy/%.ok: %.c .clang-tidy $(HEADERS) $(wildcard ext/binding/*.h)
	@mkdir -p $(@D)
	@$(CLANG_TIDY) --quiet --warnings-as-errors='*' $< -- $(CFLAGS_BASE) \
	    $(PYTHON_INCLUDE) 2>build/tidy/$*.log || \
	    { cat build/tidy/$*.log; exit 1; }
	@touch $@
.PHONY: run-lint run-fmt lint-c lint-ruff lint-mypy lint-habits lint-tidy
run-lint:
	@$(MAKE) --no-print-directory -k lint-c lint-ruff lint-mypy \
	    lint-habits lint-tidy
lint-c:
	@$(CLANG_FORMAT) --dry-run --Werror $(C_FILES)
lint-tidy: export PYTHON_INCLUDE = \
    -isystem $(shell $(PY) -c "import sysconfig; print(sysconfig.get_path('include'))")
lint-tidy:
	@$(MAKE) --no-print-directory -k -j$(JOBS) $(TIDY)
lint-ruff:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
lint-mypy: $(VENV)/.installed
	$(PY) -m mypy
lint-habits: $(VENV)/.installed
	$(PYTEST) -q tests/lint
run-fmt:
	$(CLANG_FORMAT) -i $(C_FILES)
	$(PY) -m ruff check --fix --quiet .
	$(PY) -m ruff format .

# --- wheel, benchmarks, demo ----------------------------------------------
.PHONY: run-wheel run-bench run-instructions run-demo clean
run-wheel:
	tools/wheel dist
# ryjwt asks for a newer Python than we do: the newest there is, in an
# environment of its own, runs the benchmark of tokens once more.
NEWEST = $(shell tools/newest-python 2>/dev/null)
NEWEST_VENV := .venv-newest
run-bench: $(VENV)/.installed
	$(if $(NEWEST),VENV=$(NEWEST_VENV) PYTHON=$(NEWEST) tools/bootstrap bench-jwt)
	$(if $(NEWEST),@$(MAKE) --no-print-directory VENV=$(NEWEST_VENV) \
	    PYTHON=$(NEWEST) $(NEWEST_VENV)/.installed)
	$(if $(NEWEST),NEWEST_PYTHON=$(NEWEST_VENV)/bin/python) $(PY) benchmarks/run.py
run-instructions: $(VENV)/.installed
	$(PY) benchmarks/instructions.py --write
run-demo: $(VENV)/.installed
	$(PY) examples/site/demo.py --report build/report.html

# --- release --------------------------------------------------------------
.PHONY: run-release run-matrix run-aarch64
run-release:
	nice $(PY) tools/release.py --out dist
# The tutorial's commands are taken from its page by the tests of this tree.
run-matrix: $(VENV)/.installed
	@ls dist/headrace-*.whl >/dev/null 2>&1 || \
	    $(MAKE) --no-print-directory run-release
	nice $(PY) tools/matrix.py --wheels dist $(if $(ONLY),--only $(ONLY))
run-aarch64:
	@nice $(MAKE) --no-print-directory -j$(JOBS) \
	    $(patsubst tests/c/%.c,build/aarch64/%,$(C_TESTS))
	HR_EMULATED=1 nice prove -j$(JOBS) -e qemu-aarch64 \
	    $(patsubst tests/c/%.c,build/aarch64/%,$(C_TESTS))

# --- documentation --------------------------------------------------------
.PHONY: run-docs
run-docs:
	$(PY) tools/docs.py

clean: ## what was built; .venv stays
	rm -rf build dist wheelhouse pysrc/*.egg-info .mypy_cache .ruff_cache \
	    .pytest_cache .hypothesis
