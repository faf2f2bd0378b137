# SPDX-License-Identifier: GPL-2.0

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c

# T is a kselftest of that name, or a case of any KUnit suite.
ONLY = $(if $(T),only=$(T) kunit.filter_glob=$(if $(findstring .,$(T)),,*.)$(T))
# The other suites of KUnit run before it with KCSAN only: all else has run them already.
STRESS = stress $(1) duration=$(DURATION) seed=$(SEED) $(if $(findstring kcsan,$(1)),,kunit.filter_glob=ioasid_stress)
DURATION ?= 30
ON ?= debug

# One that comes with make says which machine the guest is; one that was in the
# environment before was meant for other builds.
ifeq ($(origin ARCH),environment)
unexport ARCH
endif

# What a guest reports, and that it could not; the arguments of boot.sh, and ARCH=.
guest = { echo "\# $(1) $(2)"; $(2) LIMIT=$$(($(DURATION) + 2700)) lab/boot.sh $(1) || echo "not ok - the guest: $(1) $(2)"; }

# A lane prints results, and does not fail itself. These take turns on two processors,
# the longest first; the last has a guest for each, and is slow with others beside it.
LANES = debug check native stress arm64 others guest clients
lane.native = { tools/testing/ioasids/test.sh || echo 'not ok - the native tests'; }
lane.check = .ci/check $(T)
lane.guest = $(call guest,test '' $(ONLY))
lane.debug = $(call guest,test debug $(ONLY))
lane.stress = $(call guest,$(call STRESS,debug)); $(call guest,$(call STRESS,kcsan))
lane.arm64 = $(call guest,test '' $(ONLY),ARCH=arm64)$(if $(T),,; $(call guest,$(call STRESS,''),ARCH=arm64))
lane.others = { lab/compare.sh || echo 'not ok - the comparison'; }
lane.clients = { echo '\# clients'; lab/clients.sh || echo 'not ok - the guests of the clients'; }

.PHONY: help run shell test check test-native test-guest test-debug test-stress test-arm64 test-others test-clients
.PHONY: $(LANES:%=lane-%) disk stress coverage bench kernel shell-debian deb install clean clean-cache

help: ## print this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
	@echo 'make test T=NAME runs the one test or check of that name.'

run: ## boot a kernel with the controller and show an administrator's session
	@lab/boot.sh session

shell: ## boot it and give a shell; leave by exit, or Ctrl-A X
	@lab/boot.sh shell

shell-debian: ## the same in a Debian guest with container runtimes and our package
	@lab/clients.sh shell

test: ## run all checks and all tests
ifdef T
	@{ $(lane.check) || $(lane.guest); } | .ci/count $(T)
else
	@exec 8>&2; $(MAKE) --no-print-directory -k -j2 -Otarget disk $(LANES:%=lane-%) | .ci/count
endif

lane-clients: | disk $(filter-out lane-clients,$(LANES:%=lane-%))

# Most of it is fetched, which is no reason to keep others waiting. If that fails, the
# lane says so.
disk:
	-@lab/debian.sh >/dev/null

# Their results are shown when they end; 8 is where progress goes.
$(LANES:%=lane-%): lane-%:
	@echo 'The lane $* begins' >&8; { $(lane.$*); } || echo 'not ok - the lane $*'; echo "The lane $* has ended after $$SECONDS s" >&8

check: ## check the sources, and kernels without some part of ours
	@$(lane.check) | .ci/count $(T)

test-native: ## run the same source in user space: a model, sanitizers, fuzzers
	@$(lane.native) | .ci/count

test-guest: ## run the tests in a guest: KUnit, then kselftests
	@$(lane.guest) | .ci/count $(T)

test-debug: ## run them on a kernel with KASAN, lockdep, kmemleak and more
	@$(lane.debug) | .ci/count $(T)

test-stress: ## run the stress for 30 s on that one, and on one with KCSAN
	@{ $(lane.stress); } | .ci/count

test-arm64: ## run the tests, and the stress, on arm64, where SVA can be had
	@{ $(lane.arm64); } | .ci/count $(T)

stress: ## run it for DURATION s with SEED on the kernel ON: debug, kcsan or nothing
	@$(call guest,$(call STRESS,'$(ON)')) | .ci/count

test-others: ## compare what the kernel's own cgroup tests say with ours and without
	@$(lane.others) | .ci/count

test-clients: ## run systemd, podman, LXC and others in a Debian guest, with limits
	@$(lane.clients) | .ci/count

coverage: ## print which lines of the controller and the allocator KUnit runs
	@lab/coverage.sh

bench: ## measure it against pids, misc, rdma and page_counter; draw the charts
	@tools/testing/ioasids/bench.sh

kernel: ## build the kernel only, and print where it is
	@lab/kernel.sh

deb: ## build the Debian package of the tools, and print where it is
	@lab/deb.sh

install: ## build and install the tools, below DESTDIR and PREFIX
	@O=$$(mktemp -d) && $(MAKE) -C tools/ioasids O="$$O" $(if $(DESTDIR),DESTDIR='$(abspath $(DESTDIR))') install && rm -r "$$O"

clean: ## nothing to do: nothing is built in the checkout
	@echo 'What is built is elsewhere: make clean-cache'

clean-cache: ## remove everything downloaded and built
	@. lab/lib.sh && rm -rf "$$CACHE" && echo "$$CACHE is gone"
