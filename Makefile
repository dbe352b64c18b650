# A thin face over CMake, for people. Results: build/bin/ddsnap, build/lib/nbdkit-ddsnap-plugin.so.
#
#   make            build                       make lint      format, include arrows, clang-tidy, scripts
#   make demo       the whole path, once        make fmt       format in place
#   make test       all tests, plain, then under ASan+UBSan and TSan
#   make sim        the store and whole volumes under faults: SIM_SEEDS=FIRST-LAST, SIM_SECONDS=N, SEED=N
#   make fuzz       libFuzzer over each decoder, FUZZ_SECONDS=N of each
#   make soak       everything at once under kill -9, SOAK_SECONDS=N of it
#   make bench      benchmarks beside peers      make install   to $(DESTDIR)$(PREFIX)
#   make kernel     the dm-ddsnap module        make test-vm   its tests in QEMU, on both kernels
#   make deb        Debian packages, build/deb  make deb-test  them installed, upgraded, purged in an overlay
#   make package-vm them in a fresh Debian 12 in QEMU, as a user: KERNEL=6.1 or 6.12
PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
JOBS ?= $(shell nproc)
# The kernel that the module is for.
KDIR ?= /lib/modules/$(shell uname -r)/build

CONFIGURE = cmake -S . -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX) -B
# The sanitizers' builds are clang's where it is there: a third of the time, and a second compiler's
# opinion of the source.
SANITIZE_CXX := $(or $(shell command -v clang++-19),c++)
CTEST = ctest --output-on-failure --no-tests=error -j$(JOBS) --test-dir
# ThreadSanitizer of GCC 12 wants addresses where a kernel with much randomisation may not put them.
FIXED_ADDRESSES := $(shell setarch -R true 2>/dev/null && echo setarch -R)

.PHONY: all build deps demo test test-plain test-asan test-tsan sim fuzz soak lint fmt bench install clean
.PHONY: deb deb-test package-vm kernel kernel-install test-vm test-vm-debug dd-init dd-agent dd-server origin devspam

all: build

deps:
	@scripts/install-deps

build: $(BUILD)/build.ninja
	ninja -C $(BUILD) -j$(JOBS)

$(BUILD)/build.ninja:
	$(CONFIGURE) $(BUILD) -DCMAKE_BUILD_TYPE=RelWithDebInfo
build-asan/build.ninja:
	$(CONFIGURE) build-asan -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_COMPILER=$(SANITIZE_CXX) -DDDSNAP_SANITIZE=address,undefined
build-tsan/build.ninja:
	$(CONFIGURE) build-tsan -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_COMPILER=$(SANITIZE_CXX) -DDDSNAP_SANITIZE=thread

demo: deps
	$(MAKE) build
	scripts/demo

test: deps
	@scripts/install-deps --docs
	@scripts/install-deps --vm
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

# The long form of tests/sim: other seeds, and more of them, than `make test` runs. SIM_SECONDS=N is
# for the simulation of the whole volume, and goes on from SIM_FIRST; SEED=N replays one seed of it.
SIM_SEEDS ?= 1000-1999
SIM_FIRST ?= 1000
sim: build
ifdef SEED
	DDSNAP_SIM_SEED=$(SEED) $(BUILD)/bin/volume_sim_test
else ifdef SIM_SECONDS
	DDSNAP_SIM_SECONDS=$(SIM_SECONDS) DDSNAP_SIM_FIRST=$(SIM_FIRST) $(BUILD)/bin/volume_sim_test
else
	DDSNAP_SIM_SEEDS=$(SIM_SEEDS) ctest --verbose --no-tests=error -L sim --test-dir $(BUILD) --timeout 86400
endif

# libFuzzer over each decoder in turn, FUZZ_SECONDS of each. What it finds interesting stays in
# build-fuzz/corpus; what ends a target becomes tests/fuzz/seeds/TARGET/NAME, with its cure.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS = $(basename $(notdir $(wildcard tests/fuzz/*_fuzz.cc)))
build-fuzz/build.ninja:
	$(CONFIGURE) build-fuzz -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_COMPILER=clang++-19 \
	  -DDDSNAP_SANITIZE=address,undefined -DDDSNAP_FUZZ=ON
fuzz: build-fuzz/build.ninja
	ninja -C build-fuzz -j$(JOBS) fuzz_targets
	@for target in $(FUZZ_TARGETS); do tests/fuzz/run build-fuzz $$target $(FUZZ_SECONDS) || exit 1; done

# Everything at once, for hours: both mixes side by side. SOAK_PACE=0.1 works a tenth of the time.
SOAK_SECONDS ?= 14400
SOAK_PACE ?= 1
SOAK_SEED ?= $(shell date +%s)
soak: build
	@run() { DDSNAP_BUILD=$(abspath $(BUILD)) tests/soak/soak.py --mix $$1 --seconds $(SOAK_SECONDS) \
	  --pace $(SOAK_PACE) --seed $(SOAK_SEED); }; \
	run ordinary & first=$$!; run filling; second=$$?; wait $$first && exit $$second
	@tests/soak/replication --seconds $(SOAK_SECONDS) --seed $(SOAK_SEED) --build $(abspath $(BUILD))

