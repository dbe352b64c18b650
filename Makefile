# A thin face over CMake, for people. Results: build/bin/ddsnap, build/lib/nbdkit-ddsnap-plugin.so.
#
#   make            build                       make lint      format, include arrows, clang-tidy, scripts
#   make demo       the whole path, once        make fmt       format in place
#   make test       all tests, plain, then under ASan+UBSan and TSan
#   make bench      benchmarks, printed         make install   to $(DESTDIR)$(PREFIX)
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
JOBS ?= $(shell nproc)

CONFIGURE = cmake -S . -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) -B
CTEST = ctest --output-on-failure --no-tests=error -j$(JOBS) --test-dir
# ThreadSanitizer of GCC 12 wants addresses where a kernel with much randomisation may not put them.
FIXED_ADDRESSES := $(shell setarch -R true 2>/dev/null && echo setarch -R)

.PHONY: all build deps demo test test-plain test-asan test-tsan lint fmt bench install clean

all: build

deps:
	@scripts/install-deps

build: $(BUILD)/build.ninja
	ninja -C $(BUILD) -j$(JOBS)

$(BUILD)/build.ninja:
	$(CONFIGURE) $(BUILD) -DCMAKE_BUILD_TYPE=RelWithDebInfo
build-asan/build.ninja:
	$(CONFIGURE) build-asan -DCMAKE_BUILD_TYPE=Sanitize -DDDSNAP_SANITIZE=address,undefined
build-tsan/build.ninja:
	$(CONFIGURE) build-tsan -DCMAKE_BUILD_TYPE=Sanitize -DDDSNAP_SANITIZE=thread

demo: deps
	$(MAKE) build
	scripts/demo

test: deps
	$(MAKE) test-plain
	$(MAKE) test-asan
	$(MAKE) test-tsan

test-plain: build
	$(CTEST) $(BUILD)

test-asan: build-asan/build.ninja
	ninja -C build-asan -j$(JOBS) checked_tests
	$(CTEST) build-asan -L checked

test-tsan: build-tsan/build.ninja
	ninja -C build-tsan -j$(JOBS) threaded_tests
	$(FIXED_ADDRESSES) $(CTEST) build-tsan -L threaded

lint:
	@scripts/install-deps --lint
	@test -f $(BUILD)/build.ninja || $(MAKE) $(BUILD)/build.ninja
	scripts/lint $(BUILD)

fmt:
	scripts/format

bench: build
	ninja -C $(BUILD) -j$(JOBS) bench
	for bench in $(BUILD)/bench/*_bench; do "$$bench" || exit 1; done
	for bench in $(wildcard tests/bench/*_bench.sh tests/bench/*_bench.py); do "$$bench" $(BUILD) || exit 1; done

install:
	$(CONFIGURE) $(BUILD)
	ninja -C $(BUILD) -j$(JOBS) ddsnap nbdkit-ddsnap-plugin
	DESTDIR=$(DESTDIR) cmake --install $(BUILD)

clean:
	rm -rf build build-asan build-tsan