lint:
	@scripts/install-deps --lint
	@test -f $(BUILD)/build.ninja || $(MAKE) $(BUILD)/build.ninja
	scripts/lint $(BUILD)

fmt:
	scripts/format

# Results in $(BUILD)/bench-results, and as a page with pictures in $(BUILD)/bench-page. bench-full takes hours and 25 GiB, and says more.
RESULTS = $(abspath $(BUILD))/bench-results
BENCHES = nbd_writes nbd_peers compare delta_create delta_apply large_volume many_snapshots store delete replication replication_session
FULL =
bench: bench-build
	$(BUILD)/bench/micro_bench --benchmark_min_time=0.1 --benchmark_out=$(RESULTS)/micro_bench.json
	for bench in $(BENCHES); do DDSNAP_RESULTS=$(RESULTS) tests/bench/$${bench}_bench.py $(BUILD) $(FULL) || exit 1; done
	TMPDIR=/dev/shm DDSNAP_RESULTS=$(RESULTS) tests/bench/kernel_targets_bench.py $(BUILD)
	tests/bench/collect.py $(RESULTS) $(BUILD)/bench-page

bench-full: FULL = --full
bench-full: bench
	for kernel in 6.1 6.12; do for bench in targets snapshots; do TMPDIR=/dev/shm DDSNAP_RESULTS=$(RESULTS) \
	  tests/bench/kernel_$${bench}_bench.py $(BUILD) --full --kernel $$kernel || exit 1; done; done
	tests/bench/collect.py $(RESULTS) $(BUILD)/bench-page

.PHONY: bench-build bench-full
bench-build: build
	@scripts/install-deps --bench
	@mkdir -p $(RESULTS) $(BUILD)/bench-page
	ninja -C $(BUILD) -j$(JOBS) bench

install:
	$(CONFIGURE) $(BUILD)
	ninja -C $(BUILD) -j$(JOBS) ddsnap nbdkit-ddsnap-plugin manual ddsnap_development
	DESTDIR=$(DESTDIR) cmake --install $(BUILD)
	DESTDIR=$(DESTDIR) cmake --install $(BUILD) --component development

# Built in a copy, so that the module of one kernel never stands in the way of another's.
kernel:
	mkdir -p $(BUILD)/kernel
	cp -pru kernel-patches/dm-ddsnap kernel-patches/uapi $(BUILD)/kernel/
	$(MAKE) -C $(KDIR) M=$(abspath $(BUILD))/kernel/dm-ddsnap modules

kernel-install: kernel
	$(MAKE) -C $(KDIR) M=$(abspath $(BUILD))/kernel/dm-ddsnap modules_install

test-vm: build
	@scripts/install-deps --vm
	$(CTEST) $(BUILD) -L vm

deb:
	@scripts/install-deps --deb
	scripts/make-deb $(BUILD)

deb-test: deb
	tests/package/overlay $(BUILD)

# The image is made once; all of it is emulated, and slow.
KERNEL ?= 6.1
package-vm: deb
	tests/package/vm -k $(KERNEL) -b $(BUILD)

# The same under lockdep and KASAN, on a kernel that is built once: slow.
test-vm-debug: build
	@scripts/install-deps --vm-debug
	tree=$$(tests/vm/debug-kernel $(BUILD)) && for test in smoke ordered_writes dead_server suspend server_restart given_up no_memory; do \
	  tests/vm/run -d "$$tree" -b $(BUILD) -t 1800 $$test || exit 1; done

# The convenience of the README of 2006, as root: two block devices of your own, each step in its turn.
#   make dd-init origindev=/dev/sdb snapstoredev=/dev/sdc; make dd-agent; make dd-server; make origin
control = /tmp/control
server = /tmp/server

dd-init: build
	@test -b "$(origindev)" && test -b "$(snapstoredev)" || { echo "name origindev= and snapstoredev=" >&2; exit 2; }
	ln -sf $(origindev) /dev/test-origin
	ln -sf $(snapstoredev) /dev/test-snapstore
	modprobe dm-ddsnap
	$(BUILD)/bin/ddsnap initialize /dev/test-snapstore /dev/test-origin

dd-agent:
	$(BUILD)/bin/ddsnap agent -f $(control)

dd-server:
	$(BUILD)/bin/ddsnap server -f /dev/test-snapstore /dev/test-origin $(control) $(server)

origin:
	echo "0 $$(blockdev --getsz /dev/test-origin) ddsnap /dev/test-snapstore /dev/test-origin $(control) -1" | \
	  dmsetup create vol

devspam: $(BUILD)/build.ninja
	ninja -C $(BUILD) -j$(JOBS) devspam

clean:
	rm -rf build build-asan build-tsan build-fuzz
